"""Going through any number of pictures: in chunks, by several processes, and on from where a stopped call was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from .tally import Tally

__all__ = ["Processes", "chunks_of", "go_through"]


@dataclass(frozen=True)
class Processes:
    """The processes that ``accelerate launch`` (or torchrun) started, and which of them this is.

    Attributes:
        index: of this one.
        count: of all.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def here(cls) -> Processes:
        """The processes of this run; one by itself where nothing launched several.

        Raises:
            RuntimeError: where several were launched that do not know of each other.
        """
        launched = int(os.environ.get("WORLD_SIZE", "1"))
        if launched < 2:
            return cls()
        state = _state()
        if state.num_processes != launched:
            raise RuntimeError(
                f"{launched} processes were launched, but accelerate's state knows {state.num_processes}. On CPUs make it with "
                "PartialState(cpu=True), or launch with accelerate launch --cpu."
            )
        return cls(state.process_index, state.num_processes)

    @classmethod
    def device(cls, wanted: str | torch.device | None = None) -> torch.device:
        """The device that is wanted, or else this process's own GPU, or the CPU."""
        if wanted is not None:
            return torch.device(wanted)
        if cls.here().count == 1:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(_state().device)

    @property
    def first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.index == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            torch.distributed.barrier()

    def gather(self, thing: Any) -> list[Any]:
        """What all have, in their order, for each of them."""
        if self.count == 1:
            return [thing]
        things: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(things, thing)
        return things


def chunks_of(count: int, size: int) -> list[range]:
    """0 … count - 1 in consecutive chunks; which picture lies in which does not depend on the processes."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def go_through(
    count: int,
    chunk_size: int,
    measure: Callable[[range], Tally],
    *,
    title: str,
    identity: str,
    folder: Path | None = None,
    save_every: float = 30.0,
    progress: bool = True,
) -> Tally:
    """Measures pictures chunk by chunk and merges what was found; every process gets the whole.

    Chunks are whole units of work: what is measured of one depends on nothing outside it. So the result is the same for
    every number of processes, and for a run that was stopped and went on, with other processes, too.

    Args:
        count: of the pictures.
        chunk_size: pictures of a chunk.
        measure: gives a :class:`Tally` of the pictures with these indices.
        title: of the pass, for the bar and the files.
        identity: of all that the result depends on; what was measured under another is refused.
        folder: where what was measured so far is kept; ``None``: nowhere.
        save_every: seconds between two writings.
        progress: show a bar.

    Raises:
        ValueError: where the folder holds what was measured of something else.
    """
    processes = Processes.here()
    tally, done = Tally(), np.zeros(0, dtype=np.int64)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        before, done = _measured_before(folder, title, identity)
        processes.wait()  # all have read what the first one is about to replace
        if processes.first:
            tally = before
            _replace(folder, title, identity, tally, done)
        processes.wait()
    chunks = chunks_of(count, chunk_size)
    open_chunks = sorted(set(range(len(chunks))) - set(done.tolist()))[processes.index :: processes.count]
    passed = done.tolist() if processes.first else []
    saved = time.monotonic()
    with tqdm(total=len(open_chunks), unit="chunk", desc=title, disable=not (progress and processes.first)) as bar:
        for chunk in open_chunks:
            tally.merge(measure(chunks[chunk]))
            passed.append(chunk)
            bar.update()
            if folder is not None and (time.monotonic() - saved >= save_every or chunk == open_chunks[-1]):
                _save(folder, title, identity, processes.index, tally, passed)
                saved = time.monotonic()
    if processes.count == 1:
        return tally
    whole = Tally()
    for part in processes.gather(tally.cpu()):
        whole.merge(part)
    return whole


def _state() -> Any:
    """The state that accelerate keeps of this process; on machines without an accelerator, and where it is told so, of CPUs."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available())


def _path(folder: Path, title: str, process: int) -> Path:
    return folder / f"{title.replace(' ', '_')}-{process}.npz"


def _save(folder: Path, title: str, identity: str, process: int, tally: Tally, done: list[int]) -> None:
    digest = np.frombuffer(sha256(identity.encode()).digest(), dtype=np.uint8)
    tally.save(_path(folder, title, process), {"identity": digest, "done": np.array(done, dtype=np.int64)})


def _measured_before(folder: Path, title: str, identity: str) -> tuple[Tally, np.ndarray]:
    """What earlier processes left, each chunk once, and the chunks."""
    digest = np.frombuffer(sha256(identity.encode()).digest(), dtype=np.uint8)
    parts = []
    for path in sorted(folder.glob(f"{title.replace(' ', '_')}-*.npz")):
        tally, extra = Tally.load(path)
        if not np.array_equal(extra["identity"], digest):
            raise ValueError(
                f"{path} holds what was measured of other pictures, models or settings. Give another folder=, or delete it."
            )
        parts.append((tally, extra["done"]))
    whole, done = Tally(), np.zeros(0, dtype=np.int64)
    # a file that was merged into a larger one, but not yet deleted when the run stopped, is not counted twice
    for tally, chunks in sorted(parts, key=lambda part: -len(part[1])):
        if not np.isin(chunks, done).any():
            whole.merge(tally)
            done = np.concatenate([done, chunks])
    return whole, done


def _replace(folder: Path, title: str, identity: str, tally: Tally, done: np.ndarray) -> None:
    """Writes what was merged as the first process's, and deletes the rest."""
    others = sorted(set(folder.glob(f"{title.replace(' ', '_')}-*.npz")) - {_path(folder, title, 0)})
    if len(done):
        _save(folder, title, identity, 0, tally, done.tolist())
    for path in others:
        path.unlink()

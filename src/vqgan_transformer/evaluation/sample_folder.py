"""Many samples as files: by several processes, on from where a stopped call was, each a function of its seed."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image
from torch import nn
from tqdm import tqdm

from ..images import open_picture
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..version import __version__
from .conditions_in_turn import ConditionsInTurn, conditions_in_turn
from .passes import Processes, chunks_of
from .published_weights import weights_hash

__all__ = ["generate_samples", "write_npz"]

RECORD = "generation.json"


def generate_samples(
    pipe: ImageSynthesisPipeline,
    folder: str | Path,
    count: int | None = None,
    *,
    data: Any = None,
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    batch_size: int = 8,
    progress: bool = True,
    **arguments: Any,
) -> Path:
    """Paints many pictures into a folder.

    Picture k has the seed ``seed + k`` and the k-th condition (after the last comes the first again), and is the file
    `000000.png` … of that number. Beside them, `metadata.jsonl` says of each its seed and condition, and
    `generation.json` what all of them depend on. A call that was stopped goes on when it is repeated. Under
    ``accelerate launch`` the batches are shared among the processes, and come out the same.

    Args:
        pipe: the pipeline, on the device where it is to run.
        folder: a new one, or one that this very call has begun.
        count: of pictures; by default one for each condition.
        data: a folder or data set whose maps, keypoints or classes are the conditions.
        kinds: the names of the conditions that are read from it; not needed where the pipeline has one only.
        seed: of the first picture.
        batch_size: pictures that are painted together. What is missing of a batch is painted with the whole of it, so
            that a file does not depend on where a call was stopped.
        progress: show a bar.
        **arguments: conditions as lists, which are gone through in turn, e.g. ``class_label=range(1000)``; ``size``,
            options and settings of the sampler, as for a call of the pipeline.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds other samples, and as for a call of the pipeline.
        TypeError: as for a call of the pipeline.
        DataError: for data without such conditions.
    """
    folder = Path(folder).expanduser()
    conditions, settings = conditions_in_turn(pipe, data, kinds, arguments)
    count = len(conditions) if count is None else count
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count is a number of pictures from 1 on, got {count!r}.")
    processes = Processes.here()
    record = _record(pipe, conditions, settings, count, seed, batch_size)
    if processes.first:
        _begin(folder, record, conditions, count, seed)
    processes.wait()
    chunks = [chunk for chunk in chunks_of(count, batch_size) if not all(_path(folder, k).is_file() for k in chunk)]
    share = chunks[processes.index :: processes.count]
    with tqdm(total=sum(map(len, share)), unit="picture", disable=not (progress and processes.first)) as bar:
        for chunk in share:
            for index, picture in zip(chunk, _paint(pipe, conditions, settings, chunk, seed), strict=True):
                _write(picture, _path(folder, index))
            bar.update(len(chunk))
    processes.wait()
    return folder


def write_npz(samples: str | Path, file: str | Path) -> Path:
    """Packs the pictures of a folder into the `.npz` that ADM's evaluator takes: `arr_0`, uint8 (N, H, W, 3).

    One picture at a time is in memory. The file is not compressed, as ADM's.

    Args:
        samples: a folder that :func:`generate_samples` has filled.
        file: the `.npz`.

    Returns:
        the file.

    Raises:
        FileNotFoundError: for a folder that is not complete.
        ValueError: for pictures of different sizes.
    """
    folder, path = Path(samples).expanduser(), Path(file).expanduser()
    if not (folder / RECORD).is_file():
        raise FileNotFoundError(f"{folder} holds no samples of generate_samples: it has no {RECORD}.")
    count = int(json.loads((folder / RECORD).read_text(encoding="utf-8"))["count"])
    missing = [k for k in range(count) if not _path(folder, k).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {count} samples, the first {_path(folder, missing[0]).name}: finish generating."
        )
    first = np.asarray(open_picture(_path(folder, 0)))
    draft = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        with zipfile.ZipFile(draft, "w") as archive, archive.open("arr_0.npy", "w", force_zip64=True) as entry:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, *first.shape)}
            np.lib.format.write_array_header_1_0(entry, header)
            for index in range(count):
                pixels = np.asarray(open_picture(_path(folder, index)))
                if pixels.shape != first.shape:
                    raise ValueError(
                        f"{_path(folder, index).name} is {pixels.shape[0]}×{pixels.shape[1]}, but the first sample "
                        f"{first.shape[0]}×{first.shape[1]}: an .npz holds pictures of one size."
                    )
                entry.write(pixels.tobytes())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _paint(
    pipe: ImageSynthesisPipeline, conditions: ConditionsInTurn, settings: Mapping[str, Any], chunk: range, seed: int
) -> list[Image.Image]:
    """The pictures of a chunk, which depend on nothing outside it."""
    given = [conditions[index] for index in chunk]
    lists: dict[str, Any] = {kind: [each[kind] for each in given] for kind in conditions.kinds}
    call: dict[str, Any] = {
        "seed": [seed + index for index in chunk],
        "progress": False,
        **(lists or {"num_images": len(chunk)}),
        **settings,
    }
    pictures: list[Image.Image] = pipe(**call).images
    return pictures


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.png"


def _write(picture: Image.Image, path: Path) -> None:
    draft = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        picture.save(draft, format="PNG")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _record(
    pipe: ImageSynthesisPipeline,
    conditions: ConditionsInTurn,
    settings: Mapping[str, Any],
    count: int,
    seed: int,
    batch_size: int,
) -> dict[str, Any]:
    """What the samples depend on."""
    parts: dict[str, nn.Module] = {"vqgan": pipe.vqgan, "gpt": pipe.gpt}
    parts |= {condition.name: condition for condition in pipe.conditions}
    return {
        "count": count,
        "seed": seed,
        "batch_size": batch_size,
        "conditions": {"kinds": list(conditions.kinds), "sha256": conditions.fingerprint},
        "settings": {name: _plain(value) for name, value in sorted(settings.items())},
        "sampler": repr(pipe.sampler.config),
        "weights": {name: weights_hash(part) for name, part in parts.items()},
        "version": __version__,
    }


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it; of arrays a digest."""
    if isinstance(value, np.ndarray):
        return sha256(value.tobytes()).hexdigest()
    return json.loads(json.dumps(value, default=repr))


def _begin(folder: Path, record: dict[str, Any], conditions: ConditionsInTurn, count: int, seed: int) -> None:
    """Writes what the samples will be, or checks that this is what the folder holds."""
    if (folder / RECORD).is_file():
        before = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        different = sorted(name for name in record.keys() | before.keys() if record.get(name) != before.get(name))
        if different:
            raise ValueError(
                f"{folder} holds samples of other {', '.join(different)}: give another folder, or delete it. "
                f"It was written with {before.get(different[0])!r}, this call has {record.get(different[0])!r}."
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no samples of generate_samples: give a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for index in range(count):
            row = {"file_name": _path(folder, index).name, "seed": seed + index, **conditions.described(index)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

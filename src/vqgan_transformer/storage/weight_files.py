"""Which of the files in a folder or repository holds the weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import CheckpointError

__all__ = ["FLAX", "FOLDERS", "INDEXES", "PICKLES", "SAFE", "YAML", "holds_weights", "weight_file"]

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SAFE = ".safetensors"
FLAX = ".msgpack"
INDEXES = (".safetensors.index.json", ".bin.index.json")
"""Endings of the list of shards of a large checkpoint."""

YAML = (".yaml", ".yml")
FOLDERS = ("checkpoints", "ckpts", "")
"""Where weights lie: in a run folder of the original, in a released first stage of it, at the top."""

USUAL = tuple(
    stem + ending
    for ending in (SAFE, INDEXES[0], ".bin", INDEXES[1], FLAX)
    for stem in ("model", "diffusion_pytorch_model", "pytorch_model", "flax_model")
)
"""What the Hugging Face libraries call their weights, safe formats first."""

PRECISIONS = ("", "fp32", "float32", "bf16", "bfloat16", "fp16", "float16", "half")
"""What the names of files say of the type of their numbers, the most exact first; "" for nothing."""

VARIANT = re.compile(rf"[._-]({'|'.join(PRECISIONS[1:])})$", re.IGNORECASE)
SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.\w+)$")


def holds_weights(name: str) -> bool:
    """Whether a file of that name may hold weights."""
    return name.endswith((*PICKLES, SAFE, FLAX, *INDEXES))


def weight_file(names: Iterable[str], where: object) -> str | None:
    """The one file with the weights: one with a usual name, ``last.ckpt``, or the only one.

    Of files that differ in the type of their numbers ("model.fp16.safetensors") the most exact is taken, of those that
    differ in their format the safest.

    Args:
        names: of the files in a folder, relative to it, with / between parts.
        where: the folder, for messages.

    Returns:
        one of the names; ``None`` if none holds weights.

    Raises:
        CheckpointError: where there are several, and none has a usual name; or shards without the index that lists them.
    """
    paths = [PurePosixPath(name) for name in names if holds_weights(name)]
    for folder in FOLDERS:
        files = {path.name: path for path in paths if path.parent == PurePosixPath(folder)}
        usual = [files[name] for name in USUAL if name in files]
        last = [path for path in files.values() if path.stem == "last"]
        shards = [match for match in map(SHARD.match, files) if match is not None]
        chosen = usual[:1] or (last if len(last) == 1 else []) or _same_weights(files)
        if not chosen and shards:
            stem, count, ending = shards[0].groups()
            raise CheckpointError(
                f"{where} has {len(shards)} of {int(count)} shards of a checkpoint, but not the index that says what is in "
                f"which: {stem}{ending}.index.json. Download it, too."
            )
        if len(chosen) > 1:
            raise CheckpointError(
                f"{where} has several checkpoints ({', '.join(sorted(files))}) and no last.ckpt. Say which with filename=."
            )
        if chosen:
            return str(chosen[0])
    return None


def _same_weights(files: dict[str, PurePosixPath]) -> list[PurePosixPath]:
    """The best of files that differ in type or format only; all files, shards left out, where they differ in more."""
    whole = [path for name, path in files.items() if SHARD.match(name) is None]
    endings = (SAFE, *PICKLES, FLAX)
    stems = {VARIANT.sub("", path.stem) for path in whole}
    if len(stems) != 1 or not all(path.suffix in endings for path in whole):
        return whole

    def rank(path: PurePosixPath) -> tuple[int, int]:
        variant = VARIANT.search(path.stem)
        precision = PRECISIONS.index(variant[1].lower()) if variant is not None else 0
        return precision, endings.index(path.suffix)

    return sorted(whole, key=rank)[:1]

"""Which of the files in a folder or repository holds the weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import CheckpointError

__all__ = ["FLAX", "INDEX", "PICKLES", "SAFE", "YAML", "holds_weights", "weight_file"]

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SAFE = ".safetensors"
FLAX = ".msgpack"
INDEX = ".safetensors.index.json"
"""Ending of the list of shards of a large checkpoint."""

YAML = (".yaml", ".yml")
FOLDERS = ("checkpoints", "ckpts", "")
"""Where weights lie: in a run folder of the original, in a released first stage of it, at the top."""

USUAL = tuple(
    stem + ending
    for ending in (SAFE, INDEX, ".bin", FLAX)
    for stem in ("model", "diffusion_pytorch_model", "pytorch_model", "flax_model")
)
"""What the Hugging Face libraries call their weights, safe formats first."""


def holds_weights(name: str) -> bool:
    """Whether a file of that name may hold weights."""
    return name.endswith((*PICKLES, SAFE, FLAX, INDEX))


def weight_file(names: Iterable[str], where: object) -> str | None:
    """The one file with the weights, of several ``last.ckpt`` or the one with a usual name.

    Args:
        names: of the files in a folder, relative to it, with / between parts.
        where: the folder, for messages.

    Returns:
        one of the names; ``None`` if none holds weights.

    Raises:
        CheckpointError: where there are several, and none has a usual name.
    """
    paths = [PurePosixPath(name) for name in names if holds_weights(name)]
    for folder in FOLDERS:
        files = {path.name: path for path in paths if path.parent == PurePosixPath(folder)}
        usual = [files[name] for name in USUAL if name in files]
        last = [path for path in files.values() if path.stem == "last"]
        found = usual[:1] or (last if len(last) == 1 else []) or list(files.values())
        if len(found) > 1:
            listed = ", ".join(sorted(files))
            raise CheckpointError(
                f"{where} has several checkpoints ({listed}) and no last.ckpt. Say which with filename=."
            )
        if found:
            return str(found[0])
    return None

"""The tensors of a file of weights, whoever wrote it and in whichever of the two usual formats."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..storage.weights import read_safetensors
from .safe_unpickle import read_state_dict

__all__ = ["read_tensors"]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of one that ``torch.save`` wrote; nothing in it is run.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it holds no tensors by name, is damaged, cut short, or of another format.
    """
    if path.suffix == ".safetensors":
        return {name: tensor.read() for name, tensor in read_safetensors(path).items()}
    return read_state_dict(path)

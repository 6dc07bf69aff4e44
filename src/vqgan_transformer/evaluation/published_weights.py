"""Weights of published networks: which file is meant, whether it is there, and reading it without running anything in it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints.tensor_files import read_tensors
from ..errors import CheckpointError

__all__ = ["INCEPTION", "LPIPS_TRUNKS", "PublishedWeights", "file_hash", "read_state", "weights_hash"]


@dataclass(frozen=True)
class PublishedWeights:
    """A file that everybody uses.

    Attributes:
        name: of the file.
        size: in bytes.
        digest: its SHA-256, or as much of it as the publisher's name says.
        address: where it is published.
        argument: how a user passes a copy.
    """

    name: str
    size: int
    digest: str
    address: str
    argument: str

    @property
    def cached(self) -> Path:
        """Where torch keeps downloads."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.name

    def fetch(self) -> Path:
        """The file, downloaded unless it is there already, and checked.

        Raises:
            RuntimeError: where it cannot be had; names the file, its size and its SHA-256.
        """
        if self.cached.is_file():
            return self.cached
        try:
            self.cached.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.address, str(self.cached), hash_prefix=self.digest, progress=False)
        except Exception as error:  # of the network, the disk, or a damaged download
            raise RuntimeError(
                f"the weights {self.name} ({self.size:,} bytes, sha256 {self.digest}) are not here and cannot be downloaded "
                f"({error}). Get {self.address} where there is a network, and pass its path as {self.argument}, or put it at "
                f"{self.cached}. Any other module may be passed as {self.argument}, too; the metric is then named after it."
            ) from error
        return self.cached


INCEPTION = PublishedWeights(
    "weights-inception-2015-12-05-6726825d.pth",
    95_628_359,
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "inception=",
)
"""Inception-v3 of 2015 as TensorFlow has it, which FID is defined by; the same file as pytorch-fid's."""

LPIPS_TRUNKS = {
    "vgg": PublishedWeights(
        "vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "lpips=",
    ),
    "alex": PublishedWeights(
        "alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be79",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "lpips=",
    ),
}
"""The networks under LPIPS, whose heads the lpips package brings along."""


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of a module's tensors with their names, types and shapes: which weights they are, wherever they came from."""
    digest = sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.pth` file; nothing in it is run.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: for a file that holds anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}.")
    try:
        return read_tensors(path)
    except CheckpointError as error:
        raise ValueError(f"{path} holds no weights that can be read safely ({error}).") from error

"""What pictures are compared by: the features of Inception-v3, which FID is defined by, or of any other module."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .published_weights import INCEPTION, file_hash, read_state, weights_hash
from .tally import Tally

__all__ = ["FeatureNetwork", "add_features", "open_network"]

SPATIAL_CHANNELS = 7
"""Of the 1×1 branch of the third 17×17 block, as ADM's evaluator takes them for sFID: 7 · 17 · 17 = 2,023 features."""


class FeatureNetwork(ABC):
    """Pictures -> features.

    Attributes:
        name: what the metrics are named after.
        digest: SHA-256 of the weights.
        official: whether it is the network that FID is defined by.
    """

    name: str
    digest: str
    official: bool

    @abstractmethod
    def __call__(self, pictures: np.ndarray) -> dict[str, Tensor]:
        """Features of uint8 (B, H, W, 3), each float (B, D) on the network's device.

        Returns:
            "pool"; and, of an Inception network, "spatial" and "logits".
        """

    @abstractmethod
    def to(self, device: torch.device) -> FeatureNetwork:
        """Moves it."""

    def metric(self, name: str) -> str:
        """What a metric is called that was measured by this network: "fid" belongs to one network only."""
        return name if self.official else f"{_GENERAL.get(name, name)} [{self.name}]"


_GENERAL = {
    "fid": "frechet",
    "sfid": "spatial_frechet",
    "rfid": "reconstruction_frechet",
    "kid": "kernel_distance",
    "inception_score": "class_score",
}


class _Inception(FeatureNetwork):
    """Inception-v3 as TensorFlow has it, from torch-fidelity.

    Args:
        path: of its weights.
    """

    def __init__(self, path: Path) -> None:
        extractor = _extractor_class()
        state = read_state(path)
        with tempfile.TemporaryDirectory() as folder:
            # torch-fidelity loads its file without restrictions: it gets one that holds nothing but these tensors
            torch.save(state, Path(folder) / "inception.pth")
            try:
                self.network: Any = extractor(
                    "inception-v3-compat",
                    ["2048", "logits_unbiased"],
                    feature_extractor_weights_path=str(Path(folder) / "inception.pth"),
                )
            except RuntimeError as error:
                raise ValueError(
                    f"{path} has not the tensors of Inception-v3 ({str(error)[:200]} …). Expected: {INCEPTION.name}, "
                    f"{INCEPTION.size:,} bytes, sha256 {INCEPTION.digest}."
                ) from error
        self.digest = file_hash(path)
        self.official = self.digest == INCEPTION.digest
        self.name = "Inception-v3" if self.official else f"Inception-v3 with weights {self.digest[:8]}"
        self.network.Mixed_6d.branch1x1.register_forward_hook(self._remember)
        self._spatial = torch.zeros(0)

    def _remember(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        del module, inputs
        self._spatial = output[:, :SPATIAL_CHANNELS]

    def __call__(self, pictures: np.ndarray) -> dict[str, Tensor]:
        device = self.network.fc.weight.device
        pixels = torch.from_numpy(pictures).to(device).movedim(-1, 1).contiguous()  # B 3 H W
        with torch.no_grad():
            pool, logits = self.network(pixels)
        spatial = self._spatial.movedim(1, -1).flatten(1)  # B 7 17 17 -> B 17·17·7, the order of ADM's files
        return {"pool": pool, "spatial": spatial, "logits": logits}

    def to(self, device: torch.device) -> FeatureNetwork:
        self.network.to(device)
        return self


class _Module(FeatureNetwork):
    """Any module that gives a vector for each picture.

    Args:
        module: float (B, 3, H, W) in [-1, 1] -> (B, D).
    """

    def __init__(self, module: nn.Module) -> None:
        self.module, self.official = module.eval(), False
        self.name = type(module).__name__
        self.digest = weights_hash(module)

    def __call__(self, pictures: np.ndarray) -> dict[str, Tensor]:
        example = next((tensor for tensor in self.module.state_dict().values() if tensor.is_floating_point()), None)
        pixels = torch.from_numpy(pictures).movedim(-1, 1).float() / 127.5 - 1  # B 3 H W
        with torch.no_grad():
            features = self.module(pixels if example is None else pixels.to(example))
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(pictures):
            shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(
                f"{self.name} should give a vector for each of {len(pictures)} pictures, (B, D); got {shape}."
            )
        return {"pool": features}

    def to(self, device: torch.device) -> FeatureNetwork:
        self.module.to(device)
        return self


def open_network(inception: str | Path | nn.Module | FeatureNetwork | None) -> FeatureNetwork:
    """The network by which pictures are compared.

    Args:
        inception: ``None``: Inception-v3 with its published weights, downloaded when first used; the path of a file with
            them (or others, after which the metrics are named then); or any module that gives a vector for each picture,
            float (B, 3, H, W) in [-1, 1] -> (B, D). One that is open already stays as it is.

    Raises:
        ImportError: for Inception without the extra ``evaluate``.
        RuntimeError: where the weights cannot be had; names the file, its size and its SHA-256.
        ValueError: for other weights.
        TypeError: for anything else.
    """
    if isinstance(inception, FeatureNetwork):
        return inception
    if isinstance(inception, nn.Module):
        return _Module(inception)
    if inception is None:
        _extractor_class()  # nothing is downloaded in vain
        return _Inception(INCEPTION.fetch())
    if isinstance(inception, str | Path):
        return _Inception(Path(inception).expanduser())
    raise TypeError(f"inception= is a path, a module or None, got {type(inception).__name__}.")


def add_features(tally: Tally, name: str, features: Tensor) -> None:
    """Adds features (B, D) to the sums that a Gaussian is made of: their number, their sum, their outer products."""
    there = features.cpu() if features.device.type == "mps" else features  # which has no float64
    there = there.double()
    tally.add(f"{name} count", torch.tensor(float(len(there))))
    tally.add(f"{name} sum", there.sum(0))
    tally.add(f"{name} products", there.T @ there)


def _extractor_class() -> Any:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except Exception as error:  # a torchvision that does not fit torch raises RuntimeError when it is imported
        raise ImportError(
            f"Inception needs torch-fidelity and a torchvision that fits your torch ({error}). Install them with "
            "pip install 'vqgan_transformer[evaluate]', or pass a module of your own as inception=."
        ) from error
    return FeatureExtractorInceptionV3

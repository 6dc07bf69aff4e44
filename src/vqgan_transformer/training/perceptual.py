"""The perceptual term by name: LPIPS with its published networks, a weights file, or fixed random filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints.tensor_files import read_tensors
from .losses import RandomFeatureLoss

__all__ = ["LPIPS", "perceptual_loss"]

NETWORKS = ("vgg", "alex", "squeeze")


class LPIPS(nn.Module):
    """The lpips package's network, frozen: (B, 3 or 1, H, W) twice, in [-1, 1] -> (B, 1, 1, 1). Always in full precision.

    Args:
        network: of the package, or anything else that is called alike.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> LPIPS:
        """Stays in eval mode: there is dropout before the package's heads."""
        return super().train(False)

    def forward(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """The perceptual distance of each pair."""
        dtype = next(self.network.parameters()).dtype
        with torch.autocast(images.device.type, enabled=False):
            images, reconstruction = (x.to(dtype).expand(-1, 3, -1, -1) for x in (images, reconstruction))
            result: Tensor = self.network(images, reconstruction).to(reconstruction.dtype)
            return result


def perceptual_loss(name: str | None, channels: int = 3) -> nn.Module | None:
    """A perceptual term by its name.

    Args:
        name: "vgg", "alex" or "squeeze": LPIPS (Zhang et al. 2018) with the published weights, which are downloaded when
            they are first used; the path of a file with them, either the state dict of an `lpips.LPIPS` with network
            and heads, or torchvision's VGG16 (the package has the heads); "random": features of fixed random filters;
            ``None``: no such term.
        channels: of the pictures; gray ones are shown to LPIPS in three equal channels.

    Raises:
        ValueError: for another name, or a file with other weights.
        RuntimeError: where the package or its weights cannot be had, with what to do.
    """
    if name is None:
        return None
    if name == "random":
        return RandomFeatureLoss(channels)
    if name in NETWORKS:
        return LPIPS(_published(name))
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(
            f"perceptual={name!r} is neither one of {', '.join(map(repr, NETWORKS))}, 'random' and None, nor a weights file."
        )
    return LPIPS(_from_file(path))


def _package() -> Any:
    try:
        import lpips
    except Exception as error:  # a torchvision that does not fit torch raises RuntimeError when it is imported
        raise RuntimeError(
            f"the perceptual term needs the packages lpips and torchvision, which cannot be imported here ({error}). Install "
            "a torchvision that fits your torch, or pass perceptual='random', a module, or None."
        ) from error
    return lpips


def _published(name: str) -> nn.Module:
    lpips = _package()
    try:
        result: nn.Module = lpips.LPIPS(net=name, verbose=False)
        return result
    except Exception as error:
        raise RuntimeError(
            f"the published weights of perceptual={name!r} could not be had ({error}). Download them where there is a network "
            "and pass the file's path as perceptual=, or train with perceptual='random', a module of your own, or None."
        ) from error


def _from_file(path: Path) -> nn.Module:
    stored = read_tensors(path)
    is_trunk = "features.0.weight" in stored
    name = "vgg" if is_trunk or len(stored.get("lin4.model.1.weight", torch.empty(0)).flatten()) == 512 else "alex"
    network = _package().LPIPS(net=name, pnet_rand=True, verbose=False) if not is_trunk or _is_vgg16(stored) else None
    if network is not None and is_trunk:
        # the package numbers the layers of torchvision's network within five slices, and has the heads
        stored = {
            key: stored[f"features.{key.split('.', 2)[2]}"] if key.startswith("net.") and "slice" in key else value
            for key, value in network.state_dict().items()
        }
    shapes = {} if network is None else {key: tuple(value.shape) for key, value in network.state_dict().items()}
    needed = [key for key in shapes if not key.startswith("lins.")]  # which are the heads under another name
    if network is None or any(key not in stored or tuple(stored[key].shape) != shapes[key] for key in needed):
        raise ValueError(
            f"{path} holds no weights of a perceptual network. Expected: the state dict of lpips.LPIPS (vgg or alex) with its "
            "network and heads, or that of torchvision's VGG16."
        )
    weights = {key: stored[key] for key in needed}
    network.load_state_dict(weights, strict=False)
    if any((head < 0).any() for key, head in network.state_dict().items() if key.startswith("lin")):
        raise ValueError(f"{path} has negative weights in its heads: they are not those of LPIPS.")
    result: nn.Module = network
    return result


def _is_vgg16(stored: dict[str, Tensor]) -> bool:
    return all(f"features.{layer}.weight" in stored for layer in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))

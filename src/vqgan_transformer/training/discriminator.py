"""The patch discriminator of the adversarial term: real or reconstructed, judged patch by patch.

It is the one of pix2pix ("Image-to-Image Translation with Conditional Adversarial Networks", Isola et al., 2017), which
"Taming Transformers" takes over. Parameter names are those of published checkpoints (`main.0.weight`, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import gcd

from torch import Tensor, nn

__all__ = ["PatchDiscriminator"]


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(gcd(32, channels), channels),
    "none": lambda channels: nn.Identity(),
}


class PatchDiscriminator(nn.Module):
    """4x4 convolutions that halve the picture `num_layers` times and then give each patch one logit.

    Batch normalisation uses the statistics of the batch: keep it in training mode while it is trained against.
    """

    def __init__(self, in_channels: int = 3, channels: int = 64, num_layers: int = 3, norm: str = "batch") -> None:
        """Builds it with the original's initial weights.

        Args:
            in_channels: Channels of the pictures.
            channels: Width of the first layer; it doubles with each further one, up to eightfold.
            num_layers: How often the picture is halved. 3 sees patches of 70x70 pixels, 2 of 34x34.
            norm: "batch" as in the original; "group", whose logits for a picture depend on that picture alone; "none".

        Raises:
            ValueError: `num_layers` is less than 1, or there is no such norm.
        """
        super().__init__()
        if norm not in _NORMS:
            raise ValueError(f"norm must be one of {', '.join(map(repr, _NORMS))}, got {norm!r}.")
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; a patch discriminator needs at least 1.")
        widths = [channels * min(2**n, 8) for n in range(num_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for n, (narrow, wide) in enumerate(pairwise(widths)):
            stride = 2 if n + 1 < num_layers else 1
            layers += [
                nn.Conv2d(narrow, wide, 4, stride=stride, padding=1, bias=norm == "none"),
                _NORMS[norm](wide),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=1))
        self.main = nn.Sequential(*layers)
        self.apply(_initialise)

    @staticmethod
    def smallest_side(num_layers: int) -> int:
        """Pixels along the shorter side of a picture that leave one logit: two more layers take a row each."""
        result: int = 3 * 2**num_layers
        return result

    def forward(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` -> logits `(B, 1, h, w)`, large where a patch looks real."""
        result: Tensor = self.main(images)
        return result


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)

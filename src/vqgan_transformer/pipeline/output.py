"""What a call of the pipeline gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ImageSynthesisOutput"]


@dataclass(frozen=True, repr=False)
class ImageSynthesisOutput:
    """What a call of the pipeline gives.

    Attributes:
        images: PIL pictures ("pil"), a uint8 array (B, H, W, 3) ("np"), a float tensor (B, 3, H, W) in [-1, 1] ("pt"),
            or an empty list ("tokens"). For pictures of different sizes a list of arrays or tensors, one for each.
        tokens: int64 (B, h, w), the grids the pictures were decoded from; a list of (h, w) for pictures of different
            sizes.
        seeds: the seed of each picture; the same seed, condition, size and settings give the same picture.
    """

    images: Any
    tokens: Any
    seeds: list[int] = field(default_factory=list)

    def __repr__(self) -> str:
        grids = ", ".join(dict.fromkeys(f"{len(grid)}×{len(grid[0])}" for grid in self.tokens))
        pictures = "picture" if len(self.tokens) == 1 else "pictures"
        return f"<{len(self.tokens)} {pictures} of {grids} tokens, seeds {self.seeds}>"

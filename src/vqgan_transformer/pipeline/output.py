"""What a call of the pipeline gives."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from ..images import to_pil

__all__ = ["ImageSynthesisOutput"]

SHOWN = 16
"""Pictures that a notebook shows of one output."""


@dataclass(frozen=True, repr=False)
class ImageSynthesisOutput:
    """What a call of the pipeline gives; notebooks show its pictures. ``out[0]`` is the first picture, ``len(out)`` their number.

    Attributes:
        images: PIL pictures ("pil"), a uint8 array (B, H, W, 3) ("np"), a float tensor (B, 3, H, W) in [-1, 1] ("pt"),
            or an empty list ("tokens"). For pictures of different sizes a list of arrays or tensors, one for each.
        tokens: int64 (B, h, w), the grids the pictures were decoded from; a list of (h, w) for pictures of different
            sizes.
        seeds: the seed of each picture; the same seed, condition, size and settings give the same picture.
        conditions: what the pictures follow, by the condition's name: what was given, as the condition's ``parse`` reads
            it, in the picture's size; what stands for a condition that was not given; and what was chosen, as a class.
            One row for each picture; a list for pictures of different sizes.
    """

    images: Any
    tokens: Any
    seeds: list[int] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Any:
        if not len(self.images):
            raise IndexError('tokens were asked for, not pictures: see .tokens, or call without output_type="tokens".')
        return self.images[index]

    def __repr__(self) -> str:
        count = len(self.tokens)
        sizes = ", ".join(dict.fromkeys(f"{picture.height}×{picture.width}" for picture in self._pictures(count)))
        if not sizes:
            sizes = ", ".join(dict.fromkeys(f"{len(grid)}×{len(grid[0])} tokens" for grid in self.tokens))
        follows = f", following {', '.join(self.conditions)}" if self.conditions else ""
        return f"<{count} {'picture' if count == 1 else 'pictures'} of {sizes}, seeds {self.seeds}{follows}>"

    def _repr_html_(self) -> str:
        """The pictures, for notebooks."""
        shown = []
        for picture, seed in zip(self._pictures(SHOWN), self.seeds, strict=False):
            file = io.BytesIO()
            picture.save(file, "PNG")
            source = base64.b64encode(file.getvalue()).decode("ascii")
            shown.append(f'<img src="data:image/png;base64,{source}" title="seed {seed}" style="margin: 2px">')
        return "".join(shown) or "<p>Tokens, not decoded.</p>"

    def _pictures(self, most: int) -> list[Image.Image]:
        """The first pictures, whatever the form they are in."""
        pictures = []
        for picture in list(self.images[:most]):
            if isinstance(picture, Image.Image):
                pictures.append(picture)
            elif hasattr(picture, "detach"):
                pictures += to_pil(picture[None])
            else:
                pictures.append(Image.fromarray(picture))
        return pictures

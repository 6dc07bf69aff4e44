"""TokenizedMap: conditions that are maps or pictures, made into tokens by a VQGAN of their own."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ..images import as_items
from ..vqgan.model import VQGAN
from ..vqgan.strips import encode_tiles, is_local
from .condition import Condition

__all__ = ["TokenizedMap"]

PIXELS_AT_ONCE = 2**20
"""Pixels of condition maps that are encoded together; more are encoded in parts, since one-hot maps are large."""


class TokenizedMap(Condition):
    """A condition that has a place for each place of the picture, and a VQGAN of its own (paper, section 3.2).

    Attributes:
        vqgan: makes tokens of maps; ``None`` for models that read maps directly. It is frozen here: no gradient passes
            through tokens.
    """

    spatial: ClassVar[bool] = True

    def __init__(self, vqgan: VQGAN | None):
        super().__init__()
        self.vqgan = vqgan

    @property
    def vocab_size(self) -> int:
        """The number of tokens that maps are encoded with."""
        return 0 if self.vqgan is None else self.vqgan.codebook_size

    @property
    def downsample_factor(self) -> int:
        """Pixels of a map that a token stands for, along each side."""
        return 1 if self.vqgan is None else self.vqgan.downsample_factor

    def items(self, value: Any) -> list[Any]:
        """A list for each item of a list; what has a leading axis stays together."""
        return [[item] for item in as_items(value, self.name)]

    @torch.no_grad()
    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of maps, of which only so many, and such parts, are prepared at a time that memory stays bounded.

        A VQGAN whose encoder has attention or group normalisation has to see each map whole.

        Args:
            parsed: what :meth:`parse` gave, `(B, ..., H, W)`.

        Returns:
            int64 `(B, h, w)` on the VQGAN's device.

        Raises:
            ValueError: for another shape, sides that are no multiples of :attr:`downsample_factor`, and for a condition
                without a VQGAN.
        """
        vqgan = self._tokenizer()
        weight, (height, width) = vqgan.to_codes.weight, parsed.shape[-2:]
        if height % self.downsample_factor or width % self.downsample_factor or not height or not width:
            raise ValueError(
                f"the sides of {self.name} maps must be multiples of {self.downsample_factor}, got {height}×{width}. "
                "extend_to() repeats their edges."
            )

        def prepared(part: Tensor) -> Tensor:
            return self._vqgan_input(part.to(weight.device)).to(weight.dtype)

        parts = parsed.split(max(1, PIXELS_AT_ONCE // (height * width)))
        if is_local(vqgan.encoder):
            return torch.cat([encode_tiles(vqgan, part, prepared) for part in parts])
        return torch.cat([vqgan.encode(prepared(part)) for part in parts])

    def _vqgan_input(self, parsed: Tensor) -> Tensor:
        """What the VQGAN reads of some maps: `(b, ..., H, W)` -> `(b, C, H, W)`."""
        return parsed

    def _tokenizer(self) -> VQGAN:
        if self.vqgan is None:
            raise ValueError(
                f"this {self.name} condition has no VQGAN that could encode maps: pass vqgan= when making it."
            )
        return self.vqgan

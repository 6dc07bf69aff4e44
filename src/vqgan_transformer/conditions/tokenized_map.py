"""TokenizedMap: conditions that are maps or pictures, made into tokens by a VQGAN of their own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from ..images import as_items
from ..vqgan.model import VQGAN, VQGANConfig
from ..vqgan.strips import encode_tiles, is_local
from .condition import AlignedForm, Condition

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MapLosses", "PixelLoss", "TokenizedMap"]

PIXELS_AT_ONCE = 2**20
"""Pixels of condition maps that are encoded together; more are encoded in parts, since one-hot maps are large."""


PixelLoss = Literal["l1", "l2", "bce", "cross_entropy"]


@dataclass(frozen=True)
class MapLosses:
    """What the tokenizer of a kind's maps is trained with, where a recipe leaves it open.

    Attributes:
        pixels: the pixel losses that can be chosen, the default first.
        perceptual: the perceptual network, for what looks like pictures.
        disc_weight: of the discriminator.
    """

    pixels: tuple[PixelLoss, ...] = ("l1", "l2")
    perceptual: Literal["vgg"] | None = "vgg"
    disc_weight: float = 0.8

    @property
    def of_labels(self) -> bool:
        """Whether the maps are labels, for which neither a perceptual term nor a discriminator means anything."""
        return "cross_entropy" in self.pixels


class TokenizedMap(Condition):
    """A condition that has a place for each place of the picture, and a VQGAN of its own (paper, section 3.2).

    Attributes:
        losses: what the VQGAN is trained with.
        vqgan: makes tokens of maps; ``None`` for models that read maps directly. It is frozen here: no gradient passes
            through tokens.
    """

    spatial: ClassVar[bool] = True
    losses: ClassVar[MapLosses] = MapLosses()

    def __init__(self, *, vqgan: VQGAN | None = None, **known: Any):
        super().__init__()
        self.vqgan = vqgan
        self.config = self.config_class(vqgan=None if vqgan is None else vqgan.config, **known)

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """A condition with a new VQGAN, if the config has one."""
        known = {field.name: getattr(config, field.name) for field in fields(config)}
        return cls(**{**known, "vqgan": None if config.vqgan is None else VQGAN(config.vqgan)})

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
            return self.tokenizer_input(part.to(weight.device), vqgan.config.in_channels).to(weight.dtype)

        parts = torch.split(parsed, max(1, PIXELS_AT_ONCE // (height * width)))
        if is_local(vqgan.encoder):
            return torch.cat([encode_tiles(vqgan, part, prepared) for part in parts])
        return torch.cat([vqgan.encode(prepared(part)) for part in parts])

    @property
    def tokenizer(self) -> VQGAN | None:
        """The VQGAN of the maps."""
        return self.vqgan

    def check_tokens(self) -> None:
        """Refuses a condition without a VQGAN.

        Raises:
            ValueError: that says how to get one.
        """
        self._tokenizer()

    @classmethod
    def for_tokenizer(cls, config: VQGANConfig | None) -> TokenizedMap:
        """A condition that reads the maps of a VQGAN that is to be trained, where nobody gives one.

        Raises:
            ValueError: where more has to be known of the maps.
        """
        del config
        return cls()

    @property
    @abstractmethod
    def tokenizer_channels(self) -> int:
        """Channels of the maps, as their VQGAN reads them."""
        raise NotImplementedError

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """So many numbers for each pixel."""
        return "values", self.tokenizer_channels

    def check_tokenizer(self, config: VQGANConfig) -> None:
        """Refuses a VQGAN that cannot be the maps' tokenizer.

        Raises:
            ValueError: for another number of channels.
        """
        replace(self.config, vqgan=config)  # the config of a kind checks the VQGAN's
        if config.out_channels != config.in_channels:
            raise ValueError(
                f"{self.name} has {config.in_channels} channels, but the VQGAN's config says {config.out_channels} out."
            )

    def tokenizer_input(self, parsed: Tensor, channels: int) -> Tensor:
        """What the VQGAN reads of some maps: `(B, ..., H, W)` -> float `(B, channels, H, W)`."""
        del channels
        return parsed

    def from_tokenizer(self, output: Tensor) -> Tensor:
        """What the VQGAN reads or gives, `(B, C, H, W)`, as maps that :meth:`show` takes."""
        return output.clamp(-1, 1)

    def from_tokens(self, tokens: Tensor) -> Tensor | None:
        """The maps that tokens `(B, h, w)` stand for."""
        return self.from_tokenizer(self._tokenizer().decode(tokens))

    @property
    def sample_kinds(self) -> tuple[str, ...]:
        """The map alone, which tells its size."""
        return (self.name,)

    def _tokenizer(self) -> VQGAN:
        if self.vqgan is None:
            raise ValueError(
                f"this {self.name} condition has no VQGAN that could encode maps: train one with "
                f"train_vqgan(…, kind={self.name!r}) and pass vqgan= when making the condition. Aligned GPTs need none."
            )
        return self.vqgan

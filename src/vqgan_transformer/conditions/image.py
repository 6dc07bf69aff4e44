"""ImageCondition: a picture that the new one follows, such as edges, a sketch, or the same place by day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..images import as_items, from_pixels
from ..vqgan.model import VQGAN, VQGANConfig
from .data_forms import DataForm, Files
from .tokenized_map import TokenizedMap

__all__ = ["ImageCondition", "ImageConfig"]


@dataclass(frozen=True)
class ImageConfig:
    """What a checkpoint knows of the pictures that it follows.

    Args:
        channels: 3 for colour, 1 for gray.
        vqgan: their tokenizer, of as many input channels; ``None`` for models that read pictures directly.

    Raises:
        ValueError: for another number of channels, or a VQGAN that has another one.
    """

    channels: int = 3
    vqgan: VQGANConfig | None = None

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 3 (colour) or 1 (gray), got {self.channels}.")
        if self.vqgan is not None and self.vqgan.in_channels != self.channels:
            raise ValueError(
                f"the VQGAN of the condition has {self.vqgan.in_channels} input channels, but channels={self.channels}."
            )


class ImageCondition(TokenizedMap):
    """A picture as a condition: edges, a sketch, a scene by night, anything that was paired with pictures in training.

    Args:
        vqgan: encodes pictures in [-1, 1]; it may be the one that decodes the result.
        channels: 3 for colour or 1 for gray; those of the VQGAN by default.

    Raises:
        ValueError: for another number of channels.
    """

    name: ClassVar[str] = "condition_image"
    also_called: ClassVar[tuple[str, ...]] = ("conditioning_image", "edges", "sketch")
    config_class: ClassVar[type] = ImageConfig
    config: ImageConfig
    in_data: ClassVar[DataForm] = Files(
        "condition_images", ("condition_image_file_name", "condition_image", "conditioning_image")
    )

    def __init__(self, *, vqgan: VQGAN | None = None, channels: int | None = None):
        if channels is None:
            channels = 3 if vqgan is None else vqgan.config.in_channels
        super().__init__(vqgan=vqgan, channels=channels)

    @property
    def tokenizer_channels(self) -> int:
        """Three for colour, one for gray."""
        return self.config.channels

    def parse(self, value: Any) -> Tensor:
        """Pictures in the forms people have them.

        Args:
            value: pictures, arrays, tensors or paths, as for :func:`~vqgan_transformer.images.from_pixels`; a boolean
                array or tensor is black and white, True being white, as edge detectors return it.

        Returns:
            float32 `(B, channels, H, W)` in [-1, 1].

        Raises:
            TypeError: for other types and number formats.
            ValueError: for other shapes, values out of range, sizes that differ, and colours where the checkpoint
                follows gray pictures.
        """
        items = [_black_and_white(item) for item in as_items(value, self.name)]
        pictures = from_pixels(items, self.name)
        if self.config.channels == 3:
            return pictures
        spread = float((pictures.amax(dim=1) - pictures.amin(dim=1)).max())
        if spread:
            raise ValueError(
                f"{self.name} is a colour picture (its channels differ by up to {spread * 127.5:.0f} of 255), but this "
                "checkpoint follows gray ones: pass picture.convert('L')."
            )
        return pictures[:, :1].contiguous()


def _black_and_white(item: Any) -> Any:
    """What is boolean as 0 and 255; everything else as it is."""
    if isinstance(item, np.ndarray) and item.dtype == bool:
        return item.astype(np.uint8) * np.uint8(255)
    if isinstance(item, Tensor) and item.dtype == torch.bool:
        return item.to(torch.uint8) * 255
    return item

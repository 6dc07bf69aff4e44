"""Edges and line drawings that a GPT reads as pictures, as ControlAR's do: one kind for each way to find them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..images import as_items, from_pixels
from .condition import AlignedForm
from .data_forms import DataForm, Files
from .image import ImageCondition

__all__ = ["CannyCondition", "EdgeCondition", "HEDCondition", "LineartCondition"]


class _ControlPicture(ImageCondition):
    """A picture that a GPT reads as it is, in three channels."""

    also_called: ClassVar[tuple[str, ...]] = ()

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """A picture."""
        return "picture", 3


class CannyCondition(_ControlPicture):
    """Canny's edges: white lines on black, one pixel wide (Canny 1986)."""

    name: ClassVar[str] = "canny"
    also_called: ClassVar[tuple[str, ...]] = ("canny_image", "canny_edges")
    in_data: ClassVar[DataForm] = Files("canny", ("canny_file_name", "canny", "control_canny"))

    def parse(self, value: Any, *, photo: bool = False, thresholds: tuple[float, float] = (100, 200)) -> Tensor:
        """Edges, or photographs in which they are to be found.

        Args:
            value: pictures, as for :class:`~vqgan_transformer.conditions.ImageCondition`.
            photo: the pictures are photographs; their edges are found by OpenCV.
            thresholds: for photographs, the weakest gradient that goes on an edge and the weakest that begins one, in
                units of 8-bit pixels.

        Returns:
            float32 `(B, 3, H, W)` in [-1, 1].

        Raises:
            ImportError: for photographs, without OpenCV.
            TypeError: as for :class:`~vqgan_transformer.conditions.ImageCondition`.
            ValueError: likewise, and for thresholds that are not 0 ≤ low ≤ high.
        """
        if not photo:
            return super().parse(value)
        low, high = thresholds
        if not 0 <= low <= high:
            raise ValueError(f"thresholds are (low, high) with 0 ≤ low ≤ high, got {thresholds}.")
        return _canny(from_pixels(as_items(value, self.name), self.name), low, high)


class HEDCondition(_ControlPicture):
    """Soft edges as a holistically-nested edge detector gives them: white on black (Xie and Tu 2015)."""

    name: ClassVar[str] = "hed"
    also_called: ClassVar[tuple[str, ...]] = ("hed_image", "softedge", "soft_edge")
    in_data: ClassVar[DataForm] = Files("hed", ("hed_file_name", "hed", "control_hed"))


class LineartCondition(_ControlPicture):
    """Line drawings: white lines on black."""

    name: ClassVar[str] = "lineart"
    also_called: ClassVar[tuple[str, ...]] = ("lineart_image", "line_art")
    in_data: ClassVar[DataForm] = Files("lineart", ("lineart_file_name", "lineart", "control_lineart"))


class EdgeCondition(_ControlPicture):
    """Edges of any of these kinds, for models that were trained on several."""

    name: ClassVar[str] = "edge"
    also_called: ClassVar[tuple[str, ...]] = ("edge_image", "edge_map")
    in_data: ClassVar[DataForm] = Files("edges", ("edge_file_name", "edge"))


def _canny(photos: Tensor, low: float, high: float) -> Tensor:
    """(B, 3, H, W) in [-1, 1] -> edges (B, 3, H, W), -1 or 1."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "edges of a photograph are found by OpenCV: pip install 'vqgan-transformer[canny]', or pass edges that were "
            "found elsewhere."
        ) from error
    pixels = ((photos + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()  # (B, H, W, 3)
    edges = np.stack([cv2.Canny(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), low, high) for photo in pixels])
    return (torch.from_numpy(edges)[:, None].float() / 127.5 - 1).expand(-1, 3, -1, -1)

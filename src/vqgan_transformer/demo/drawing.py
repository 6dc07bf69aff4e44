"""Drawing an order: previews in strips while rows of tokens complete, and the picture."""

from __future__ import annotations

import base64
import io
import time
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..images import to_pil
from ..pipeline import ImageSynthesisPipeline
from ..pipeline.masks import read_masks
from .desk import Job
from .draft import paint_draft
from .order import Order

__all__ = ["paint_order"]

PREVIEW_SECONDS = 0.25
CONTEXT = 4
"""Rows of tokens above a strip that are decoded with it."""


def paint_order(pipe: ImageSynthesisPipeline, order: Order, job: Job) -> dict[str, Any]:
    """Paints, and tells the job what there is to see.

    Returns:
        the last event's data: the picture as a data address of a PNG, its seed, its place in the whole, and what the
        pipeline warned of.
    """
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if order.picture is not None:
            picture, (top, left) = paint_draft(pipe, order, job)
            result: dict[str, Any] = {"draft": True, "top": top, "left": left}
        else:
            previews = Previews(pipe, order, job)
            out = pipe(**order.arguments, progress=False, callback=previews)
            picture, result = out.images[0], {"draft": False, "top": 0, "left": 0, "seed": out.seeds[0]}
    notes = list(dict.fromkeys(str(note.message) for note in caught if issubclass(note.category, UserWarning)))
    seconds = round(time.perf_counter() - started, 3)
    return {**result, "image": data_address(picture, "PNG"), "notes": notes, "seconds": seconds}


class Previews:
    """The pipeline's callback: shows each strip of rows that is complete, a few times a second.

    Args:
        pipe: decodes.
        order: what is painted.
        job: is told.
    """

    def __init__(self, pipe: ImageSynthesisPipeline, order: Order, job: Job):
        self.vqgan, self.job = pipe.vqgan, job
        self.shown = 0
        self.due = time.monotonic() + PREVIEW_SECONDS
        self.painted: Tensor | None = None  # cells that are drawn where there is a mask
        if "mask" in order.arguments and "origin" not in order.arguments:
            area = read_masks(order.arguments["mask"]).float()
            self.painted = F.max_pool2d(area, self.vqgan.downsample_factor, ceil_mode=True)[0] > 0
        # around a picture that is outpainted, it is not told which rows are complete
        self.silent = "image" in order.arguments and self.painted is None

    def __call__(self, drawn: int, total: int, tokens: Any) -> None:
        """Ends the drawing if it is to end; shows what is new if it is time."""
        self.job.check()
        if time.monotonic() < self.due:
            return
        began = time.monotonic()
        self._show(drawn, total, tokens[:1])
        self.due = time.monotonic() + max(PREVIEW_SECONDS, 4 * (time.monotonic() - began))

    def _show(self, drawn: int, total: int, tokens: Tensor) -> None:
        data: dict[str, Any] = {"drawn": drawn, "total": total}
        complete = 0 if self.silent else self._complete(tokens[0])
        if complete > self.shown:
            factor = self.vqgan.downsample_factor
            first = max(0, self.shown - CONTEXT)
            decoded = self.vqgan.decode(tokens[:, first:complete])[..., (self.shown - first) * factor :, :]
            [strip] = to_pil(decoded.float().cpu())
            data |= {"top": self.shown * factor, "image": data_address(strip, "JPEG")}
            self.shown = complete
        self.job.tell("preview", **data)

    def _complete(self, tokens: Tensor) -> int:
        """How many rows, from the top, hold all their tokens (h, w); 0 stands where nothing is drawn yet.

        Rows are drawn from left to right and one before the next, so the last place of a row tells; code 0 that was
        drawn there is told by the rows below.
        """
        there = tokens.cpu() != 0
        drawn = torch.ones_like(there) if self.painted is None else self.painted[: len(there), : there.shape[1]]
        rows = [
            number for number in range(len(there)) if not drawn[number].any() or bool(there[number][drawn[number]][-1])
        ]
        last = max(rows, default=-1)
        while last >= 0 and self.painted is not None and not drawn[last].any():
            last -= 1  # a row that is kept says nothing of those above
        return last + 1


def data_address(picture: Image.Image, format: str) -> str:
    """A picture as a ``data:`` address."""
    file = io.BytesIO()
    picture.save(file, format, **({"quality": 85} if format == "JPEG" else {"compress_level": 3}))
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"

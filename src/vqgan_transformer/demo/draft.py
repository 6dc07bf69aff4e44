"""Drafts: only the surroundings of a stroke are painted again, so that the page can keep up with the hand.

A crop around what has changed in the maps is drawn; the picture outside of what the change reaches is known, and stays.
The result is near what the whole would look like, not equal to it: the page shows it as a draft until the hand rests, and
then has the whole painted from maps and seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..geometry import Canvas
from ..images import from_pixels, to_pil
from ..pipeline.batch import PictureBatch, draw
from ..pipeline.inpainting import KnownPixels
from ..pipeline.pipeline import ImageSynthesisPipeline
from .desk import Job
from .order import Order

__all__ = ["paint_draft"]

REACH, SEEN = 2, 6
"""Tokens beyond a change that are painted again, and beyond these that are looked at."""


@torch.no_grad()
def paint_draft(pipe: ImageSynthesisPipeline, order: Order, job: Job) -> tuple[Image.Image, tuple[int, int]]:
    """Paints what an order's change reaches.

    Args:
        pipe: paints.
        order: with a picture and an area.
        job: is asked at each step whether to go on.

    Returns:
        a part of the picture, and where it belongs: (top, left) in pixels.

    Raises:
        ValueError: where picture, area and size do not belong together, or nothing has changed.
    """
    assert order.picture is not None and order.area is not None
    size = order.picture.height, order.picture.width
    if (order.area.height, order.area.width) != size:
        raise ValueError("picture and area of a draft have the same size.")
    arguments = {name: value for name, value in order.arguments.items() if name not in ("size", "seed", "resize")}
    batch = pipe.request(arguments, size, resize=bool(order.arguments.get("resize")))
    area = torch.from_numpy(np.asarray(order.area.convert("L")) > 127)[None, None]  # (1, 1, H, W)
    if not area.any():
        raise ValueError("nothing has changed: area is all black.")
    top, left, bottom, right = _box(area, batch.canvas)
    reached = _grown(area, REACH * batch.canvas.factor)
    known = KnownPixels(
        from_pixels(order.picture)[..., top:bottom, left:right].contiguous(),
        reached[..., top:bottom, left:right].contiguous(),
    )
    part = _crop(pipe, batch, (top, left, bottom, right), known, int(order.arguments.get("seed", 0)))
    [tokens] = draw([part], job.check)
    [picture] = to_pil(part.decode(tokens))
    return picture, (top, left)


def _box(area: Tensor, canvas: Canvas) -> tuple[int, int, int, int]:
    """What is drawn: the change and all that is looked at around it, in whole tokens: top, left, bottom, right."""
    margin = (REACH + SEEN) * canvas.factor
    ends = []
    for axis, side, least in ((3, canvas.size[0], canvas.window[0]), (2, canvas.size[1], canvas.window[1])):
        marked = area.any(axis)[0, 0].nonzero()[:, 0]
        low, high = int(marked[0]) - margin, int(marked[-1]) + 1 + margin
        lack = max(0, min(least * canvas.factor, side) - (high - low)) // 2 + 1
        low = max(0, low - lack) // canvas.factor * canvas.factor
        high = min(side, -(-(high + lack) // canvas.factor) * canvas.factor)
        ends.append((low, high))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


def _grown(area: Tensor, pixels: int) -> Tensor:
    """An area and all within some pixels of it: bool (1, 1, H, W)."""
    grown = area.float()
    for kernel, padding in (((2 * pixels + 1, 1), (pixels, 0)), ((1, 2 * pixels + 1), (0, pixels))):
        grown = F.max_pool2d(grown, kernel, stride=1, padding=padding)
    return grown > 0


def _crop(
    pipe: ImageSynthesisPipeline, batch: PictureBatch, box: tuple[int, int, int, int], known: KnownPixels, seed: int
) -> PictureBatch:
    """The part of a batch of one picture that lies in a box; what the whole one's seed chooses stays."""
    top, left, bottom, right = box
    chosen = {
        condition.name: rows
        for condition in batch.parts.inputs.left_open(batch.given)
        if (rows := condition.chosen_by([seed])) is not None
    }
    given = {name: pipe.condition(name).part(rows, box, batch.size) for name, rows in (batch.given | chosen).items()}
    canvas = Canvas((bottom - top, right - left), batch.canvas.factor, batch.canvas.window)
    return replace(batch, canvas=canvas, given=given, chosen={}, seeds=[seed], known=known)

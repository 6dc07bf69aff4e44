"""What a run shows: grids of pictures and curves of losses, drawn with Pillow alone."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..images import to_numpy

__all__ = ["draw_curves", "label_colours", "picture_grid", "show_map"]

INK, PAPER, LINES = (40, 40, 40), (255, 255, 255), (225, 225, 225)
SERIES = ((31, 119, 180), (214, 39, 40))


def label_colours(count: int) -> list[tuple[int, int, int]]:
    """A colour for each label, a golden angle of hue apart."""
    colours = []
    for number in range(count):
        red, green, blue = colorsys.hsv_to_rgb(0.618034 * number % 1, 0.7, 0.95 - 0.3 * (number % 3) / 2)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours


def show_map(parsed: Tensor, colours: Sequence[tuple[int, int, int]] | None = None) -> Tensor:
    """A batch of condition maps as pictures in [-1, 1].

    Args:
        parsed: int64 (B, H, W) labels, or float (B, 1 to 3, H, W) in [-1, 1]; two channels are shown as red and green.
        colours: of labels.
    """
    if not parsed.is_floating_point():
        table = torch.tensor(colours if colours is not None else label_colours(int(parsed.max()) + 1))
        return (table[parsed.cpu()].movedim(-1, 1).float() / 127.5 - 1).clamp(-1, 1)
    pictures = parsed.detach().float().cpu()
    if pictures.shape[1] == 1:
        pictures = pictures.expand(-1, 3, -1, -1)
    elif pictures.shape[1] == 2:
        pictures = F.pad(pictures, (0, 0, 0, 0, 0, 1), value=-1.0)
    return pictures.clamp(-1, 1)


def picture_grid(columns: Sequence[Tensor], gap: int = 4) -> Image.Image:
    """Pictures side by side: a row for each sample, a column for each of, say, input | condition | reconstruction.

    Args:
        columns: float (B, 3, H, W) in [-1, 1] each, B and H alike.
        gap: white pixels between pictures.
    """
    rows = [to_numpy(column.detach().float().cpu()) for column in columns]
    height, count = rows[0].shape[1], len(rows[0])
    width = sum(column.shape[2] + gap for column in rows) - gap
    canvas = np.full(((height + gap) * count - gap, width, 3), 255, np.uint8)
    for index in range(count):
        left = 0
        for column in rows:
            top = index * (height + gap)
            canvas[top : top + height, left : left + column.shape[2]] = column[index]
            left += column.shape[2] + gap
    return Image.fromarray(canvas)


def draw_curves(metrics: Sequence[dict[str, Any]], size: tuple[int, int] = (420, 260)) -> Image.Image:
    """A panel for each quantity against the step, the one of validation in red where there is one.

    Args:
        metrics: records with "step" and numbers; what is validated begins with "validation_".
        size: (width, height) of a panel.
    """
    names = list(
        dict.fromkeys(
            k.removeprefix("validation_") for record in metrics for k in record if k not in ("step", "cpu_seconds")
        )
    )
    across = max(1, min(3, len(names)))
    down = max(1, math.ceil(len(names) / across))
    canvas = Image.new("RGB", (across * size[0], down * size[1]), PAPER)
    for number, name in enumerate(names):
        corner = (number % across) * size[0], (number // across) * size[1]
        series = [[(r["step"], r[key]) for r in metrics if _finite(r.get(key))] for key in (name, f"validation_{name}")]
        _panel(ImageDraw.Draw(canvas), corner, size, name, series)
    return canvas


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _panel(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    size: tuple[int, int],
    name: str,
    series: list[list[tuple[float, float]]],
) -> None:
    left, top, right, bottom = corner[0] + 64, corner[1] + 26, corner[0] + size[0] - 14, corner[1] + size[1] - 26
    points = [point for line in series for point in line]
    pen.text((left, corner[1] + 8), name, fill=INK)
    if not points:
        return
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    last, high = (last if last > first else first + 1), (high if high > low else low + 1e-9 + abs(low) * 0.01)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - first) / (last - first) * (right - left), bottom - (y - low) / (high - low) * (bottom - top)

    for part in range(5):
        value = low + part / 4 * (high - low)
        y = place(first, value)[1]
        pen.line([(left, y), (right, y)], fill=LINES)
        pen.text((left - 6, y), f"{value:.3g}", fill=INK, anchor="rm")
    for x in (first, last):
        pen.text((place(x, low)[0], bottom + 6), f"{x:,.0f}", fill=INK, anchor="lt" if x == first else "rt")
    for line, colour in zip(series, SERIES, strict=True):
        if len(line) == 1:
            x, y = place(*line[0])
            pen.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        elif line:
            pen.line([place(*point) for point in line], fill=colour, width=2)

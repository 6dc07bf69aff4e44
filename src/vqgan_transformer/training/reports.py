"""What a run shows of its losses: curves, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

__all__ = ["draw_curves"]

INK, PAPER, LINES = (40, 40, 40), (255, 255, 255), (225, 225, 225)
SERIES = ((31, 119, 180), (214, 39, 40))


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

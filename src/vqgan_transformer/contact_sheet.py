"""Pictures side by side, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["contact_sheet"]

_GAP, _HEADER = 4, 18


def contact_sheet(
    rows: Sequence[Sequence[Image.Image | np.ndarray]], titles: Sequence[str] = (), *, height: int | None = None
) -> Image.Image:
    """Rows of pictures on one white sheet, in columns.

    Args:
        rows: of pictures, PIL or uint8 arrays (H, W, 3); they may be of different sizes and number.
        titles: of the columns.
        height: to which all pictures are scaled, keeping their aspect; by default they stay as they are.

    Raises:
        ValueError: where there are no pictures.
    """
    if not any(rows):
        raise ValueError("a contact sheet needs at least one picture.")
    pictures = [[_scaled(picture, height) for picture in row] for row in rows]
    columns = max(map(len, pictures))
    widths = [max(row[column].width for row in pictures if column < len(row)) for column in range(columns)]
    heights = [max((picture.height for picture in row), default=0) for row in pictures]
    top = _HEADER if titles else 0
    sheet = Image.new("RGB", (_total(widths), top + _total(heights)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    lefts = [_total(widths[:column]) for column in range(columns)]
    for title, left in zip(titles, lefts, strict=False):
        pen.text((left + _GAP, _GAP), title, fill="black", font=font)
    for index, row in enumerate(pictures):
        for picture, left in zip(row, lefts, strict=False):
            sheet.paste(picture.convert("RGB"), (left, top + _total(heights[:index])))
    return sheet


def _scaled(picture: Image.Image | np.ndarray, height: int | None) -> Image.Image:
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if height is None or picture.height == height:
        return picture
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _total(sides: Sequence[int]) -> int:
    return sum(sides) + _GAP * len(sides)

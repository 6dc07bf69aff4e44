"""Pictures side by side, for people to look at."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["contact_sheet"]

_GAP, _HEADER = 4, 22

_FONT_SIZES = range(15, 7, -1)
"""Of titles in pixels: the largest that fits is taken."""

_PLAIN = str.maketrans({"×": "x", "–": "-", "—": "-", "−": "-", "≤": "<=", "≥": ">=", "→": "to", "ß": "ss"})
"""What Pillow's own font has no letters for, and what is written instead; it has none with accents, either."""


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
    pen = ImageDraw.Draw(sheet)
    lefts = [_total(widths[:column]) for column in range(columns)]
    words, rooms = [_plain(title) for title in titles], _rooms(titles, [*lefts, sheet.width])
    font = _fitting_font(words, rooms)
    for title, left in zip(words, lefts, strict=False):
        pen.text((left + _GAP, _GAP), title, fill="black", font=font)
    for index, row in enumerate(pictures):
        for picture, left in zip(row, lefts, strict=False):
            sheet.paste(picture.convert("RGB"), (left, top + _total(heights[:index])))
    return sheet


def _plain(title: str) -> str:
    """A title in letters that the font has: "6 × 3 – née" as "6 x 3 - nee"."""
    letters = unicodedata.normalize("NFKD", title.translate(_PLAIN))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _rooms(titles: Sequence[str], lefts: Sequence[int]) -> list[int]:
    """How many pixels each title has: up to the next column that has one."""
    starts = [left for title, left in zip(titles, lefts, strict=False) if title] + [lefts[-1]]
    return [min((start for start in starts if start > left), default=lefts[-1]) - left for left in lefts[:-1]]


def _fitting_font(titles: Sequence[str], rooms: Sequence[int]) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """One font for all titles."""
    fonts = [ImageFont.load_default(size) for size in _FONT_SIZES]
    for font in fonts:
        if all(font.getlength(title) <= room - 2 * _GAP for title, room in zip(titles, rooms, strict=False)):
            return font
    return fonts[-1]


def _scaled(picture: Image.Image | np.ndarray, height: int | None) -> Image.Image:
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if height is None or picture.height == height:
        return picture
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _total(sides: Sequence[int]) -> int:
    return sum(sides) + _GAP * len(sides)

"""A text and a picture as one page: an HTML file with all in it, or a picture."""

from __future__ import annotations

import base64
import textwrap
from html import escape
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

__all__ = ["html_page", "picture_page"]

_MARGIN, _WIDTH, _LINE = 12, 110, 15


def html_page(title: str, text: str, picture: Image.Image) -> str:
    """A page that needs no other file."""
    stored = BytesIO()
    picture.save(stored, format="PNG")
    data = base64.b64encode(stored.getvalue()).decode("ascii")
    lines = "".join(f"<p>{escape(line)}</p>\n" for line in text.splitlines())
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        "<style>body{font:15px/1.5 sans-serif;margin:2em;max-width:70em}p{margin:.3em 0}img{max-width:100%}</style></head>\n"
        f'<body><h1>{escape(title)}</h1>\n{lines}<img alt="{escape(title)}" src="data:image/png;base64,{data}"></body></html>\n'
    )


def picture_page(text: str, picture: Image.Image) -> Image.Image:
    """The text, in black on white, above the picture."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, _WIDTH) or [""]]
    font, top = ImageFont.load_default(), 2 * _MARGIN + _LINE * len(lines)
    widest = max(int(font.getlength(line)) for line in lines)
    page = Image.new("RGB", (max(picture.width, widest) + 2 * _MARGIN, top + picture.height + _MARGIN), "white")
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + _LINE * number), line, fill="black", font=font)
    page.paste(picture, (_MARGIN, top))
    return page

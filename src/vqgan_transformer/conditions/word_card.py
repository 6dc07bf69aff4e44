"""Words as a picture, for conditions that are no maps."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

__all__ = ["word_card"]


def word_card(text: str, size: tuple[int, int]) -> Image.Image:
    """Words in the middle of a white picture of (height, width)."""
    card = Image.new("RGB", (size[1], size[0]), "white")
    ImageDraw.Draw(card).text(
        (size[1] / 2, size[0] / 2), text, fill="black", anchor="mm", font=ImageFont.load_default()
    )
    return card

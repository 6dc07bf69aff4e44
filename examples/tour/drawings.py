"""Label maps as people draw them, in boxes, blobs and sticks, and boxes with names: what scripts beside this one paint from."""

from __future__ import annotations

from PIL import Image, ImageDraw

from vqgan_transformer.scenes import LABEL_COLOURS as COLOURS

WIDTH, HEIGHT = 384, 256
OPEN = (0, 0, 0)
"""The colour of what is left to the model."""

LAYOUTS = (
    [
        ("sky", (0, 0, 1, 0.5)), ("mountain", (0, 0.2, 0.7, 0.5)), ("grass", (0, 0.5, 1, 1)), ("tree", (0.06, 0.2, 0.3, 0.8)),
        ("house", (0.55, 0.36, 0.85, 0.64)), ("rock", (0.36, 0.76, 0.5, 0.9)),
    ],
    [
        ("clouds", (0, 0, 1, 0.4)), ("sea", (0, 0.45, 1, 0.75)), ("sand", (0, 0.7, 1, 1)),
        ("person", (0.45, 0.45, 0.57, 0.92)), ("rock", (0.75, 0.62, 0.98, 0.86)),
    ],
    [
        ("sky", (0, 0, 1, 0.55)), ("snow", (0, 0.5, 1, 1)), ("tree", (0.05, 0.12, 0.2, 0.7)), ("tree", (0.22, 0.3, 0.33, 0.66)),
        ("tree", (0.7, 0.08, 0.9, 0.78)), ("river", (0.35, 0.55, 0.6, 1)),
    ],
)  # fmt: skip
"""Names and boxes, relative to the picture: left, top, right, bottom."""


def valley() -> Image.Image:
    """A house of a box and a triangle, trees of a stick and a blob, a path, hills and mountains of a few corners."""
    drawing, pen = _sheet("sky-other")
    pen.polygon([(0, 130), (70, 40), (140, 110), (220, 55), (310, 130)], fill=COLOURS["mountain"])
    pen.ellipse((180, 95, 560, 260), fill=COLOURS["hill"])
    pen.rectangle((0, 128, WIDTH, HEIGHT), fill=COLOURS["grass"])
    pen.line([(205, HEIGHT), (190, 205), (262, 175), (267, 150)], fill=COLOURS["dirt"], width=20, joint="curve")
    pen.rectangle((222, 108, 312, 160), fill=COLOURS["house"])
    pen.polygon([(212, 110), (267, 68), (322, 110)], fill=COLOURS["house"])
    for x, y, size in ((62, 200, 54), (140, 165, 30), (350, 210, 58)):
        pen.line([(x, y), (x, y - size)], fill=COLOURS["tree"], width=8)
        pen.ellipse((x - size * 0.6, y - 2 * size, x + size * 0.6, y - 0.7 * size), fill=COLOURS["tree"])
    return drawing


def shore() -> Image.Image:
    """A stick figure on a beach, clouds and rocks of ellipses."""
    drawing, pen = _sheet("sky-other")
    for x, y in ((60, 40), (180, 62), (300, 34)):
        pen.ellipse((x - 54, y - 16, x + 54, y + 16), fill=COLOURS["clouds"])
    pen.rectangle((0, 120, WIDTH, HEIGHT), fill=COLOURS["sea"])
    pen.polygon([(0, 196), (150, 180), (WIDTH, 212), (WIDTH, HEIGHT), (0, HEIGHT)], fill=COLOURS["sand"])
    pen.ellipse((282, 165, 362, 222), fill=COLOURS["rock"])
    person = COLOURS["person"]
    pen.ellipse((127, 110, 147, 132), fill=person)
    for limb, width in (
        ([(137, 130), (137, 186)], 18), ([(135, 144), (112, 172)], 8), ([(139, 144), (162, 172)], 8),
        ([(132, 184), (126, 234)], 10), ([(142, 184), (149, 234)], 10),
    ):  # fmt: skip
        pen.line(limb, fill=person, width=width)
    return drawing


def winter() -> Image.Image:
    """Triangles for trees on snow, a river; the sky is left open."""
    drawing, pen = _sheet()
    pen.polygon(
        [(0, 135), (90, 75), (180, 120), (300, 60), (WIDTH, 120), (WIDTH, 140), (0, 140)], fill=COLOURS["mountain"]
    )
    pen.rectangle((0, 130, WIDTH, HEIGHT), fill=COLOURS["snow"])
    pen.polygon(
        [(130, HEIGHT), (245, HEIGHT), (205, 190), (265, 140), (245, 136), (165, 190)], fill=COLOURS["river"]
    )  # fmt: skip
    for x, y, size in ((50, 215, 140), (112, 178, 84), (322, 222, 160), (272, 165, 60)):
        pen.polygon([(x, y - size), (x - size * 0.25, y), (x + size * 0.25, y)], fill=COLOURS["tree"])
    return drawing


def _sheet(label: str | None = None) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A sheet of one label, or an open one, and a pen."""
    drawing = Image.new("RGB", (WIDTH, HEIGHT), COLOURS[label] if label else OPEN)
    return drawing, ImageDraw.Draw(drawing)

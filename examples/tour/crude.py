"""From a map drawn by hand: `python examples/tour/crude.py` saves outputs/tour/crude.jpg.

Boxes, blobs and sticks are enough: half of the label maps that the built-in checkpoint learned from were drawn as crudely,
beside pictures of true trees, houses and people. What is black is left open.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import LABEL_COLOURS as COLOURS

WIDTH, HEIGHT = 384, 256


def valley() -> Image.Image:
    """A house of a box and a triangle, trees of a stick and a blob, a path."""
    drawing = Image.new("RGB", (WIDTH, HEIGHT), COLOURS["sky-other"])
    pen = ImageDraw.Draw(drawing)
    pen.polygon([(0, 130), (70, 40), (140, 110), (220, 55), (310, 130)], fill=COLOURS["mountain"])
    pen.rectangle((0, 125, WIDTH, HEIGHT), fill=COLOURS["grass"])
    pen.line([(210, HEIGHT), (190, 190), (250, 165), (255, 140)], fill=COLOURS["dirt"], width=22)
    pen.rectangle((225, 105, 310, 155), fill=COLOURS["house"])
    pen.polygon([(215, 108), (267, 70), (320, 108)], fill=COLOURS["house"])
    for x, y, size in ((60, 190, 50), (130, 160, 30), (350, 200, 60)):
        pen.line([(x, y), (x, y - size)], fill=COLOURS["tree"], width=8)
        pen.ellipse((x - size * 0.6, y - 2 * size, x + size * 0.6, y - 0.7 * size), fill=COLOURS["tree"])
    return drawing


def shore() -> Image.Image:
    """A stick figure on a beach, clouds of three strokes."""
    drawing = Image.new("RGB", (WIDTH, HEIGHT), COLOURS["sky-other"])
    pen = ImageDraw.Draw(drawing)
    for x, y in ((60, 40), (180, 60), (300, 35)):
        pen.ellipse((x - 50, y - 16, x + 50, y + 16), fill=COLOURS["clouds"])
    pen.rectangle((0, 120, WIDTH, HEIGHT), fill=COLOURS["sea"])
    pen.polygon([(0, 200), (150, 180), (WIDTH, 215), (WIDTH, HEIGHT), (0, HEIGHT)], fill=COLOURS["sand"])
    pen.ellipse((280, 165, 360, 215), fill=COLOURS["rock"])
    person = COLOURS["person"]
    pen.ellipse((128, 122, 146, 142), fill=person)
    pen.line([(137, 140), (137, 190)], fill=person, width=16)
    pen.line([(137, 150), (115, 130)], fill=person, width=7)
    pen.line([(137, 150), (160, 175)], fill=person, width=7)
    pen.line([(133, 188), (126, 232)], fill=person, width=9)
    pen.line([(141, 188), (150, 232)], fill=person, width=9)
    return drawing


def winter() -> Image.Image:
    """Triangles for trees, and a sky that is left open."""
    drawing = Image.new("RGB", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(drawing)
    pen.rectangle((0, 130, WIDTH, HEIGHT), fill=COLOURS["snow"])
    pen.polygon([(150, HEIGHT), (240, HEIGHT), (215, 180), (260, 135), (240, 132), (180, 180)], fill=COLOURS["river"])
    for x, y, size in ((50, 200, 120), (110, 170, 80), (320, 210, 150), (270, 160, 60)):
        pen.polygon([(x, y - size), (x - size * 0.25, y), (x + size * 0.25, y)], fill=COLOURS["tree"])
    return drawing


pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
rows = []
for drawing in (valley(), shore(), winter()):
    pictures = pipe(segmentation=np.asarray(drawing), unlabelled=(0, 0, 0), num_images=3, seed=0).images
    rows.append([drawing, *pictures])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["drawn by hand", "painted from it"], height=200).save(folder / "crude.jpg")

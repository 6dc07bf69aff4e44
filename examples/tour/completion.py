"""Given pictures: `python examples/tour/completion.py` saves outputs/tour/completion.jpg.

A hole is filled, a person is taken out, a picture is continued on all sides; what is outside the area comes back
exactly. The built-in checkpoint sees what is known on all sides of a place; a label map of the whole goes along.
`examples/completion.py` makes the figure of the paper.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")

rows = []
for seed in (20_000_041, 20_000_031):
    scene = make_scene(seed, (256, 384), people=2)
    down, across = np.mgrid[:256, :384]
    hole = np.hypot(down - 128, across - 192) < 70
    given = np.where(hole[..., None], 127, scene.image).astype(np.uint8)
    filled = pipe(image=scene.image, mask=hole, segmentation=scene.segmentation, seed=0)

    # the same place without people: what is painted anew is where they stand, and a little around them
    empty = make_scene(seed, (256, 384), people=0).segmentation
    people = Image.fromarray(scene.segmentation != empty).convert("L").filter(ImageFilter.MaxFilter(9))
    removed = pipe(image=scene.image, mask=people, segmentation=empty, seed=0)

    part = scene.image[40:216, 72:312]
    around = pipe(image=part, origin=(40, 72), size=(256, 384), segmentation=scene.segmentation, seed=0)
    rows.append([scene.image, given, *filled.images, *removed.images, part, *around.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["scene", "with a hole", "filled", "without people", "a part of it", "continued"]
contact_sheet(rows, titles, height=160).save(folder / "completion.jpg")

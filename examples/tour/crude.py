"""From maps drawn by hand: `python examples/tour/crude.py` saves outputs/tour/crude.jpg.

Boxes, blobs and sticks are enough: part of the label maps that the built-in checkpoint learned from were drawn as crudely,
beside the true pictures. What is black is left to the model. The last row is the map of a scene, redrawn by the program
that drew those for training.
"""

from pathlib import Path

import numpy as np
from drawings import HEIGHT, OPEN, WIDTH, shore, valley, winter

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.conditions.crude_maps import crude_map
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("segmentation")

rows = []
for drawing in (valley(), shore(), winter()):
    out = pipe(segmentation=drawing, unlabelled=OPEN, num_images=3, seed=0)
    rows.append([drawing, *out.images])
labels = make_scene(20_000_025, (HEIGHT, WIDTH), people=2).segmentation.astype(np.int64)
crude = crude_map(labels, np.random.default_rng(0))
out = pipe(segmentation=crude, unlabelled=-1, num_images=3, seed=0)
rows.append([*condition.show(condition.parse(crude, unlabelled=-1)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["drawn by hand", "painted from it"], height=160).save(folder / "crude.jpg")

"""From the lines of another picture: `python examples/tour/night_to_day.py` saves outputs/tour/night_to_day.jpg.

A picture by night goes in, and only its lines are kept, white on black: the same place comes out in other seasons and at
other hours. A drawing made by hand goes the same way.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import line_drawing, make_scene

CLASSES = ("spring day", "autumn dusk", "winter day")
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")

rows = []
for seed in (20_000_025, 20_000_010):
    night = make_scene(seed, (256, 384), time_of_day="night", people=2).image
    lines = line_drawing(night)
    painted = [pipe(condition_image=lines, class_label=name, seed=0).images[0] for name in CLASSES]
    rows.append([night, Image.fromarray(np.uint8(255) * lines).convert("RGB"), *painted])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["by night", "its lines", *CLASSES], height=160).save(folder / "night_to_day.jpg")

"""From boxes: `python examples/tour/layout.py` saves outputs/tour/layout.jpg.

What is where, roughly: names and boxes, relative to the picture. The checkpoint is a tiny one that is trained first (a
few minutes): it shows that the objects of the boxes are there, hardly that they are in their boxes.
"""

from pathlib import Path

from tiny_checkpoints import boxes, tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE = (256, 384)
pipe = tiny_pipeline("layout")
condition = pipe.condition("layout")

rows = []
for seed in (1000, 1002, 1004):
    scene = make_scene(seed, SIZE, time_of_day="day", people=2)
    layout = boxes(scene)
    out = pipe(layout=layout, size=SIZE, num_images=3, seed=0)
    rows.append([scene.image, *condition.show(condition.parse(layout), SIZE), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["scene", "its boxes", "painted from them"], height=160).save(folder / "layout.jpg")

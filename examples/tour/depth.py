"""From depth: `python examples/tour/depth.py` saves outputs/tour/depth.jpg.

Near is white, as depth estimators draw it; metres go in with ``near="small"``. The checkpoint is a tiny one that is
trained first (a few minutes): it shows that depth is followed, and no more.
"""

from pathlib import Path

from tiny_checkpoints import tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = tiny_pipeline("depth")
condition = pipe.condition("depth")

rows = []
for seed in (1000, 1002, 1004):
    scene = make_scene(seed, (256, 384), time_of_day="day", people=2)
    out = pipe(depth=scene.depth, num_images=3, seed=0)
    rows.append([scene.image, *condition.show(condition.parse(scene.depth)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["scene", "its depth", "painted from it"], height=160).save(folder / "depth.jpg")

"""From people's keypoints: `python examples/tour/keypoints.py` saves outputs/tour/keypoints.jpg.

Poses come as COCO has them, (people, 17, 3), and are drawn as skeletons for the model. Beside them nothing says what
is to be seen. The checkpoint is a tiny one that is trained first (a few minutes): it shows that people stand where
the poses are, and no more.
"""

from pathlib import Path

from tiny_checkpoints import tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE = (256, 384)
pipe = tiny_pipeline("keypoints")
condition = pipe.condition("keypoints")

rows = []
for seed in (1000, 1002, 1004):
    scene = make_scene(seed, SIZE, time_of_day="day", people=3)
    out = pipe(keypoints=scene.keypoints, size=SIZE, num_images=3, seed=0)
    rows.append([scene.image, *condition.show(condition.parse(scene.keypoints, size=SIZE)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["scene", "its people", "painted from them"], height=160).save(folder / "keypoints.jpg")

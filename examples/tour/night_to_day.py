"""From another picture: `python examples/tour/night_to_day.py` saves outputs/tour/night_to_day.jpg.

A place by night goes in, the same place by day comes out; edges or a sketch would go the same way. The checkpoint is a
tiny one that is trained first (a few minutes) on such pairs: it shows that the picture is followed, and no more.
"""

from pathlib import Path

from tiny_checkpoints import by_night, tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = tiny_pipeline("condition_image")

rows = []
for seed in (1000, 1002, 1004):
    scene = make_scene(seed, (256, 384), time_of_day="day", people=2)
    night = by_night(scene)
    rows.append([night, *pipe(condition_image=night, num_images=3, seed=0).images, scene.image])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["by night", "by day, painted", "", "", "by day, the scene"]
contact_sheet(rows, titles, height=160).save(folder / "night_to_day.jpg")

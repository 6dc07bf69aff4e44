"""From label maps: `python examples/tour/segmentation.py` saves outputs/tour/segmentation.jpg.

What is where, pixel by pixel. The same map is painted three times; each seed chooses season and time of day.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("segmentation")

rows = []
for seed in (20_000_025, 20_000_004):
    scene = make_scene(seed, (256, 384), people=2)
    out = pipe(segmentation=scene.segmentation, num_images=3, seed=0)
    rows.append([scene.image, *condition.show(condition.parse(scene.segmentation)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["scene", "its labels", "painted from them"], height=160).save(folder / "segmentation.jpg")

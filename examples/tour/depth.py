"""From depth: `python examples/tour/depth.py` saves outputs/tour/depth.jpg.

Near is white, as depth estimators draw it; metres go in with ``near="small"``. What it is that stands there is the
model's own choice.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("depth")

rows = []
for seed in (20_000_041, 20_000_016):
    scene = make_scene(seed, (256, 384), people=2)
    out = pipe(depth=scene.depth, num_images=3, seed=0)
    rows.append([scene.image, *condition.show(condition.parse(scene.depth)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["scene", "its depth", "painted from it"], height=160).save(folder / "depth.jpg")

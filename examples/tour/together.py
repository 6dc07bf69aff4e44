"""Several conditions at once: `python examples/tour/together.py` saves outputs/tour/together.jpg.

The same place from labels, then with each further condition; then without guidance, and with more of it. The built-in
checkpoint is guided by 2 unless a call says otherwise.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")

rows = []
for seed in (20_000_025, 20_000_004):
    scene = make_scene(seed, (256, 384), people=2)
    given = {"segmentation": scene.segmentation}
    pictures = [scene.image, *pipe(**given, seed=0).images]
    given["depth"] = scene.depth
    given["keypoints"] = scene.keypoints
    pictures += pipe(**given, seed=0).images
    given["class_label"] = scene.class_label
    pictures += pipe(**given, seed=0).images
    pictures += pipe(**given, seed=0, guidance_scale=1.0).images
    pictures += pipe(**given, seed=0, guidance_scale=4.0).images
    rows.append(pictures)

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["scene", "labels", "+ depth, people", "+ class", "not guided", "guided by 4"]
contact_sheet(rows, titles, height=160).save(folder / "together.jpg")

"""At any size: `python examples/tour/large.py` saves outputs/tour/large.jpg, and the pictures as PNGs beside it.

A model that has seen crops of 128 pixels paints 256×256, 1024×1024 and 2048×2048: each place sees its neighbourhood, of the
map and of the picture, so a larger picture is more of the same. Takes about a minute.
"""

import time
from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)

row = []
for side in (256, 1024, 2048):
    scene, start = make_scene(20_000_028, (side, side)), time.perf_counter()
    known = {"segmentation": scene.segmentation, "keypoints": scene.keypoints, "class_label": "autumn day"}
    picture = pipe(**known, seed=1).images[0]
    print(f"{side}×{side}: {time.perf_counter() - start:.1f} s")
    picture.save(folder / f"large_{side}.png")
    row.append(picture)

contact_sheet([row], ["256×256", "1024×1024", "2048×2048"], height=480).save(folder / "large.jpg")

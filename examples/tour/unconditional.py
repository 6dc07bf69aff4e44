"""From nothing: `python examples/tour/unconditional.py` saves outputs/tour/unconditional.jpg.

The checkpoint is a tiny one that is trained first (a few minutes).
"""

from pathlib import Path

from tiny_checkpoints import tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet

pipe = tiny_pipeline("unconditional")
images = pipe(size=(256, 256), num_images=8, seed=0).images

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet([images[:4], images[4:]], height=160).save(folder / "unconditional.jpg")

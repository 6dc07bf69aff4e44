"""Any shape: `python examples/tour/coordinates.py` saves outputs/tour/coordinates.jpg.

The built-in checkpoint is told the row and the column of every place in the whole picture; nothing is passed. So the sky is
above and the ground below in a panorama and in a tower, though it learned from crops of 128 pixels.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
shapes = {"256 by 1024": (256, 1024), "512 by 512": (512, 512), "768 by 256": (768, 256)}
pictures = [pipe(class_label="autumn day", size=size, seed=3).images[0] for size in shapes.values()]

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet([pictures], list(shapes), height=256).save(folder / "coordinates.jpg")

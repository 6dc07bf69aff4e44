"""From a class: `python examples/tour/class_label.py` saves outputs/tour/class_label.jpg.

A word for the whole picture, by its name or number: alone, and along with a label map that stays the same. Where a call
names none, the picture's seed chooses one.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE, CLASSES = (256, 384), ("spring dawn", "summer day", "autumn dusk", "winter night")
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("class_label")
labels = make_scene(20_000_016, SIZE, people=2).segmentation

rows = []
for name in CLASSES:
    alone = pipe(class_label=name, size=SIZE, num_images=2, seed=0)
    placed = pipe(class_label=name, segmentation=labels, num_images=2, seed=0)
    rows.append([*condition.show(condition.parse(name), (64, 128)), *alone.images, *placed.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["class", "alone", "", "with labels", ""], height=160).save(folder / "class_label.jpg")

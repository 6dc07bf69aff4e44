"""The first pictures of the README: `python examples/tour/first.py` saves outputs/tour/first.jpg.

What is given is above, what is painted from it below: a label map of a scene, a map drawn by hand, boxes, a class alone. Class
and seed of each were chosen among a few.
"""

from pathlib import Path

from drawings import LAYOUTS, shore

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE = (384, 576)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")

given = {
    "a label map": ({"segmentation": make_scene(20_000_030, SIZE).segmentation}, "autumn dusk", 0),
    "a drawing": ({"segmentation": shore()}, "summer day", 0),
    "boxes": ({"layout": LAYOUTS[0]}, "spring day", 0),
    "a class": ({}, "winter day", 0),
}
shown, painted = [], []
for known, name, seed in given.values():
    painted += pipe(**known, class_label=name, size=SIZE, seed=seed).images
    kind, value = next(iter(known.items()), ("class_label", name))
    condition = pipe.condition(kind)
    shown += condition.show(condition.parse(value), SIZE)

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet([shown, painted], list(given), height=200).save(folder / "first.jpg", quality=88)

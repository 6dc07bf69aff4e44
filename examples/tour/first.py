"""The first pictures of the README: `python examples/tour/first.py` saves outputs/tour/first.jpg.

What is given is above, what is painted from it below: a label map of a scene, a map drawn by hand, boxes, a class alone. Class
and seed of each were chosen among a few.
"""

from pathlib import Path

from drawings import LAYOUTS, OPEN, winter

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE, CARD = (256, 384), (128, 192)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")

labels, boxes, classes = (pipe.condition(name) for name in ("segmentation", "layout", "class_label"))

scene, drawing, word = make_scene(20_000_025, SIZE), winter(), "spring day"
shown = [
    *labels.show(labels.parse(scene.segmentation)),
    drawing,
    *boxes.show(boxes.parse(LAYOUTS[0]), SIZE),
    *classes.show(classes.parse(word), CARD),
]
painted = [
    *pipe(segmentation=scene.segmentation, class_label="summer day", seed=0).images,
    *pipe(segmentation=drawing, unlabelled=OPEN, class_label="winter day", seed=3).images,
    *pipe(layout=LAYOUTS[0], class_label="spring day", size=SIZE, seed=6).images,
    *pipe(class_label=word, size=SIZE, seed=4).images,
]

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["a label map", "a drawing", "boxes", "a class"]
contact_sheet([shown, painted], titles, height=200).save(folder / "first.jpg", quality=88)

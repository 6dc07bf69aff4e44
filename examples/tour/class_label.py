"""From a class: `python examples/tour/class_label.py` saves outputs/tour/class_label.jpg.

One word for the whole picture, by its name or number. The checkpoint is a tiny one that is trained first (a few
minutes): it shows that the class is followed, and no more.
"""

from pathlib import Path

from tiny_checkpoints import tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet

CLASSES = ("summer, coast", "winter, mountains", "autumn, forest", "spring, desert")
pipe = tiny_pipeline("class_label")
condition = pipe.condition("class_label")

rows = []
for name in CLASSES:
    out = pipe(class_label=name, size=(256, 256), num_images=4, seed=0)
    rows.append([*condition.show(condition.parse(name), (64, 128)), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["class", "painted"], height=160).save(folder / "class_label.jpg")

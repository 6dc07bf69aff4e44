"""From boxes: `python examples/tour/layout.py` saves outputs/tour/layout.jpg.

What is where, roughly: names and boxes, relative to the picture (left, top, right, bottom). Where no box is, the model
paints what goes with the rest.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet

SIZE = (256, 384)
LAYOUTS = [
    [
        ("sky", (0, 0, 1, 0.5)), ("mountain", (0, 0.2, 0.7, 0.5)), ("grass", (0, 0.5, 1, 1)), ("tree", (0.06, 0.2, 0.3, 0.8)),
        ("house", (0.55, 0.4, 0.85, 0.66)), ("rock", (0.36, 0.76, 0.5, 0.9)),
    ],
    [
        ("clouds", (0, 0, 1, 0.4)), ("sea", (0, 0.45, 1, 0.75)), ("sand", (0, 0.7, 1, 1)),
        ("person", (0.45, 0.5, 0.57, 0.92)), ("rock", (0.75, 0.62, 0.98, 0.86)),
    ],
    [
        ("sky", (0, 0, 1, 0.55)), ("snow", (0, 0.5, 1, 1)), ("tree", (0.05, 0.12, 0.2, 0.7)), ("tree", (0.22, 0.3, 0.33, 0.66)),
        ("tree", (0.7, 0.08, 0.9, 0.78)), ("river", (0.35, 0.55, 0.6, 1)),
    ],
]  # fmt: skip

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("layout")

rows = []
for layout in LAYOUTS:
    out = pipe(layout=layout, size=SIZE, num_images=3, seed=0)
    rows.append([*condition.show(condition.parse(layout), SIZE), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["boxes", "painted from them"], height=160).save(folder / "layout.jpg")

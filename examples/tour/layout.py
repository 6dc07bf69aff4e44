"""From boxes: `python examples/tour/layout.py` saves outputs/tour/layout.jpg.

What is where, roughly: names and boxes, relative to the picture. Where no box is, the model paints what goes with the rest.
"""

from pathlib import Path

from drawings import LAYOUTS

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet

SIZE = (256, 384)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("layout")

rows = []
for layout in LAYOUTS:
    out = pipe(layout=layout, size=SIZE, num_images=3, seed=0)
    rows.append([*condition.show(condition.parse(layout), SIZE), *out.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["boxes", "painted from them"], height=160).save(folder / "layout.jpg")

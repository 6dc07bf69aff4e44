"""From nothing, or a class alone: `python examples/tour/unconditional.py` saves outputs/tour/unconditional.jpg.

Where nothing says what is where, the built-in checkpoint plans first: it draws a coarse label map of the whole picture, and
paints what is on it. The plan comes back with the picture, to keep or to change.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet

SIZE = (256, 384)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
labels = pipe.condition("segmentation")

rows = []
for seeds in ((0, 1), (2, 3), (4, 5), (6, 7)):
    row = []
    for seed in seeds:
        out = pipe(size=SIZE, seed=seed)
        row += [*labels.show(out.conditions["segmentation"]), *out.images]
    rows.append(row)

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
contact_sheet(rows, ["a plan", "painted", "a plan", "painted"], height=160).save(folder / "unconditional.jpg")

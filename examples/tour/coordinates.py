"""From coordinates: `python examples/tour/coordinates.py` saves outputs/tour/coordinates.jpg.

The built-in checkpoint reads the row and the column of each pixel in the whole picture, so it knows that the sky is above
wherever it paints. Nothing has to be passed for that. Here something is: a part of the coordinates of a picture that is
twice as high, and it paints that part.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet

HEIGHT, WIDTH = 256, 384
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
places = pipe.condition("coordinates").default((2 * HEIGHT, WIDTH))

rows = []
for name in ("summer day", "autumn dusk", "winter day"):
    parts = [places[:, :, top : top + HEIGHT] for top in (0, HEIGHT // 2, HEIGHT)]
    rows.append([pipe(coordinates=part, class_label=name, seed=1).images[0] for part in parts])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["the upper half", "the middle", "the lower half"]
contact_sheet(rows, titles, height=160).save(folder / "coordinates.jpg")

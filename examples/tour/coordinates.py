"""From coordinates: `python examples/tour/coordinates.py` saves outputs/tour/coordinates.jpg.

Models of aligned pictures (faces, say) are told which part of the picture a window is; nothing is passed. Scenes are
aligned in that the sky is above. Without coordinates, the second column, each window paints a whole landscape of its
own. The checkpoints are tiny ones that are trained first (a few minutes each). ``stride=8`` saves time.
"""

from pathlib import Path

from tiny_checkpoints import tiny_pipeline

from vqgan_transformer.evaluation import contact_sheet

SIZE = (512, 512)
columns = []
for kind in ("coordinates", "unconditional"):
    columns.append(tiny_pipeline(kind)(size=SIZE, num_images=2, seed=0, stride=8).images)

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
rows = [list(row) for row in zip(*columns, strict=True)]
contact_sheet(rows, ["with coordinates", "without"], height=320).save(folder / "coordinates.jpg")

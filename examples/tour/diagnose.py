"""Which stage loses what: `python examples/tour/diagnose.py` prints a report, and saves outputs/tour/diagnose.jpg.

What the tokenizer loses of pictures, and what the second stage makes of the rest: here of the checkpoint of
the paper's form on scenes by day, which it was trained on, and by night, which it was not.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes-paper")
folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)

for time_of_day in ("day", "night"):
    scenes = [make_scene(seed, (256, 384), time_of_day=time_of_day) for seed in (1000, 1002, 1004)]
    report = pipe.diagnose([scene.image for scene in scenes], segmentation=[scene.segmentation for scene in scenes])
    print(f"by {time_of_day}", report, sep="\n", end="\n\n")
    report.sheet.save(folder / ("diagnose.jpg" if time_of_day == "day" else "diagnose_night.jpg"))

"""From people's keypoints: `python examples/tour/keypoints.py` saves outputs/tour/keypoints.jpg.

Poses come as COCO has them, (people, 17, 3), and are drawn as skeletons for the model: alone, where nothing says what is
around them, and along with the labels of the place.
"""

from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene

SIZE = (256, 384)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
condition = pipe.condition("keypoints")

rows = []
for seed in (20_000_009, 20_000_023):
    scene = make_scene(seed, SIZE, people=3)
    alone = pipe(keypoints=scene.keypoints, size=SIZE, num_images=2, seed=0)
    placed = pipe(keypoints=scene.keypoints, segmentation=scene.segmentation, seed=0)
    skeletons = condition.show(condition.parse(scene.keypoints, size=SIZE))
    rows.append([scene.image, *skeletons, *alone.images, *placed.images])

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
titles = ["scene", "its people", "painted from them", "", "and from labels"]
contact_sheet(rows, titles, height=160).save(folder / "keypoints.jpg")

"""A picture that appears: `python examples/tour/appearing.py` saves outputs/tour/appearing.webp, an animation.

Pictures are painted from the top; `pipe.stream` hands out rows as soon as they are there.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene

SIZE = (256, 512)
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
labels = pipe.condition("segmentation")
scene = make_scene(1005, SIZE)
canvas = np.array(labels.colorize(scene.segmentation)[0])

frames, top = [Image.fromarray(canvas)], 0
for strip in pipe.stream(segmentation=scene.segmentation, class_label="autumn day", seed=0, strip=1):
    canvas[top : top + len(strip)] = strip
    top += len(strip)
    frames.append(Image.fromarray(canvas))

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
durations = [800, *[60] * (len(frames) - 2), 2500]
frames[0].save(
    folder / "appearing.webp", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70
)

"""A picture that appears: `python examples/tour/appearing.py` saves outputs/tour/appearing.webp, an animation.

Pictures are painted from the top; `pipe.stream` hands out rows as soon as they are there. Here they cover the map.
"""

from pathlib import Path

import numpy as np
from drawings import valley
from PIL import Image

from vqgan_transformer import ImageSynthesisPipeline

WIDTH, HEIGHT = 576, 384
pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
drawing = valley().resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)

canvas, top = np.array(drawing), 0
frames = [drawing]
for rows in pipe.stream(segmentation=drawing, class_label="autumn day", seed=0, strip=1):
    canvas[top : top + len(rows)] = rows
    top += len(rows)
    frames.append(Image.fromarray(canvas))

folder = Path("outputs/tour")
folder.mkdir(parents=True, exist_ok=True)
milliseconds = [1000, *[60] * (len(frames) - 2), 3000]
frames[0].save(
    folder / "appearing.webp", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, quality=75
)

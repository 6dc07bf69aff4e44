"""A label map in, a 1024×1024 picture out.

    python examples/quickstart.py [--size 1024 1024] [--seed 2] [--segmentation labels.png] [--class-label "autumn dusk"]

Without ``--segmentation``, the map is that of a procedural landscape. Writes ``labels.png``, the map in colours, and
``picture.png``, what the built-in checkpoint paints from it. Change ``labels.png`` in a paint program and pass it as
``--segmentation``: the colours are understood.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the picture; by default that of the map"
    )
    parser.add_argument("--seed", type=int, default=2, help="of the picture, and of the landscape whose map is used")
    parser.add_argument(
        "--segmentation", type=Path, help="a PNG of COCO-Stuff ids, or of the colours in labels.png, instead"
    )
    parser.add_argument("--class-label", help="season and time of day; by default the seed chooses")
    parser.add_argument("--output", type=Path, default=Path("outputs"))
    arguments = parser.parse_args()
    size = tuple(arguments.size) if arguments.size else None

    labels = arguments.segmentation or make_scene(arguments.seed, size or (1024, 1024)).segmentation

    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    start = time.perf_counter()
    out = pipe(segmentation=labels, class_label=arguments.class_label, size=size, seed=arguments.seed)
    width, height = out.images[0].size
    print(f"painted {height}×{width} pixels in {time.perf_counter() - start:.0f} s")

    arguments.output.mkdir(parents=True, exist_ok=True)
    pipe.condition("segmentation").colorize(labels)[0].save(arguments.output / "labels.png")
    out.images[0].save(arguments.output / "picture.png")
    print(f"saved {arguments.output / 'labels.png'} and {arguments.output / 'picture.png'}")


if __name__ == "__main__":
    main()

"""The completion figure of the paper: the top half of a picture is given, the rest is painted several times.

    python examples/completion.py [PICTURE ...] [--source builtin:scenes] [--samples 4] [--imagegpt openai/imagegpt-small]

Without pictures, procedural landscapes are completed, along with their label maps. ``--source`` is any pipeline; one
that needs no condition completes any PICTURE (as large as a window at least, 256 pixels for f = 16).
``--imagegpt`` puts the completions of ImageGPT (Chen et al. 2020), which draws pixels, beside them; it needs the package
transformers and downloads the model of that name, unless it is a folder. Saves ``completion.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.scenes import make_scene


def given_half(picture: Image.Image) -> np.ndarray:
    """The area to paint: everything below the middle."""
    mask = np.zeros((picture.height, picture.width), bool)
    mask[picture.height // 2 :] = True
    return mask


def complete_with_imagegpt(picture: Image.Image, source: str, samples: int, seed: int) -> list[Image.Image]:
    """ImageGPT's own completions of the top half, in its own size (32×32 to 64×64 pixels of 512 colours)."""
    try:
        from transformers import ImageGPTForCausalImageModeling, ImageGPTImageProcessor
    except ImportError as error:
        raise SystemExit("--imagegpt needs the package transformers: pip install transformers") from error
    model = ImageGPTForCausalImageModeling.from_pretrained(source).eval()
    colours = torch.tensor(np.array(ImageGPTImageProcessor.from_pretrained(source).clusters), dtype=torch.float32)
    side = round(model.config.n_positions**0.5)
    small = torch.tensor(np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)), dtype=torch.float32)
    pixels = torch.cdist(small.view(-1, 3) / 127.5 - 1, colours).argmin(1)  # (side * side)
    start = torch.tensor([model.config.vocab_size - 1])
    prompt = torch.cat((start, pixels[: side * (side // 2)])).expand(samples, -1)
    torch.manual_seed(seed)
    with torch.no_grad():
        drawn = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=True, top_k=40, use_cache=True,
            min_new_tokens=side * side + 1 - prompt.shape[1], max_new_tokens=side * side + 1 - prompt.shape[1],
        )  # fmt: skip
    values = (127.5 * (colours[drawn[:, 1:].clamp(max=len(colours) - 1)] + 1)).round().clamp(0, 255)
    return [Image.fromarray(one.view(side, side, 3).to(torch.uint8).numpy()) for one in values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="*", metavar="PICTURE")
    parser.add_argument("--source", default="builtin:scenes", help="a pipeline")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--imagegpt", metavar="SOURCE", help="an ImageGPT: a folder, or a name on the Hub")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("outputs"))
    arguments = parser.parse_args()

    pipe = ImageSynthesisPipeline.from_pretrained(arguments.source)
    inputs = [(Image.open(path).convert("RGB"), {}) for path in arguments.pictures]
    for seed in () if inputs else (20_000_028, 20_000_025, 20_000_041):
        scene = make_scene(seed, (256, 256), time_of_day="day")
        inputs.append((Image.fromarray(scene.image), {"segmentation": scene.segmentation}))
    rows, titles = [], ["picture", "given", *["painted"] * arguments.samples]
    for picture, condition in inputs:
        mask = given_half(picture)
        out = pipe(image=picture, mask=mask, num_images=arguments.samples, seed=arguments.seed, **condition)
        given = Image.fromarray(np.where(mask[..., None], 127, np.asarray(picture)).astype(np.uint8))
        rows.append([picture, given, *out.images])
        if arguments.imagegpt:
            rows[-1] += complete_with_imagegpt(picture, arguments.imagegpt, arguments.samples, arguments.seed)
    if arguments.imagegpt:
        titles += ["ImageGPT"] * arguments.samples
    arguments.output.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, titles, height=256).save(arguments.output / "completion.png")
    print(f"saved {arguments.output / 'completion.png'}")


if __name__ == "__main__":
    main()

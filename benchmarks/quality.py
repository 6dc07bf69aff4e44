"""What a stride, lower precision and a large size do to pictures, measured with the built-in checkpoint.

    python benchmarks/quality.py stride    # likelihood under the exact rule, pictures side by side
    python benchmarks/quality.py size      # likelihood and patch statistics from the border to the centre
    python benchmarks/quality.py flips     # how often rounding changes a token

Pictures are saved in outputs/.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vqgan_transformer import ImageSynthesisPipeline, SlidingWindowSampler
from vqgan_transformer.images import to_pixels
from vqgan_transformer.sampler.draw import filter_logits, place_noise
from vqgan_transformer.scenes import make_scene

OUTPUTS = Path("outputs")


def load(seed: int, side: int) -> tuple[ImageSynthesisPipeline, Tensor]:
    """The pipeline, and the tokens of a scene's label map, (1, side/16, side/16)."""
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes-paper")
    labels = torch.as_tensor(make_scene(seed=seed, size=(side, side), time_of_day="day").segmentation)
    segmentation = pipe.condition("segmentation")
    return pipe, segmentation.encode(segmentation.parse(labels))


def beside(pictures: list[Tensor], path: Path) -> None:
    """Saves pictures (1, 3, H, W) side by side."""
    OUTPUTS.mkdir(exist_ok=True)
    [picture] = to_pixels(torch.cat(pictures, dim=3))
    assert isinstance(picture, Image.Image)
    picture.save(path)
    print(f"saved {path}")


def stride(side: int) -> None:
    pipe, condition = load(seed=3, side=side)
    exact = pipe.sampler
    real = pipe.vqgan.encode(
        torch.as_tensor(make_scene(seed=3, size=(side, side), time_of_day="day").image).permute(2, 0, 1)[None] / 127.5
        - 1
    )
    print("stride  seconds  nats a token under the exact rule (its own rule)")
    print(f"  scene        -  {exact.log_likelihood(pipe.gpt, condition, real).item():.3f}", flush=True)
    pictures = []
    for size in (1, 4, 8):
        sampler = exact.with_settings(stride=size)
        start = time.process_time()
        tokens = sampler(pipe.gpt, condition, seed=0, codebook_size=pipe.vqgan.codebook_size)
        seconds = time.process_time() - start
        likelihood = exact.log_likelihood(pipe.gpt, condition, tokens).item()
        own = sampler.log_likelihood(pipe.gpt, condition, tokens).item()
        print(f"{size:7}  {seconds:7.1f}  {likelihood:.3f} ({own:.3f})", flush=True)
        pictures.append(pipe.vqgan.decode(tokens))
    beside(pictures, OUTPUTS / "stride.png")


def rings(values: Tensor, count: int) -> list[Tensor]:
    """The values (h, w) of ``count`` rings, equally wide, from the border to the centre."""
    height, width = values.shape
    rows, cols = torch.arange(height)[:, None], torch.arange(width)
    depth = torch.minimum(torch.minimum(rows, height - 1 - rows), torch.minimum(cols, width - 1 - cols))
    ring = depth * count // ((min(height, width) + 1) // 2)
    return [values[ring == index] for index in range(count)]


def size(side: int) -> None:
    pipe, condition = load(seed=7, side=side)
    sampler = pipe.sampler.with_settings(stride=8 if side > 1024 else 1)
    tokens = sampler(pipe.gpt, condition, seed=0, codebook_size=pipe.vqgan.codebook_size)
    likelihood = sampler.token_log_likelihood(pipe.gpt, condition, tokens)[0]
    picture = pipe.vqgan.decode(tokens)
    patches = picture[0].mean(0).unfold(0, 16, 16).unfold(1, 16, 16).flatten(2)  # a patch for each token
    print(f"{side}×{side}, stride {sampler.config.stride}; rings of equal width from the border to the centre")
    print("ring                      " + "".join(f"{index:8}" for index in range(6)))
    rows = {"nats a token": likelihood, "contrast in a patch": patches.std(2), "brightness": patches.mean(2)}
    for name, values in rows.items():
        print(f"{name:26}" + "".join(f"{ring.mean().item():8.3f}" for ring in rings(values, 6)))
    distinct = [len(ring.unique()) / len(ring) for ring in rings(tokens[0], 6)]
    print(f"{'distinct codes a token':26}" + "".join(f"{share:8.3f}" for share in distinct))
    beside([picture], OUTPUTS / f"{side}.png")


def flips(windows: int) -> None:
    """Each place given the same tokens before it, so that a flip does not make others."""
    pipe, condition = load(seed=11, side=512)
    settings = pipe.sampler.config
    tokens = SlidingWindowSampler(top_k=100, stride=8)(pipe.gpt, condition, seed=0)
    origins = [(top, left) for top in (0, 4, 8, 12, 16) for left in (0, 4, 8, 12, 16)][:windows]
    own = torch.cat([tokens[:, top : top + 16, left : left + 16] for top, left in origins])
    local = torch.cat([condition[:, top : top + 16, left : left + 16] for top, left in origins])
    noise = torch.stack(
        [torch.stack([torch.from_numpy(place_noise(seed, i // 16, i % 16, 1024)) for i in range(256)])
         for seed in range(len(origins))]
    )  # fmt: skip
    drawn = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        logits = pipe.gpt.to(dtype)(own.flatten(1), local.flatten(1))
        logits = logits.to(torch.promote_types(dtype, torch.float32))
        kept = filter_logits(logits, temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p)
        drawn[dtype] = (kept + noise.to(kept.dtype)).argmax(-1)
    for dtype in (torch.float32, torch.bfloat16):
        flipped = (drawn[dtype] != drawn[torch.float64]).sum().item()
        print(
            f"{dtype} against float64: {flipped} of {drawn[dtype].numel()} tokens differ ({flipped / drawn[dtype].numel():.2%})"
        )


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["stride", "size", "flips"])
    parser.add_argument("--side", type=int, default=768, help="of the picture in pixels")
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.what == "flips":
        flips(arguments.windows)
    else:
        (stride if arguments.what == "stride" else size)(arguments.side)


if __name__ == "__main__":
    main()

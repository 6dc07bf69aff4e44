"""What the presets learn in the same time: a small VQGAN on photographs, trained by the paper's recipe and by the modern one.

    python benchmarks/learning.py PHOTOS RUNS modern          # PHOTOS has train/ and val/
    python benchmarks/learning.py PHOTOS RUNS paper
    python benchmarks/learning.py PHOTOS RUNS report          # both, checkpoint by checkpoint

A run is as long as 15 minutes of two cores: 1,800 seconds of CPU time, which metrics.jsonl has beside each step. The
number of steps is set for that on the machine at hand (--steps). Both presets have the same perceptual term (features of
fixed random filters), the same discriminator, and hear it from 80 % of their steps on: a step with it takes half as long
again, and what it adds, texture, costs PSNR.

A token stands for 4×4 pixels. With 8×8, 512 codes say so little that the model has all but reached what they allow after
two minutes, whatever it goes on to learn: of 320 steps on 64-pixel crops without a discriminator, the last 84 % brought
1.8 dB with 8×8 (17.3 to 19.2) and 2.5 dB with 4×4 (19.6 to 22.1).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from vqgan_transformer import VQGAN, VQGANConfig, VQGANTraining, train_vqgan
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.samples import CENTRE, Samples

CONFIGS = {
    "modern": VQGANConfig.modern(
        channels=32, channel_multipliers=(1, 3), num_res_blocks=(0, 2), decoder_res_blocks=(0, 2), codebook_size=512
    ),
    "paper": VQGANConfig(
        channels=32, channel_multipliers=(1, 1, 4), num_res_blocks=1, attention_levels=(2,), latent_channels=64,
        code_dim=64, codebook_size=512, legacy_commitment=True,
    ),
}  # fmt: skip
SHARED = {
    "batch_size": 8, "crop_size": 128, "short_side": 256, "perceptual": "random", "disc_channels": 32, "disc_layers": 2,
    "validation_samples": 100, "checkpoints_total_limit": None,
}  # fmt: skip


def train(preset: str, photos: Path, runs: Path, steps: int) -> None:
    make = VQGANTraining.modern if preset == "modern" else VQGANTraining.paper
    every = max(1, steps // 15)  # a minute, roughly
    changes = SHARED | {"max_steps": steps, "disc_start": steps * 8 // 10, "log_every": 20}
    changes |= {"validate_every": every, "checkpoint_every": every, "picture_every": 5 * every}
    train_vqgan(
        photos / "train", runs / preset, config=CONFIGS[preset], training=make(**changes), validation=photos / "val",
        resume=True, progress=False,
    )  # fmt: skip


class RandomLPIPS(torch.nn.Module):
    """LPIPS's formula on a VGG16-shaped network whose weights are random, from seed 0: a distance without a download."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stages, before = torch.nn.ModuleList(), 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            layers: list[torch.nn.Module] = [torch.nn.MaxPool2d(2)] if before > 3 else []
            for _ in range(depth):
                convolution = torch.nn.Conv2d(before, width, 3, padding=1)
                torch.nn.init.kaiming_normal_(convolution.weight)
                torch.nn.init.zeros_(convolution.bias)
                layers += [convolution, torch.nn.ReLU()]
                before = width
            self.stages.append(torch.nn.Sequential(*layers))

    def forward(self, images: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        """`(B, 3, H, W)` twice -> `(B, 1, 1, 1)`."""
        distance = images.new_zeros(len(images), 1, 1, 1)
        for stage in self.stages:
            images, reconstruction = stage(images), stage(reconstruction)
            difference = F.normalize(images, dim=1, eps=1e-10) - F.normalize(reconstruction, dim=1, eps=1e-10)
            distance = distance + difference.square().sum(1, keepdim=True).mean((2, 3), keepdim=True)
        return distance


@torch.no_grad()
def report(photos: Path, runs: Path, only_ends: bool = True) -> None:
    samples = Samples(open_data(photos / "val", ("image",)), VQGANTraining(crop_size=256))
    images = torch.stack([samples[CENTRE, index]["image"] for index in range(len(samples))])
    distance = RandomLPIPS().eval()
    for preset in CONFIGS:
        if not (runs / preset).exists():
            continue
        metrics = [json.loads(line) for line in (runs / preset / "metrics.jsonl").read_text().splitlines()]
        seconds = {record["step"]: record["cpu_seconds"] for record in metrics}
        checkpoints = sorted((runs / preset / "checkpoints").glob("step_*"))
        # of the line of metrics before a checkpoint
        times = [max([s for step, s in seconds.items() if step <= int(c.name[5:])], default=0.0) for c in checkpoints]
        second = min(range(len(times)), key=lambda k: abs(times[k] - 240))
        for k, (checkpoint, time) in enumerate(zip(checkpoints, times, strict=True)):
            if only_ends and k not in (second, len(times) - 1):
                continue
            model = VQGAN.from_pretrained(checkpoint)
            psnr, lpips, used = 0.0, 0.0, torch.zeros(model.codebook_size, dtype=torch.bool)
            for image in images.split(1):
                tokens = model.encode(image)
                reconstruction = model.decode(tokens).clamp(-1, 1)
                used[tokens.flatten()] = True
                psnr += 10 * torch.log10(4 / F.mse_loss(reconstruction, image)).item() / len(images)
                lpips += distance(image, reconstruction).item() / len(images)
            print(
                f"{preset:7} minute {time / 120:5.1f}  step {checkpoint.name[5:]}  PSNR {psnr:6.2f} dB  "
                f"LPIPS (random VGG, seed 0) {lpips:.4f}  codes used {used.float().mean():.1%}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("what", choices=("modern", "paper", "report"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--all", action="store_true", help="report every checkpoint")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "report":
        report(arguments.photos, arguments.runs, not arguments.all)
    else:
        train(arguments.what, arguments.photos, arguments.runs, arguments.steps)

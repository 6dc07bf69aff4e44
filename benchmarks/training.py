"""Speed of training, ratios measured side by side: python benchmarks/training.py [vqgan] [gpt] [parts] [--steps 3] [--threads 1].

vqgan  Images per second of our step against the original's schedule, for the paper's f=16 model on 128-pixel crops: with
       a VGG16-shaped perceptual network (random weights) and without. The original runs the VQGAN and the perceptual
       network again for the discriminator's step, and goes backwards through discriminator and perceptual network twice,
       once for the adaptive weight and once for the sum. Peak memory of each, and what bf16 changes.
gpt    Steps per second on cached tokens against encoding each batch: the paper's f=16 encoder, 256-pixel crops, a GPT of
       8 layers × 256 under 256 condition tokens.

parts  What a step of the modern recipe costs, part by part: 8 pictures of 128 pixels, VQGANConfig.modern().

Each variant runs in a process of its own; variants take turns, and each step counts by its CPU time, so that what else
runs on the machine matters little.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

VARIANTS = {
    "vqgan": ("original", "ours", "ours bf16", "original no perceptual", "ours no perceptual"),
    "gpt": ("encoding", "cached"),
    "parts": ("forward", "forward and backward", "without a discriminator", "discriminator learns", "and is heard"),
}


def original_step(vqgan, discriminator, perceptual, optimizers, images):  # type: ignore[no-untyped-def]
    """The original's two passes, as its training program makes them."""
    generator, judge = optimizers
    discriminator.requires_grad_(False)
    out = vqgan(images)
    reconstruction = (images - out.reconstruction).abs()
    if perceptual is not None:
        reconstruction = reconstruction + perceptual(images, out.reconstruction)
    reconstruction = reconstruction.mean()
    adversarial = -discriminator(out.reconstruction).mean()
    last = vqgan.decoder.last_layer
    (pull,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (push,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    weight = 0.8 * (pull.norm() / (push.norm() + 1e-4)).clamp(0, 1e4).detach()
    generator.zero_grad()
    (reconstruction + weight * adversarial + out.codebook_loss).backward()
    generator.step()

    discriminator.requires_grad_(True)
    vqgan.requires_grad_(False)
    out = vqgan(images)
    reconstruction = (images - out.reconstruction).abs()
    if perceptual is not None:
        reconstruction = reconstruction + perceptual(images, out.reconstruction)
    reconstruction.mean()
    real, fake = discriminator(images), discriminator(out.reconstruction.detach())
    judge.zero_grad()
    (0.5 * ((1 - real).relu().mean() + (1 + fake).relu().mean())).backward()
    judge.step()
    vqgan.requires_grad_(True)


def run_vqgan(variant: str, steps: int) -> dict[str, float]:
    from learning import RandomLPIPS

    from vqgan_transformer import VQGAN, VQGANConfig, VQGANTraining
    from vqgan_transformer.training.discriminator import PatchDiscriminator
    from vqgan_transformer.training.loop import make_accelerator
    from vqgan_transformer.training.vqgan_training import VQGANTrainer

    images = torch.rand(2, 3, 128, 128) * 2 - 1
    perceptual: nn.Module | None = None if "no perceptual" in variant else RandomLPIPS().requires_grad_(False)
    vqgan = VQGAN(VQGANConfig()).train()
    if variant.startswith("original"):
        discriminator = PatchDiscriminator().train()
        optimizers = [torch.optim.Adam(part.parameters(), 1e-5, (0.5, 0.9)) for part in (vqgan, discriminator)]

        def step(number: int) -> None:
            original_step(vqgan, discriminator, perceptual, optimizers, images)
    else:
        precision = "bf16" if "bf16" in variant else "no"
        training = VQGANTraining.paper(
            disc_start=0, batch_size=2, crop_size=128, mixed_precision=precision, perceptual=None
        )
        training = training.for_kind("image")
        trainer = VQGANTrainer(vqgan, training, make_accelerator(training, Path(tempfile.gettempdir())), perceptual)

        def step(number: int) -> None:
            trainer.step({"image": images}, number)

    return timed(step, steps, len(images))


def run_gpt(variant: str, steps: int) -> dict[str, float]:
    from vqgan_transformer import VQGAN, CondGPT, CoordinatesCondition, GPTTraining, VQGANConfig
    from vqgan_transformer.training.gpt_training import GPTTrainer, fitting_config
    from vqgan_transformer.training.loop import make_accelerator

    training = GPTTraining.paper(batch_size=2, crop_size=256)
    vqgan, condition = VQGAN(VQGANConfig()).eval(), CoordinatesCondition(1024)
    gpt = CondGPT(fitting_config(vqgan, condition, training, n_layer=8, n_head=8, n_embd=256))
    accelerator = make_accelerator(training, Path(tempfile.gettempdir()))
    trainer = GPTTrainer(gpt, vqgan, (condition,), training, accelerator, [])  # type: ignore[arg-type]
    batch = {"key": torch.zeros(2, dtype=torch.long), "dropped": torch.zeros(2, 1, dtype=torch.bool)}
    if variant == "cached":
        batch |= {"tokens": torch.randint(1024, (2, 16, 16)), "coordinates": torch.randint(1024, (2, 16, 16))}
    else:
        maps = condition.default((256, 256)).expand(2, -1, -1, -1)
        batch |= {"image": torch.rand(2, 3, 256, 256) * 2 - 1, "coordinates": maps}
    return timed(lambda number: trainer.step(batch, number), steps, 1)


def run_parts(variant: str, steps: int) -> dict[str, float]:
    """Each variant does what those before it do, and one thing more."""
    from vqgan_transformer import VQGAN, VQGANConfig, VQGANTraining
    from vqgan_transformer.training.loop import make_accelerator
    from vqgan_transformer.training.losses import RandomFeatureLoss
    from vqgan_transformer.training.vqgan_training import VQGANTrainer

    images = torch.rand(8, 3, 128, 128) * 2 - 1
    vqgan = VQGAN(VQGANConfig.modern()).train()
    if variant.startswith("forward"):

        def step(number: int) -> None:
            loss = (vqgan(images).reconstruction - images).abs().mean()
            if "backward" in variant:
                loss.backward()

        return timed(step, steps, 1)
    start = {"discriminator learns": 10**6, "and is heard": 0}.get(variant, 0)
    training = VQGANTraining.modern(
        batch_size=8, crop_size=128, perceptual=None, codebook_start=0, disc_start=start, disc_warmup=10**6, disc_ramp=0,
        disc_weight=0.0 if variant.startswith("without") else 0.8,
    ).for_kind("image")  # fmt: skip
    trainer = VQGANTrainer(
        vqgan, training, make_accelerator(training, Path(tempfile.gettempdir())), RandomFeatureLoss()
    )
    return timed(lambda number: trainer.step({"image": images}, number), steps, 1)


def timed(step, steps: int, size: int) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """What a step takes at its best, and the most memory the process ever had."""
    seconds = []
    for number in range(steps + 1):
        before = time.process_time()
        step(number)
        seconds.append(time.process_time() - before)
    try:
        from resource import RUSAGE_SELF, getrusage

        memory = getrusage(RUSAGE_SELF).ru_maxrss / 2**20
    except ImportError:  # not on Windows
        memory = float("nan")
    return {"seconds": min(seconds[1:]) / size, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["vqgan", "gpt"])
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each variant in each round")
    parser.add_argument("--rounds", type=int, default=2, help="how often each variant has its turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="also in bf16, which only some CPUs are fast in")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.only:
        run = {"vqgan": run_vqgan, "gpt": run_gpt, "parts": run_parts}[arguments.what[0]]
        print(json.dumps(run(arguments.only, arguments.steps)))
        return
    for what in arguments.what:
        best: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for variant in VARIANTS[what]:
                if "bf16" in variant and not arguments.bf16:
                    continue
                command = [sys.executable, __file__, what, "--only", variant, "--steps", str(arguments.steps)]
                command += ["--threads", str(arguments.threads)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                known = best.setdefault(variant, found)
                best[variant] = {key: min(known[key], found[key]) for key in found}
        for variant, values in best.items():
            base = {"gpt": "encoding", "parts": "forward and backward"}.get(what, "original")
            base = "original no perceptual" if "no p" in variant else base
            ratio = best[base]["seconds"] / values["seconds"]
            print(
                f"{what:6} {variant:24} {values['seconds']:7.2f} CPU s per {'image' if what == 'vqgan' else 'step'}  "
                f"{ratio:5.2f} × the speed of {base}  peak {values['memory']:.2f} GiB"
            )


if __name__ == "__main__":
    main()

"""Fine-tunes a VQGAN on a folder of pictures.

    python examples/finetune_vqgan.py PHOTOS RUN --init CHECKPOINT [--keep-tokens]

With --keep-tokens only the decoder learns: tokens stay as they are, and so does every GPT that was trained on them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vqgan_transformer import VQGAN, VQGANTraining, train_vqgan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a folder of pictures, or a list file")
    parser.add_argument("run", type=Path, help="the run folder; a run that is there goes on")
    parser.add_argument("--init", default="builtin:scenes", help="a checkpoint, folder or Hub id")
    parser.add_argument("--keep-tokens", action="store_true")
    parser.add_argument("--perceptual", default="vgg", help="vgg, alex, squeeze, random, or a weights file")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--crop-size", type=int, default=256)
    arguments = parser.parse_args()
    training = VQGANTraining(
        max_steps=arguments.steps, batch_size=arguments.batch_size, crop_size=arguments.crop_size,
        perceptual=arguments.perceptual, learning_rate=2e-5, ema_decay=0.999, clip_gradients=1.0,
        disc_start=arguments.steps // 5, disc_warmup=arguments.steps // 10, disc_ramp=arguments.steps // 10,
        freeze=("encoder", "codebook") if arguments.keep_tokens else (),
    )  # fmt: skip
    init = VQGAN.from_pretrained(arguments.init)
    train_vqgan(arguments.photos, arguments.run, init=init, training=training, resume=True)


if __name__ == "__main__":
    main()

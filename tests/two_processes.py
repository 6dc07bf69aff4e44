"""What test_vqgan_training runs on one process and on two: `python two_processes.py FOLDER BATCH_SIZE`."""

from __future__ import annotations

import sys
from typing import Any

import torch

from training_data import picture, short_training, tiny_vqgan
from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CondGPT,
    CondGPTConfig,
    GPTTraining,
    ImageSynthesisPipeline,
    SlidingWindowSampler,
    train_cond_gpt,
    train_vqgan,
)


def train(folder: str, batch_size: int) -> None:
    """20 steps of a VQGAN and of a GPT in float64, with all that is random or shared between samples."""
    torch.manual_seed(0)
    data = [{"image": picture(number), "class_label": number % 3} for number in range(9)]
    vqgan = VQGAN(tiny_vqgan()).double()
    steps: dict[str, Any] = {
        "max_steps": 20, "batch_size": batch_size, "checkpoint_every": 100, "picture_every": 100, "validation_share": 0.0,
    }  # fmt: skip
    training = short_training(
        **steps, disc_start=4, disc_warmup=2, disc_ramp=3, disc_norm="group", lecam_weight=0.1, optimizer="adam",
        codebook_start=3, learning_rate=1e-3,
    )  # fmt: skip
    train_vqgan(data, f"{folder}/vqgan", init=vqgan, training=training, progress=False)
    gradient = training.but(codebook_learning="gradient", max_steps=8, discriminator_forward="fresh")
    dropped = VQGAN(tiny_vqgan(dropout=0.3)).double()
    train_vqgan(data, f"{folder}/gradient", init=dropped, training=gradient, progress=False)
    gumbel = VQGAN(tiny_vqgan(quantizer="gumbel", code_dim=8, normalize_codes=False)).double()
    drawn = training.but(codebook_learning="gradient", codebook_start=0, revive_below=0.0, max_steps=4, disc_weight=0.0)
    train_vqgan(data, f"{folder}/gumbel", init=gumbel, training=drawn, progress=False)
    config = CondGPTConfig(
        vocab_size=17, block_size=16, n_layer=1, n_head=2, n_embd=8, window=(4, 4), null_token=16, residual_dropout=0.2,
        embedding_dropout=0.1, attention_dropout=0.1,
    )  # fmt: skip
    pipe = ImageSynthesisPipeline(
        vqgan=vqgan.eval(),
        gpt=CondGPT(config).double(),
        sampler=SlidingWindowSampler(),
        conditions=[ClassCondition(number_of_classes=3)],
    )
    recipe = GPTTraining(
        **steps, crop_size=16, short_side=20, token_variants=2, condition_dropout=0.3, pkeep=0.8, ema_decay=0.9,
        learning_rate=1e-3,
    )  # fmt: skip
    train_cond_gpt(data, f"{folder}/gpt", init=pipe, training=recipe, progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(sys.argv[1], int(sys.argv[2]))

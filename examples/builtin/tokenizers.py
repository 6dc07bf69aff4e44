"""The two VQGANs: one for pictures, one for label maps. Both turn 16x16 pixels into one of 1,024 codes."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vqgan_transformer.training.codebook import CodebookTrainer
from vqgan_transformer.training.discriminator import PatchDiscriminator
from vqgan_transformer.training.initialisation import whiten
from vqgan_transformer.training.losses import (
    RandomFeatureLoss,
    adaptive_weight,
    adversarial_loss,
    discriminator_loss,
    reconstruction_loss,
)
from vqgan_transformer.training.optimizers import make_optimizer, set_learning_rate
from vqgan_transformer.vqgan import VQGAN, VQGANConfig
from vqgan_transformer.vqgan.quantizer import NearestQuantizer

from .data import GROUPS, PERSON, Scenes, one_hot
from .loop import learning_rate, load_weights, train

# All operations are local (no attention, normalisation of each place by itself), so that the tokens of a crop are
# those of the whole picture, and a picture of any size decodes in strips.
LOCAL = {"norm": "channel", "mid_attention": False, "attention_levels": (), "codebook_size": 1024, "code_dim": 8}
PICTURES = VQGANConfig(
    channels=24,
    channel_multipliers=(1, 2, 4, 5),
    patch_size=2,
    num_res_blocks=(0, 1, 2, 2),
    decoder_res_blocks=(1, 2, 2, 2),
    latent_channels=96,
    normalize_codes=True,
    **LOCAL,
)
LABELS = VQGANConfig(
    in_channels=len(GROUPS),
    out_channels=len(GROUPS),
    channels=32,
    channel_multipliers=(1, 2, 2),
    patch_size=4,
    num_res_blocks=(1, 1, 1),
    decoder_res_blocks=(1, 1, 1),
    latent_channels=64,
    normalize_codes=True,
    **LOCAL,
)
OUTER_LAYERS = ("conv_in", "conv_out", "codes")
ADVERSARY = 0.4  # of the decoder's gradient: 0.8 in the paper's models, whose training is a thousand times longer
CLOCK = 100_000  # the training's time in ticks: a codebook counts in steps, this training in minutes
UNQUANTISED = CLOCK * 12 // 100  # ticks before there are codes


def _mixed() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def train_labels(scenes: Scenes, folder: Path, minutes: float, batch: int = 12, crop: int = 128) -> None:
    """Label maps: cross-entropy between the labels, and the commitment to the codes.

    The paper's binary cross-entropy of each label alone (`training.losses.segmentation_loss`) gets there too, later:
    after 90 steps on one batch 67 % of the pixels are right with it, and 93 % with this.
    """
    vqgan = VQGAN(LABELS).to(memory_format=torch.channels_last)
    whiten(vqgan, one_hot(scenes.crops(64, crop)[1]))
    codebook = _codebook(vqgan)
    optimizer = make_optimizer(vqgan, "muon", outer=OUTER_LAYERS, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(progress: float) -> dict[str, float]:
        _, groups = scenes.crops(batch, crop)
        labels = one_hot(groups)
        with _mixed():
            latents = vqgan.encode_to_latents(labels)
        quantised, tokens, commitment = codebook(latents.float(), int(progress * CLOCK), int(progress * CLOCK))
        with _mixed():
            logits = vqgan.decode_latents(quantised).float()
        loss = F.cross_entropy(logits, groups)
        (loss + commitment).backward()
        _update(optimizer, learning_rate(progress, 1.5e-3))
        accuracy = (logits.argmax(dim=1) == groups).float().mean()
        return {"loss": float(loss.detach()), "accuracy": float(accuracy), "codes": len(tokens.unique())}

    train("labels", folder, minutes, {"vqgan": vqgan, "codebook": codebook, "optimizer": optimizer}, step)


def train_pictures(scenes: Scenes, folder: Path, minutes: float, batch: int = 12, crop: int = 128) -> None:
    """Pictures: absolute error, people counted more, features of random filters, and the commitment to the codes."""
    vqgan = VQGAN(PICTURES).to(memory_format=torch.channels_last)
    whiten(vqgan, scenes.crops(64, crop)[0])
    codebook = _codebook(vqgan)
    perceptual = RandomFeatureLoss()
    optimizer = make_optimizer(vqgan, "muon", outer=OUTER_LAYERS, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(progress: float) -> dict[str, float]:
        images, groups = scenes.crops(batch, crop, people=0.15)
        with _mixed():
            latents = vqgan.encode_to_latents(images)
        quantised, tokens, commitment = codebook(latents.float(), int(progress * CLOCK), int(progress * CLOCK))
        with _mixed():
            reconstruction = vqgan.decode_latents(quantised)
            loss = reconstruction_loss(images, reconstruction.float(), perceptual, weight=_people_count_more(groups))
        (loss + commitment).backward()
        _update(optimizer, learning_rate(progress, 1.5e-3))
        psnr = 10 * torch.log10(4 / F.mse_loss(reconstruction.float().detach(), images))
        return {"loss": float(loss.detach()), "psnr": float(psnr), "codes": len(tokens.unique())}

    train("pictures", folder, minutes, {"vqgan": vqgan, "codebook": codebook, "optimizer": optimizer}, step)


def train_decoder(scenes: Scenes, folder: Path, minutes: float, batch: int = 8, crop: int = 128) -> None:
    """The picture decoder once more, now against a discriminator. Encoder and codes, so all tokens, stay."""
    vqgan = VQGAN(PICTURES).to(memory_format=torch.channels_last)
    vqgan.load_state_dict(load_weights(folder / "pictures.pt", "vqgan"))
    discriminator = PatchDiscriminator(channels=48, num_layers=2).to(memory_format=torch.channels_last)
    perceptual = RandomFeatureLoss()
    for fixed in (vqgan.encoder, vqgan.to_codes, vqgan.quantizer):
        fixed.requires_grad_(False)
    optimizer = make_optimizer(vqgan, "muon", outer=OUTER_LAYERS, betas=(0.5, 0.9), weight_decay=0.0)
    judge = torch.optim.Adam(discriminator.parameters(), lr=3e-4, betas=(0.5, 0.9), fused=True)

    def step(progress: float) -> dict[str, float]:
        images, groups = scenes.crops(batch, crop, people=0.15)
        with _mixed():
            with torch.no_grad():
                codes = vqgan.quantizer.lookup(vqgan.encode(images))
            reconstruction = vqgan.decode_latents(codes).float()
            loss = reconstruction_loss(images, reconstruction, perceptual, weight=_people_count_more(groups))
            adversarial = adversarial_loss(discriminator(reconstruction))
        weight = ADVERSARY * adaptive_weight(loss, adversarial, vqgan.decoder.last_layer)
        # The adversary is heard once it has learned something.
        (loss + (weight if progress > 0.1 else 0.0) * adversarial).backward()
        _update(optimizer, learning_rate(progress, 5e-4))
        judge.zero_grad()  # the generator's step has left gradients here
        with _mixed():
            verdict = discriminator_loss(discriminator(images), discriminator(reconstruction.detach()))
        verdict.backward()
        judge.step()
        psnr = 10 * torch.log10(4 / F.mse_loss(reconstruction.detach(), images))
        values = {"loss": loss, "psnr": psnr, "weight": weight, "adversarial": adversarial, "discriminator": verdict}
        return {name: float(value.detach()) for name, value in values.items()}

    parts = {"vqgan": vqgan, "discriminator": discriminator, "optimizer": optimizer, "judge": judge}
    train("decoder", folder, minutes, parts, step)


def load_tokenizer(folder: Path, name: str) -> VQGAN:
    """The trained VQGAN "pictures" or "labels", or "decoder" for the pictures' with the decoder trained further."""
    vqgan = VQGAN(LABELS if name == "labels" else PICTURES)
    vqgan.load_state_dict(load_weights(folder / f"{name}.pt", "vqgan"))
    return vqgan.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _codebook(vqgan: VQGAN) -> CodebookTrainer:
    assert isinstance(vqgan.quantizer, NearestQuantizer)
    return CodebookTrainer(vqgan.quantizer, start=UNQUANTISED)


def _update(optimizer: torch.optim.Optimizer, rate: float) -> None:
    set_learning_rate(optimizer, rate)
    optimizer.step()
    optimizer.zero_grad()


def _people_count_more(groups: Tensor, factor: float = 3.0) -> Tensor:
    # (B, H, W) -> (B, 1, H, W). People are small and would otherwise be painted over.
    person = F.max_pool2d((groups == PERSON).float()[:, None], 5, stride=1, padding=2)
    return 1 + (factor - 1) * person

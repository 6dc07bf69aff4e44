"""The two VQGANs: one for pictures, one for label maps. Both turn 16x16 pixels into one of 1,024 codes."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vqgan_transformer.training.discriminator import PatchDiscriminator
from vqgan_transformer.training.losses import (
    RandomFeatureLoss,
    adaptive_weight,
    adversarial_loss,
    discriminator_loss,
    reconstruction_loss,
)
from vqgan_transformer.vqgan import VQGAN, VQGANConfig
from vqgan_transformer.vqgan.quantizer import GumbelQuantizer, NearestQuantizer

from .data import GROUPS, PERSON, Scenes, one_hot
from .loop import learning_rate, load_weights, train
from .muon import MuonWithAdamW

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
UNQUANTISED = 0.12  # share of the training before there are codes


class CodebookTrainer(nn.Module):
    """Learns a codebook of unit vectors as running means of the latents that choose each code.

    A codebook that is there from the start collapses: the untrained encoder sends everything to a dozen codes. So
    latents pass unquantised at first; then k-means places all codes at once; and codes that hardly any latent chooses
    are put on a latent of late.
    """

    recent: Tensor
    counts: Tensor
    sums: Tensor
    steps: Tensor
    started: Tensor

    def __init__(self, quantizer: NearestQuantizer | GumbelQuantizer, memory: int = 16384, decay: float = 0.99) -> None:
        super().__init__()
        size, dim = quantizer.codebook.weight.shape
        self.codebook = quantizer.codebook.weight.requires_grad_(False)
        self.decay = decay
        self.register_buffer("recent", torch.zeros(memory, dim))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dim))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, latents: Tensor, progress: float) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, d, h, w)` -> what the decoder gets, with gradients to the latents; the commitment loss; tokens."""
        latents = F.normalize(latents.float(), dim=1)
        flat = rearrange(latents, "b d h w -> (b h w) d")
        start = int(self.steps) * len(flat) % (len(self.recent) - len(flat))
        self.recent[start : start + len(flat)] = flat.detach()
        self.steps += 1
        if progress < UNQUANTISED:
            return latents, latents.new_zeros(()), flat.new_zeros(len(flat), dtype=torch.long)
        if not self.started:
            self._place_codes()
        tokens = self._nearest(flat.detach())
        if self.training:
            self._follow(flat.detach(), tokens)
        codes = rearrange(self.codebook[tokens], "(b h w) d -> b d h w", b=len(latents), h=latents.shape[2])
        return latents + (codes - latents).detach(), F.mse_loss(latents, codes), tokens

    def _nearest(self, flat: Tensor) -> Tensor:
        return (flat @ self.codebook.T).argmax(dim=1)  # of unit vectors the nearest is the one most alike

    def _set(self, codes: Tensor) -> None:
        self.codebook.data.copy_(F.normalize(codes, dim=1))

    def _place_codes(self, rounds: int = 15) -> None:
        size = len(self.codebook)
        latents = self.recent[self.recent.square().sum(dim=1) > 0]
        self._set(latents[torch.randperm(len(latents))[:size]])
        for _ in range(rounds):
            tokens = self._nearest(latents)
            self.counts.copy_(torch.bincount(tokens, minlength=size))
            self.sums.zero_().index_add_(0, tokens, latents)
            lonely = self.counts < 1
            self.sums[lonely] = latents[torch.randint(len(latents), (int(lonely.sum()),))]
            self._set(self.sums)
        self.sums.copy_(self.codebook)
        self.counts.fill_(1.0)
        self.started.fill_(True)

    def _follow(self, flat: Tensor, tokens: Tensor) -> None:
        rate = 1 - self.decay
        self.counts.lerp_(torch.bincount(tokens, minlength=len(self.counts)).float(), rate)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, tokens, flat), rate)
        if int(self.steps) % 50 == 0:
            mean = self.counts.mean()
            dead = self.counts < 0.03 * mean
            self.sums[dead] = self.recent[torch.randint(len(self.recent), (int(dead.sum()),))] * mean
            self.counts[dead] = mean
        self._set(self.sums)


@torch.no_grad()
def initialise(vqgan: VQGAN, images: Tensor) -> None:
    """Weights with which a picture comes through the untrained network, so that learning starts at once.

    Convolutions keep the variance (PyTorch's own choice divides it by three, which the bottleneck turns into hundreds
    of steps without progress). The last layer before the codes is scaled so that the latents of `images` have mean
    zero and covariance one: without, all would be alike once they have unit length.
    """
    for module in vqgan.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            nn.init.zeros_(module.bias)
    latents = rearrange(vqgan.encode_to_latents(images), "b d h w -> d (b h w)")
    values, vectors = torch.linalg.eigh(torch.cov(latents))
    whiten = vectors @ torch.diag(values.clamp(min=1e-8).rsqrt()) @ vectors.T
    layer = vqgan.to_codes
    layer.bias.copy_(whiten @ (layer.bias - latents.mean(dim=1)))
    layer.weight.copy_(torch.einsum("d e, e c h w -> d c h w", whiten, layer.weight))


def _mixed() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def train_labels(scenes: Scenes, folder: Path, minutes: float, batch: int = 12, crop: int = 128) -> None:
    """Label maps: cross-entropy between the labels, and the commitment to the codes.

    The paper's binary cross-entropy of each label alone (`training.losses.segmentation_loss`) gets there too, later:
    after 90 steps on one batch 67 % of the pixels are right with it, and 93 % with this.
    """
    vqgan = VQGAN(LABELS).to(memory_format=torch.channels_last)
    initialise(vqgan, one_hot(scenes.crops(64, crop)[1]))
    codebook = CodebookTrainer(vqgan.quantizer)
    optimizer = MuonWithAdamW(vqgan, OUTER_LAYERS, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(progress: float) -> dict[str, float]:
        _, groups = scenes.crops(batch, crop)
        labels = one_hot(groups)
        with _mixed():
            latents = vqgan.encode_to_latents(labels)
        quantised, commitment, tokens = codebook(latents, progress)
        with _mixed():
            logits = vqgan.decode_latents(quantised).float()
        loss = F.cross_entropy(logits, groups)
        (loss + 0.25 * commitment).backward()
        optimizer.step(learning_rate(progress, 1.5e-3))
        accuracy = (logits.argmax(dim=1) == groups).float().mean()
        return {"loss": float(loss.detach()), "accuracy": float(accuracy), "codes": len(tokens.unique())}

    train("labels", folder, minutes, {"vqgan": vqgan, "codebook": codebook, "optimizer": optimizer}, step)


def train_pictures(scenes: Scenes, folder: Path, minutes: float, batch: int = 12, crop: int = 128) -> None:
    """Pictures: absolute error, people counted more, features of random filters, and the commitment to the codes."""
    vqgan = VQGAN(PICTURES).to(memory_format=torch.channels_last)
    initialise(vqgan, scenes.crops(64, crop)[0])
    codebook = CodebookTrainer(vqgan.quantizer)
    perceptual = RandomFeatureLoss()
    optimizer = MuonWithAdamW(vqgan, OUTER_LAYERS, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(progress: float) -> dict[str, float]:
        images, groups = scenes.crops(batch, crop, people=0.15)
        with _mixed():
            latents = vqgan.encode_to_latents(images)
        quantised, commitment, tokens = codebook(latents, progress)
        with _mixed():
            reconstruction = vqgan.decode_latents(quantised)
            loss = reconstruction_loss(images, reconstruction.float(), perceptual, weight=_people_count_more(groups))
        (loss + 0.25 * commitment).backward()
        optimizer.step(learning_rate(progress, 1.5e-3))
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
    optimizer = MuonWithAdamW(vqgan, OUTER_LAYERS, betas=(0.5, 0.9), weight_decay=0.0)
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
        optimizer.step(learning_rate(progress, 5e-4))
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


def _people_count_more(groups: Tensor, factor: float = 3.0) -> Tensor:
    # (B, H, W) -> (B, 1, H, W). People are small and would otherwise be painted over.
    person = F.max_pool2d((groups == PERSON).float()[:, None], 5, stride=1, padding=2)
    return 1 + (factor - 1) * person

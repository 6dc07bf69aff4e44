"""The first stages of latent-diffusion: the original's VQGANs, by themselves or inside a diffusion model's file."""

from __future__ import annotations

from pathlib import Path

from ...errors import CheckpointError
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_vqgan import is_original, names_ldm, vqgan_from

__all__ = ["FAMILY"]

STAGE = "first_stage_model."


def detect(opened: Opened) -> bool:
    """Whether a file is a diffusion model's, or a VQGAN whose yaml names a class of latent-diffusion."""
    if f"{STAGE}encoder.conv_in.weight" in opened.tensors:
        return "transformer.tok_emb.weight" not in opened.tensors
    return names_ldm(opened) and is_original(opened.tensors)


def read_vqgan(opened: Opened, *, config: str | Path | None = None) -> tuple[VQGANConfig, Tensors]:
    """The first stage.

    Args:
        opened: the file, or the folder with it and its yaml.
        config: the yaml file, where it does not lie beside the file. Without one, the config is inferred from shapes.
    """
    document = opened.with_yaml(config)
    section = document.section("model") if document is not None else None
    inside = f"{STAGE}encoder.conv_in.weight" in opened.tensors
    tensors = opened.below(STAGE) if inside else dict(opened.tensors)
    if "quantize.embedding.weight" not in tensors:
        raise CheckpointError(
            f"{opened} holds an autoencoder with continuous latents (AutoencoderKL): it has no codebook, so it makes no tokens."
        )
    if section is not None and inside:
        section = section.section("params").section("first_stage_config")
    return vqgan_from(section, tensors, opened)


FAMILY = Family(
    name="latent-diffusion",
    description="a first stage of latent-diffusion (model.ckpt and config.yaml), also inside a diffusion model's file",
    examples=("vq-f4", "vq-f4-noattn", "vq-f8", "vq-f8-n256", "vq-f16"),
    gives="encode, decode",
    checked="latent-diffusion",
    detect=detect,
    readers={"VQGAN": read_vqgan},
    average=False,
)

"""Chameleon's tokenizer as transformers ships it: the encoder's half of an original VQGAN."""

from __future__ import annotations

from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan
from .original_vqgan import is_original
from .vqgan_shapes import config_from_shapes

__all__ = ["FAMILY"]

BEGINNING = "encoder.conv_in.weight"


def detect(opened: Opened) -> bool:
    """Whether there is one encoder by the original's names, with a codebook and without a decoder."""
    prefixes = opened.prefixes(BEGINNING)
    return (
        len(prefixes) == 1 and is_original(part := opened.below(prefixes[0])) and "decoder.conv_in.weight" not in part
    )


def read_vqgan(opened: Opened) -> tuple[VQGANConfig, Tensors]:
    """The encoder's half. All that matters follows from shapes.

    Args:
        opened: a model saved by transformers, the tokenizer alone or all of Chameleon.
    """
    tensors = opened.below(opened.prefixes(BEGINNING)[0])
    half = {name: t for name, t in tensors.items() if name.startswith(("encoder.", "quantize.", "quant_conv."))}
    renamed = rename_vqgan(half)
    return config_from_shapes(renamed, opened, legacy_commitment=True), renamed


FAMILY = Family(
    name="chameleon",
    description="Chameleon's tokenizer in transformers (ChameleonVQVAE, alone or inside the model)",
    examples=("facebook/chameleon-7b",),
    gives="encode",
    checked="transformers",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

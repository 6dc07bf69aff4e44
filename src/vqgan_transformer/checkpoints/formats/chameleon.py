"""Chameleon's tokenizer as transformers ships it: the encoder's half of an original VQGAN."""

from __future__ import annotations

from ...errors import CheckpointError
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan
from .original_vqgan import is_original
from .vqgan_shapes import config_from_shapes

__all__ = ["FAMILY"]

BEGINNING = "encoder.conv_in.weight"


def detect(opened: Opened) -> bool:
    """Whether there is one encoder by the original's names, with a codebook and without a decoder.

    Raises:
        CheckpointError: where it may as well be half of an original VQGAN's file.
    """
    prefixes = opened.prefixes(BEGINNING)
    if len(prefixes) != 1:
        return False
    half = opened.below(prefixes[0])
    if not is_original(half) or any(name.startswith("decoder.") for name in half):
        return False
    if prefixes[0] or opened.class_name is not None:
        return True
    raise CheckpointError(
        f"{opened} has the encoder of an original VQGAN and no decoder: half of its keys are missing. Download it again, or "
        "load the folder that has all of its parts. If it is Chameleon's tokenizer, which has no other half, pass "
        "format='chameleon'."
    )


def read_vqgan(opened: Opened) -> tuple[VQGANConfig, Tensors]:
    """The encoder's half. All that matters follows from shapes.

    Args:
        opened: a model saved by transformers, the tokenizer alone or all of Chameleon.
    """
    tensors = opened.below(opened.prefixes(BEGINNING)[0])
    half = {name: t for name, t in tensors.items() if name.startswith(("encoder.", "quantize.", "quant_conv."))}
    renamed = rename_vqgan(half)
    return config_from_shapes(
        renamed, opened, claims=opened.config.get("vq_config", opened.config), encoder_only=True, legacy_commitment=True
    ), renamed


FAMILY = Family(
    name="chameleon",
    description="Chameleon's tokenizer in transformers (ChameleonVQVAE, alone or inside the model)",
    examples=("facebook/chameleon-7b",),
    gives="encode",
    checked="transformers",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

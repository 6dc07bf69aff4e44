"""Janus's tokenizer as transformers ships it: LlamaGen's VQ-16 by the original's names, decoder levels as they run."""

from __future__ import annotations

from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan
from .vqgan_shapes import config_from_shapes

__all__ = ["FAMILY"]

LOWEST_FIRST = "decoder.up.0.upsample.conv.weight"
"""The level of the original's decoder with this number runs last and does not change the resolution."""


def detect(opened: Opened) -> bool:
    """Whether the first level of a decoder by the original's names doubles the resolution."""
    return len(opened.prefixes(LOWEST_FIRST)) == 1


def read_vqgan(opened: Opened) -> tuple[VQGANConfig, Tensors]:
    """The tokenizer. All that matters follows from shapes.

    Codes and features are compared as unit vectors, as in the program that trained it; transformers compares them as
    they are and makes unit vectors of codes at lookup only.

    Args:
        opened: a model saved by transformers, the tokenizer alone or all of Janus.
    """
    renamed = rename_vqgan(opened.below(opened.prefixes(LOWEST_FIRST)[0]), first_runs_last=False)
    parts = ("encoder.", "decoder.", "quantizer.", "to_codes.", "from_codes.")
    renamed = {name: tensor for name, tensor in renamed.items() if name.startswith(parts)}
    return config_from_shapes(
        renamed,
        opened,
        claims=opened.config.get("vq_config", opened.config),
        normalize_codes=True,
        legacy_commitment=True,
    ), renamed


FAMILY = Family(
    name="janus",
    description="Janus's tokenizer in transformers (JanusVQVAE, alone or inside the model)",
    examples=("deepseek-community/Janus-Pro-1B",),
    gives="encode, decode",
    checked="transformers",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

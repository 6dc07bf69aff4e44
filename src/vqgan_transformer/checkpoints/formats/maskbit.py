"""MaskBit's tokenizers and VQGAN+ (Weber et al. 2024): MaskGIT's network, halved by convolutions, with codes or bits."""

from __future__ import annotations

import re
from typing import Any

import torch

from ...errors import CheckpointError
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .muse import biased, identity_around_codes
from .opened import Opened
from .original_names import replaced
from .vqgan_shapes import config_from_shapes, count

__all__ = ["FAMILY"]

NAMES = [
    (r"^quantize\.embedding\.", "quantizer.codebook."),
    (r"^encoder\.down\.", "encoder.levels."),
    (r"\.mid\.res_blocks\.0\.", ".middle.block1."),
    (r"\.mid\.res_blocks\.1\.", ".middle.block2."),
    (r"\.res_blocks\.(\d+)\.", r".blocks.\1."),
    (r"\.down_conv\.", ".downsample."),
    (r"\.upsample_conv\.", ".upsample."),
    (r"\.nin_shortcut\.", ".shortcut."),
]
BITS, CODES = "quantize.bits_to_indices", "quantize.codebook"


def detect(opened: Opened) -> bool:
    """Whether there are stages of residual blocks as MaskBit names them."""
    names = opened.tensors
    return "encoder.mid.res_blocks.0.conv1.weight" in names and "encoder.down.0.res_blocks.0.conv1.weight" in names


def read_vqgan(opened: Opened, *, normalize_codes: bool = False) -> tuple[VQGANConfig, Tensors]:
    """A tokenizer.

    Args:
        opened: the file.
        normalize_codes: whether a VQGAN+ compares codes as unit vectors, which its weights do not tell; the published
            ones do not.
    """
    if {count(opened.tensors, rf"{half}\.mid\.res_blocks\.(\d+)\.") for half in ("encoder", "decoder")} != {2}:
        raise CheckpointError(
            f"{opened}: the core should have two blocks, as that of all published MaskBit tokenizers."
        )
    renamed = _renamed(opened)
    convolutions = any(name.endswith("downsample.weight") for name in renamed)
    known: dict[str, Any] = {"unit_range": True, "downsample": "convolution" if convolutions else "average"}
    if BITS not in opened.tensors:
        config = config_from_shapes(
            identity_around_codes(renamed), opened, normalize_codes=normalize_codes, legacy_commitment=False, **known
        )
        return config, renamed
    (bits,) = opened.shape(BITS, 1)
    renamed["quantizer.place_values"] = StoredTensor((bits,), torch.float32, lambda: 2.0 ** torch.arange(bits))
    known |= {"quantizer": "lookup_free", "codebook_size": 1 << min(bits, 63)}
    return config_from_shapes(identity_around_codes(renamed, bits), opened, **known), renamed


def _renamed(opened: Opened) -> Tensors:
    levels = count(opened.tensors, r"decoder\.up\.(\d+)\.")
    # the level at full resolution runs last and has nothing to double; old files have it first
    first_runs_last = "decoder.up.0.upsample_conv.weight" not in opened.tensors
    renamed: Tensors = {}
    for name, tensor in opened.tensors.items():
        if name in (BITS, CODES):
            continue
        match = re.match(r"decoder\.up\.(\d+)\.", name)
        if match is not None:
            level = levels - 1 - int(match[1]) if first_runs_last else int(match[1])
            name = f"decoder.levels.{level}.{name[match.end() :]}"
        renamed[replaced(name, NAMES)] = tensor
    return biased(renamed, opened)


FAMILY = Family(
    name="maskbit",
    description="a tokenizer of MaskBit (bits), or a VQGAN+",
    examples=(
        "markweber/maskbit_tokenizer_14bit, maskbit_tokenizer_14bit.bin",
        "markweber/vqgan_plus_12bit, vqgan_plus_12bit.bin",
    ),
    gives="encode, decode",
    checked="maskbit",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

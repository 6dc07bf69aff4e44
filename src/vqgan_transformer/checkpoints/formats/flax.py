"""VQGANs of Flax (vqgan-jax): the original's names with underscores, channels last."""

from __future__ import annotations

import re

from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan, replaced
from .vqgan_shapes import config_from_shapes

__all__ = ["FAMILY"]

NAMES = [
    (r"^params\.", ""),
    (r"(?<!mid\.)\b(down|up|block|attn)_(\d+)\.", r"\1.\2."),
    (r"\.(kernel|scale)$", ".weight"),
    (r"\.embedding\.embedding$", ".embedding.weight"),
]


def detect(opened: Opened) -> bool:
    """Whether the file is Flax's and holds a VQGAN."""
    return opened.is_flax and any(re.search(r"encoder\.conv_in\.kernel$", name) for name in opened.tensors)


def read_vqgan(opened: Opened, *, unit_range: bool = False) -> tuple[VQGANConfig, Tensors]:
    """A VQGAN. All that matters follows from shapes.

    Args:
        opened: flax_model.msgpack, or the folder with it.
        unit_range: whether it was trained on pictures in [0, 1] instead of [-1, 1]; the published ones were not.
    """
    renamed = rename_vqgan({replaced(name, NAMES): _turned(tensor) for name, tensor in opened.tensors.items()})
    return config_from_shapes(
        renamed, opened, claims=opened.config, legacy_commitment=True, unit_range=unit_range
    ), renamed


def _turned(tensor: StoredTensor) -> StoredTensor:
    """Kernels of convolutions: (height, width, in, out) -> (out, in, height, width)."""
    if len(tensor.shape) != 4:
        return tensor
    height, width, before, after = tensor.shape
    return StoredTensor(
        (after, before, height, width), tensor.dtype, lambda: tensor.read().permute(3, 2, 0, 1).contiguous()
    )


FAMILY = Family(
    name="flax",
    description="a VQGAN of vqgan-jax (flax_model.msgpack; needs the extra `flax`)",
    examples=("dalle-mini/vqgan_imagenet_f16_16384", "flax-community/vqgan_f16_16384"),
    gives="encode, decode",
    checked="vqgan-jax",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

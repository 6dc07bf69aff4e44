"""The VQGANs of open-muse: one that is the original's, and MaskGIT's, which is another network.

MaskGIT's is expressed in ours without loss: biases that it lacks are zero, its missing 1×1 convolutions around the
codebook are identities, its 1×1 convolution at the encoder's end is the centre of a 3×3 one. Where the width changes, it
adds a projection S of a block's *output* h to that output; so ours has (1 + S)·h, folded into the convolution before, and
a shortcut of zeros.
"""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F

from ...errors import CheckpointError
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan, replaced
from .original_vqgan import is_original
from .vqgan_shapes import config_from_shapes, count, half_missing

__all__ = ["FAMILY", "biased", "identity_around_codes"]

NAMES = [
    (r"^quantize\.embedding\.", "quantizer.codebook."),
    (r"^encoder\.down\.", "encoder.levels."),
    (r"\.block\.(\d+)\.", r".blocks.\1."),
    (r"\.mid\.0\.", ".middle.block1."),
    (r"\.mid\.1\.", ".middle.block2."),
    (r"\.upsample_conv\.", ".upsample."),
    (r"\.nin_shortcut\.", ".shortcut."),
]


def detect(opened: Opened) -> bool:
    """Whether it is MaskGIT's network, or one by the original's names that open-muse saved."""
    names = opened.tensors
    maskgit = "encoder.mid.0.conv1.weight" in names and "encoder.down.0.block.0.conv1.weight" in names
    return maskgit or (opened.class_name == "VQGANModel" and is_original(names))


def read_vqgan(opened: Opened, *, unit_range: bool = True) -> tuple[VQGANConfig, Tensors]:
    """A VQGAN.

    Args:
        opened: the file, or the folder with it.
        unit_range: whether it was trained on pictures in [0, 1], as all published ones were, instead of [-1, 1].
    """
    if is_original(opened.tensors):
        renamed = rename_vqgan(opened.tensors)
        return config_from_shapes(
            renamed, opened, claims=opened.config, legacy_commitment=True, unit_range=unit_range
        ), renamed
    renamed = _from_maskgit(opened)
    config = config_from_shapes(
        renamed, opened, claims=opened.config, legacy_commitment=True, unit_range=unit_range, downsample="average"
    )
    return config, renamed


def _from_maskgit(opened: Opened) -> Tensors:
    if not any(name.startswith("decoder.") for name in opened.tensors):
        raise half_missing(opened)
    if {count(opened.tensors, rf"{half}\.mid\.(\d+)\.") for half in ("encoder", "decoder")} != {2}:
        raise CheckpointError(f"{opened}: the core should have two blocks, as all published MaskGIT-VQGANs do.")
    levels = count(opened.tensors, r"decoder\.up\.(\d+)\.")
    renamed: Tensors = {}
    for name, tensor in opened.tensors.items():
        # level 0 is the one that runs last
        name = re.sub(r"^decoder\.up\.(\d+)\.", lambda match: f"decoder.levels.{levels - 1 - int(match[1])}.", name)
        renamed[replaced(name, NAMES)] = tensor
    return identity_around_codes(biased(renamed, opened))


def biased(renamed: Tensors, where: object) -> Tensors:
    """Tensors of MaskGIT's network by our names, with the biases it lacks and its shortcuts folded into convolutions."""
    for name in [name for name in renamed if name.endswith(".shortcut.weight")]:
        block = name.removesuffix(".shortcut.weight")
        _fold_shortcut(renamed, block, where)
    for name in [name for name in renamed if re.search(r"(conv_in|conv_out|conv1|conv2|shortcut)\.weight$", name)]:
        bias = name.replace(".weight", ".bias")
        renamed.setdefault(bias, _zeros(renamed[name].shape[:1], renamed[name].dtype))
    last = renamed.get("encoder.conv_out.weight")
    if last is not None and last.shape[2:] == (1, 1):
        widened = StoredTensor((*last.shape[:2], 3, 3), last.dtype, lambda: F.pad(last.read(), (1, 1, 1, 1)))
        renamed["encoder.conv_out.weight"] = widened
    return renamed


def identity_around_codes(renamed: Tensors, code_dim: int | None = None) -> Tensors:
    """The same with identities in the place of the 1×1 convolutions around the codes.

    Args:
        renamed: by our names; is changed.
        code_dim: length of a code; by default that of the codebook.
    """
    codes = renamed.get("quantizer.codebook.weight")
    if codes is not None and len(codes.shape) == 2:
        code_dim = codes.shape[1]
    last = renamed.get("encoder.conv_out.weight")
    if code_dim is not None and last is not None:
        for name in ("to_codes", "from_codes"):
            renamed[f"{name}.weight"] = _identity(code_dim, last.dtype)
            renamed[f"{name}.bias"] = _zeros((code_dim,), last.dtype)
    return renamed


def _fold_shortcut(renamed: Tensors, block: str, where: object) -> None:
    conv1, conv2 = renamed.get(f"{block}.conv1.weight"), renamed.get(f"{block}.conv2.weight")
    projection = renamed[f"{block}.shortcut.weight"]
    if conv1 is None or conv2 is None or projection.shape != (*conv2.shape[:1] * 2, 1, 1):
        raise CheckpointError(f"{where}: the shortcut of {block} does not fit its convolutions. Is the file complete?")

    def folded() -> torch.Tensor:
        kernel, added = conv2.read(), projection.read().flatten(1).double()
        return (kernel.double() + torch.einsum("o c, c i h w -> o i h w", added, kernel.double())).to(kernel.dtype)

    renamed[f"{block}.conv2.weight"] = StoredTensor(conv2.shape, conv2.dtype, folded)
    renamed[f"{block}.shortcut.weight"] = _zeros((conv1.shape[0], conv1.shape[1], 1, 1), conv1.dtype)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype) -> StoredTensor:
    return StoredTensor(tuple(shape), dtype, lambda: torch.zeros(shape, dtype=dtype))


def _identity(size: int, dtype: torch.dtype) -> StoredTensor:
    return StoredTensor((size, size, 1, 1), dtype, lambda: torch.eye(size, dtype=dtype)[:, :, None, None])


FAMILY = Family(
    name="muse",
    description="a VQGAN of open-muse, or MaskGIT's in PyTorch (as used by TiTok)",
    examples=(
        "fun-research/TiTok, maskgit-vqgan-imagenet-f16-256.bin",
        "openMUSE/maskgit-vqgan-imagenet-f16-256",
        "openMUSE/vqgan-f16-8192-laion",
    ),
    gives="encode, decode",
    checked="open-muse",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

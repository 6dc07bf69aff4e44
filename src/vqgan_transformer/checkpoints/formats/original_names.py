"""The original's names of tensors, and ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch

from ...storage.weights import StoredTensor

Replacement = str | Callable[[re.Match[str]], str]

__all__ = ["Replacement", "rename_gpt", "rename_vqgan", "replaced", "stacked"]

# what a VQGAN's file holds beside the VQGAN: losses and their networks, colours of labels, moving averages
NOT_OF_THE_MODEL = ("loss.", "colorize", "model_ema.")

VQGAN_NAMES = [
    (r"^quantize\.embed(ding)?\.", "quantizer.codebook."),
    (r"^quantize\.proj\.", "quantizer.projection."),
    (r"^quant_conv\.", "to_codes."),
    (r"^post_quant_conv\.", "from_codes."),
    (r"^encoder\.down\.", "encoder.levels."),
    (r"\.mid\.block_(\d)\.", r".middle.block\1."),
    (r"\.mid\.attn_1\.", ".middle.attention."),
    (r"\.block\.(\d+)\.", r".blocks.\1."),
    (r"\.attn\.(\d+)\.", r".attentions.\1."),
    (r"\.nin_shortcut\.", ".shortcut."),
    (r"\.(down|up)sample\.conv\.", r".\1sample."),
    (r"(?<=attention\.)q\.|(?<=attentions\.\d\.)q\.", "query."),
    (r"(?<=attention\.)k\.|(?<=attentions\.\d\.)k\.", "key."),
    (r"(?<=attention\.)v\.|(?<=attentions\.\d\.)v\.", "value."),
    (r"\.proj_out\.", ".out."),
]
GPT_NAMES = [
    (r"^tok_emb\.", "token_embedding."),
    (r"^pos_emb$", "position_embedding"),
    (r"^ln_f\.", "norm_out."),
    (r"\.ln([12])\.", r".norm\1."),
    (r"\.attn\.proj\.", ".attention.out."),
]


def rename_vqgan(tensors: Mapping[str, StoredTensor], *, first_runs_last: bool = True) -> dict[str, StoredTensor]:
    """A VQGAN's tensors by our names.

    Args:
        tensors: by the original's names; what is not of the model is left out.
        first_runs_last: whether the decoder's level 0 is the one that runs last, as in the original.
    """
    levels = len({name.split(".")[2] for name in tensors if name.startswith("decoder.up.")})
    renamed = {}
    for name, tensor in tensors.items():
        if name.startswith(NOT_OF_THE_MODEL):
            continue
        match = re.match(r"decoder\.up\.(\d+)\.", name)
        if match is not None:
            level = levels - 1 - int(match[1]) if first_runs_last else int(match[1])
            name = f"decoder.levels.{level}.{name[match.end() :]}"
        renamed[replaced(name, VQGAN_NAMES)] = tensor
    return renamed


def rename_gpt(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """A GPT's tensors by our names: causal masks dropped; query, key and value stacked in this order."""
    renamed = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(blocks\.\d+)\.attn\.(query|key|value|mask)(?:\.(weight|bias))?", name)
        if match is None:
            renamed[replaced(name, GPT_NAMES)] = tensor
            continue
        block, role, kind = match.groups()
        parts = [tensors.get(f"{block}.attn.{each}.{kind}") for each in ("query", "key", "value")]
        present = [part for part in parts if part is not None]
        if role == "query" and len(present) == 3 and len({(part.shape[1:], part.dtype) for part in present}) == 1:
            renamed[f"{block}.attention.qkv.{kind}"] = stacked(present)
        elif role != "mask" and (len(present) < 3 or role == "query"):
            renamed[name] = tensor  # something is missing: say so by the original's names
    return renamed


def stacked(parts: Sequence[StoredTensor]) -> StoredTensor:
    """Tensors one below the other, along the first axis."""
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return StoredTensor(shape, parts[0].dtype, lambda: torch.cat([part.read() for part in parts]))


def replaced(name: str, replacements: Sequence[tuple[str, Replacement]]) -> str:
    """A name after all replacements of patterns, one after the other."""
    for pattern, new in replacements:
        name = re.sub(pattern, new, name)
    return name

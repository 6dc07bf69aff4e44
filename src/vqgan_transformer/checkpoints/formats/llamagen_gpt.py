"""What LlamaGen's GPTs and those built on them have in common: names of blocks, numbers of heads, sizes of grids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...conditions import TextConfig
from ...errors import CheckpointError
from ...gpt.condition_input import ConditionInput
from ...gpt.config import CondGPTConfig
from ...storage.weights import StoredTensor
from .family import Known, Tensors
from .opened import Opened
from .original_names import Replacement, replaced, stacked
from .vqgan_shapes import count

__all__ = [
    "BLOCK_NAMES",
    "CAPTION_NAMES",
    "TEXT_TOKENIZER",
    "blocks",
    "caption",
    "caption_fields",
    "heads_of",
    "layers_of",
    "rename_llamagen",
    "square_side",
]

BLOCK_NAMES: list[tuple[str, Replacement]] = [
    (r"^layers\.", "blocks."),
    (r"\.attention\.wqkv\.", ".attention.qkv."),
    (r"\.attention\.wo\.", ".attention.out."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.ffn_norm\.", ".norm2."),
    (r"\.feed_forward\.w2\.", ".mlp.out."),
    (r"^tok_embeddings\.", "token_embedding."),
    (r"^norm\.", "norm_out."),
    (r"^output\.", "head."),
]
CAPTION_NAMES: list[tuple[str, Replacement]] = [
    (r"^cls_embedding\.uncond_embedding$", "aligned.caption.empty"),
    (r"^cls_embedding\.cap_proj\.fc1\.", "aligned.caption.project.0."),
    (r"^cls_embedding\.cap_proj\.fc2\.", "aligned.caption.project.2."),
]
TEXT_TOKENIZER = "vq_ds16_t2i.pt"
"""Of the text-conditional models."""

HEADS = {  # (layers, width) of the published sizes: B, L, XL, XXL, XXXL, 1B, 3B, 7B
    (12, 768): 12, (24, 1024): 16, (36, 1280): 20, (48, 1536): 24, (48, 2560): 40,
    (22, 2048): 32, (24, 3200): 32, (32, 4096): 32,
}  # fmt: skip


def blocks() -> dict[str, Any]:
    """What LlamaGen's blocks are, as fields of a config."""
    return {"norm": "rms", "feed_forward": "swiglu", "bias": False, "position": "rope2d"}


def caption_fields(opened: Opened) -> tuple[ConditionInput, int]:
    """The caption that a text-conditional GPT reads, and its positions in front."""
    length, width = opened.shape("cls_embedding.uncond_embedding", 2)
    return ConditionInput("text", "embeddings", width, length), length


def caption(config: CondGPTConfig) -> Known:
    """The condition of the caption that a GPT reads."""
    [kind] = [kind for kind in config.conditions if kind.form == "embeddings"]
    return "TextCondition", TextConfig(length=kind.length or 0, size=kind.size), {}


def heads_of(opened: Opened, known: Mapping[tuple[int, int], int], layers: int, width: int) -> int:
    """The attention heads of a published size; weights do not say them.

    Raises:
        CheckpointError: for another size.
    """
    if (layers, width) not in known:
        raise CheckpointError(
            f"{opened} has {layers} layers of width {width}, which is none of the published sizes, and weights do not "
            "say how many attention heads there are. Pass n_head=."
        )
    return known[layers, width]


def square_side(opened: Opened, tokens: int) -> int:
    """Rows and columns of a square grid.

    Raises:
        CheckpointError: for a number of tokens that is no square.
    """
    side = int(tokens**0.5)
    if side * side != tokens:
        raise CheckpointError(f"{opened} is made for {tokens} tokens, which is no square grid. Is the file complete?")
    return side


def rename_llamagen(
    tensors: Mapping[str, StoredTensor], names: Sequence[tuple[str, Replacement]], where: object
) -> Tensors:
    """Tensors by our names; the two matrices that make a gate and its value become one.

    Args:
        tensors: by the program's names.
        names: replacements of patterns, one after the other.
        where: the file, for messages.
    """
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        gate = re.fullmatch(r"(.*)\.feed_forward\.w([13])\.weight", name)
        if gate is None:
            renamed[replaced(name, names)] = tensor
        elif gate[2] == "1":
            value = tensors.get(f"{gate[1]}.feed_forward.w3.weight")
            if value is None or value.shape != tensor.shape or value.dtype != tensor.dtype:
                raise CheckpointError(f"{where}: {name} and w3 should have one shape. Is the file complete?")
            renamed[replaced(f"{gate[1]}.mlp.gate_and_value.weight", names)] = stacked([tensor, value])
    return renamed


def layers_of(opened: Opened, prefix: str) -> int:
    """How many blocks there are, whose names begin so."""
    return count(opened.tensors, re.escape(prefix) + r"(\d+)\.")

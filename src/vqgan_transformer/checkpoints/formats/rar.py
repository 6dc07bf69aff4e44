"""RAR (Yu et al. 2024): class-conditional GPTs whose norms class and step modulate, with positions of what is drawn next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...conditions import ClassConfig
from ...conditions.class_names import imagenet_classes
from ...errors import CheckpointError
from ...gpt.config import CondGPTConfig
from ...sampler.config import SamplerConfig
from .family import Family, Known, Tensors
from .llamagen_gpt import layers_of, square_side
from .muse import read_vqgan as read_tokenizer
from .opened import Opened
from .original_names import Replacement, replaced
from .tensor_parts import chunks, reshaped, rows
from .tokenizer_file import tokenizer_file
from .vqgan_shapes import made

__all__ = ["FAMILY"]

NAMES: list[tuple[str, Replacement]] = [
    (r"^blocks\.(\d+)\.adaLN_modulation\.1\.", r"modulator.blocks.\1."),
    (r"^adaln_before_head\.adaLN_modulation\.1\.", "modulator.out."),
    (r"\.attn\.qkv\.", ".attention.qkv."),
    (r"\.attn\.q_norm\.", ".attention.query_norm."),
    (r"\.attn\.k_norm\.", ".attention.key_norm."),
    (r"\.attn\.proj\.", ".attention.out."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
    (r"^lm_head\.", "head."),
]
# theirs: shift, scale and gate; ours: scale, shift and gate
ORDER = (1, 0, 2, 4, 3, 5)
WHOLE = ("target_aware_pos_embed", "timesteps_embeddings", "blocks.0.adaLN_modulation.1.weight")
SPARE_POSITIONS = 1024
"""Rows of its tables of positions beyond the tokens of a picture."""

TOKENIZER = "maskgit-vqgan-imagenet-f16-256.bin"
GUIDANCE = {768: (16.0, 2.75), 1024: (15.5, 2.5), 1280: (6.9, 1.5), 1408: (8.0, 1.2)}
"""Published scale and power of guidance, by width: B, L, XL, XXL."""


def detect(opened: Opened) -> bool:
    """Whether there are positions of what is drawn next, and steps."""
    return all(name in opened.tensors for name in WHOLE)


def read_gpt(opened: Opened, *, n_head: int | None = None) -> tuple[CondGPTConfig, Tensors]:
    """A GPT.

    Args:
        opened: the file.
        n_head: attention heads; by default what the norms of queries say, which are as wide as a head.
    """
    _, positions, width = opened.shape("pos_embed", 3)
    vocab_size, _ = opened.shape("lm_head.weight", 2)
    ids, _ = opened.shape("embeddings.weight", 2)
    hidden, _ = opened.shape("blocks.0.mlp.fc1.weight", 2)
    (head,) = opened.shape("blocks.0.attn.q_norm.weight", 1)
    tokens, classes = positions - SPARE_POSITIONS, ids - vocab_size - 2  # the mask's id and the null class
    if tokens < 1 or classes < 1:
        raise CheckpointError(
            f"{opened} has {positions} positions and {ids} ids, which no RAR has. Is the file complete?"
        )
    side = square_side(opened, tokens)
    length = tokens + 1  # a start token and the class in front; the last token is never read
    config = made(
        CondGPTConfig,
        opened,
        vocab_size=vocab_size,
        block_size=length,
        n_layer=layers_of(opened, "blocks."),
        n_head=n_head if n_head is not None else width // head,
        n_embd=width,
        window=(side, side),
        null_token=classes,
        condition_vocab_size=classes + 1,
        feed_forward_width=hidden,
        modulation="condition_and_step",
        qk_norm=True,
        norm_eps=1e-6,
        norm_out_affine=False,
        head_bias=True,
        start_token=True,
        target_positions=True,
    )
    return config, _renamed(opened, vocab_size, ids, length, width)


def read_pipeline(
    opened: Opened,
    *,
    vqgan: str | Path | None = None,
    n_head: int | None = None,
    labels: Sequence[str] | None = None,
) -> dict[str, Known]:
    """A GPT, its tokenizer and its classes, with the published guidance.

    Args:
        opened: the GPT's file.
        vqgan: the tokenizer: a file, hf://… or a short name; by default maskgit-vqgan-imagenet-f16-256.bin beside the
            GPT's file.
        n_head: as for :func:`read_gpt`.
        labels: names of the classes, where they are not ImageNet's thousand.
    """
    config, tensors = read_gpt(opened, n_head=n_head)
    tokenizer = tokenizer_file(opened, vqgan, TOKENIZER)
    classes = config.condition_ids - 1
    names = tuple(labels) if labels is not None else imagenet_classes() if classes == 1000 else None
    known: dict[str, Any] = {"number_of_classes": classes, "labels": names}
    scale, power = GUIDANCE.get(config.n_embd, (4.0, 2.75))
    sampler = SamplerConfig(top_k=None, guidance_scale=scale, guidance_schedule=power)
    return {
        "vqgan": ("VQGAN", *read_tokenizer(tokenizer), tokenizer.path),
        "gpt": ("CondGPT", config, tensors),
        "sampler": ("SlidingWindowSampler", sampler, {}),
        "conditions/class_label": ("ClassCondition", made(ClassConfig, opened, **known), {}),
    }


def _renamed(opened: Opened, vocab_size: int, ids: int, length: int, width: int) -> Tensors:
    renamed: Tensors = {}
    for name, tensor in opened.tensors.items():
        if name == "cls_token":
            renamed["start_token"] = reshaped(tensor, width)
        elif name == "embeddings.weight":
            renamed["token_embedding.weight"] = rows(tensor, 0, vocab_size)
            renamed["condition_embedding.weight"] = rows(tensor, vocab_size + 1, ids)
        elif name == "pos_embed":
            renamed["position_embedding"] = rows(tensor, 0, length, axis=1)
        elif name == "target_aware_pos_embed":  # the first two are of what stands in front
            renamed["target_embedding"] = rows(tensor, 2, length + 1, axis=1)
        elif name == "timesteps_embeddings":
            renamed["modulator.steps"] = reshaped(rows(tensor, 0, length, axis=1), length, width)
        else:
            name = replaced(name, NAMES)
            renamed[name] = chunks(tensor, ORDER) if name.startswith("modulator.blocks.") else tensor
    return renamed


FAMILY = Family(
    name="rar",
    description="RAR's class-conditional GPTs (1d-tokenizer)",
    examples=("yucornetto/RAR, rar_b.bin", "yucornetto/RAR, rar_xxl.bin"),
    gives="a pipeline for class labels with guidance that grows, beside MaskGIT's tokenizer",
    checked="1d-tokenizer",
    detect=detect,
    readers={"CondGPT": read_gpt, "ImageSynthesisPipeline": read_pipeline},
    companions=(TOKENIZER,),
)

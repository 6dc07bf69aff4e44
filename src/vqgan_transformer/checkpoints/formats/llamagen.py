"""LlamaGen: tokenizers with unit codes, and class-conditional GPTs (Sun et al. 2024)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...conditions import ClassConfig
from ...conditions.class_names import imagenet_classes
from ...errors import CheckpointError, warn
from ...gpt.config import CondGPTConfig
from ...sampler.sampler import SamplerConfig
from ...vqgan.model import VQGANConfig
from .family import Family, Known, Tensors
from .llamagen_gpt import (
    BLOCK_NAMES,
    CAPTION_NAMES,
    HEADS,
    TEXT_TOKENIZER,
    blocks,
    caption,
    caption_fields,
    heads_of,
    layers_of,
    rename_llamagen,
)
from .opened import Opened
from .original_names import Replacement, replaced
from .tokenizer_file import tokenizer_file
from .vqgan_shapes import config_from_shapes, made

__all__ = ["FAMILY"]

VQGAN_NAMES = [
    (r"^quantize\.embedding\.", "quantizer.codebook."),
    (r"^quant_conv\.", "to_codes."),
    (r"^post_quant_conv\.", "from_codes."),
    (r"\.conv_blocks\.", ".levels."),  # in the order in which they run, in both halves
    (r"\.res\.", ".blocks."),
    (r"\.attn\.", ".attentions."),
    (r"\.mid\.0\.", ".middle.block1."),
    (r"\.mid\.1\.", ".middle.attention."),
    (r"\.mid\.2\.", ".middle.block2."),
    (r"\.nin_shortcut\.", ".shortcut."),
    (r"\.(down|up)sample\.conv\.", r".\1sample."),
    (r"\.q\.", ".query."),
    (r"\.k\.", ".key."),
    (r"\.v\.", ".value."),
    (r"\.proj_out\.", ".out."),
]
GPT_NAMES: list[tuple[str, Replacement]] = [
    (r"^cls_embedding\.embedding_table\.", "condition_embedding."),
    *CAPTION_NAMES,
    *BLOCK_NAMES,
]
WHOLE_VQGAN = "encoder.conv_blocks.0.res.0.norm1.weight"
TEXT = "cls_embedding.cap_proj.fc1.weight"
WHOLE_GPT = "layers.0.attention.wqkv.weight"
TOKENIZER = "vq_ds16_c2i.pt"
PUBLISHED_CODES = (16384, 8)
"""How many there are in the published tokenizers, and how long they are."""


def detect(opened: Opened) -> bool:
    """Whether it is a tokenizer, also inside Janus's original file, or a GPT without an adapter for pictures."""
    gpt = WHOLE_GPT in opened.tensors and not any(name.startswith("adapter_mlp.") for name in opened.tensors)
    return gpt or len(opened.prefixes(WHOLE_VQGAN)) == 1


def read_vqgan(opened: Opened, *, normalize_codes: bool | None = None) -> tuple[VQGANConfig, Tensors]:
    """A tokenizer. Nearly all that matters follows from shapes.

    Args:
        opened: the file.
        normalize_codes: whether it was trained to compare codes as unit vectors (LlamaGen's ``codebook-l2-norm``), as all
            published ones were.
    """
    prefixes = opened.prefixes(WHOLE_VQGAN)
    if len(prefixes) != 1:
        raise CheckpointError(f"{opened} holds a GPT; its tokenizer is a file of its own ({TOKENIZER}).")
    parts = ("encoder.", "decoder.", "quantize.embedding.", "quant_conv.", "post_quant_conv.")
    tensors = {name: tensor for name, tensor in opened.below(prefixes[0]).items() if name.startswith(parts)}
    renamed = {replaced(name, VQGAN_NAMES): tensor for name, tensor in tensors.items()}
    unit_codes = True if normalize_codes is None else normalize_codes
    config = config_from_shapes(renamed, opened, normalize_codes=unit_codes)
    if normalize_codes is None and (config.codebook_size, config.code_dim) != PUBLISHED_CODES:
        warn(
            f"{opened} does not say whether its codes are compared as unit vectors; those of all published tokenizers of "
            "LlamaGen are, so these are, too. Pass normalize_codes=True to say so, or normalize_codes=False."
        )
    return config, renamed


def read_gpt(
    opened: Opened, *, n_head: int | None = None, window: Sequence[int] | None = None
) -> tuple[CondGPTConfig, Tensors]:
    """A class-conditional GPT, or a text-conditional one, which reads embeddings of flan-t5-xl under the name "text".

    Args:
        opened: the file.
        n_head: attention heads, for sizes that were never published; nothing else says how many there are.
        window: (height, width) in tokens of the pictures it was trained on, where the file's name does not tell
            (c2i_B_256.pt, c2i_L_384.pt): (16, 16) for 256 pixels, (24, 24) for 384.
    """
    vocab_size, width = opened.shape("tok_embeddings.weight", 2)
    hidden, _ = opened.shape("layers.0.feed_forward.w1.weight", 2)
    layers = layers_of(opened, "layers.")
    height, columns = window if window is not None else _window(opened)
    config = made(
        CondGPTConfig,
        opened,
        vocab_size=vocab_size,
        n_layer=layers,
        n_head=n_head if n_head is not None else _heads(opened, layers, width),
        n_embd=width,
        window=(height, columns),
        feed_forward_width=hidden,
        **_condition(opened, height * columns),
        **blocks(),
    )
    tensors = {name: tensor for name, tensor in opened.tensors.items() if name != "freqs_cis"}
    return config, rename_llamagen(tensors, GPT_NAMES, opened)


def _condition(opened: Opened, tokens: int) -> dict[str, Any]:
    """What stands in front: a class, or a caption."""
    if TEXT in opened.tensors:
        caption, length = caption_fields(opened)
        return {
            "block_size": length + tokens - 1, "conditioning": "aligned", "conditions": (caption,),
            "downsample_factor": 16,
        }  # fmt: skip
    classes, _ = opened.shape("cls_embedding.embedding_table.weight", 2)
    return {"block_size": tokens, "null_token": classes - 1, "condition_vocab_size": classes}


def read_pipeline(
    opened: Opened,
    *,
    vqgan: str | Path | None = None,
    n_head: int | None = None,
    window: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
) -> dict[str, Known]:
    """A GPT, its tokenizer, and its classes or captions.

    Args:
        opened: the GPT's file.
        vqgan: the tokenizer: a file, hf://… or a short name; by default vq_ds16_c2i.pt, or for captions
            vq_ds16_t2i.pt, beside the GPT's file.
        n_head: as for :func:`read_gpt`.
        window: as for :func:`read_gpt`.
        labels: names of the classes, where they are not ImageNet's thousand.
    """
    config, tensors = read_gpt(opened, n_head=n_head, window=window)
    text = TEXT in opened.tensors
    tokenizer = tokenizer_file(opened, vqgan, TEXT_TOKENIZER if text else TOKENIZER)
    sampling: dict[str, Any] = {"top_k": min(2000 if not text else 1000, config.vocab_size)}  # LlamaGen's own
    parts: dict[str, Known] = {
        "vqgan": ("VQGAN", *read_vqgan(tokenizer), tokenizer.path),
        "gpt": ("CondGPT", config, tensors),
    }
    if text:
        sampler = SamplerConfig(guidance_scale=7.5, **sampling)
        return {**parts, "sampler": ("SlidingWindowSampler", sampler, {}), "conditions/text": caption(config)}
    classes = config.condition_ids - 1  # the last one is the null class
    names = tuple(labels) if labels is not None else imagenet_classes() if classes == 1000 else None
    known: dict[str, Any] = {"number_of_classes": classes, "labels": names}
    return {
        **parts,
        "sampler": ("SlidingWindowSampler", SamplerConfig(**sampling), {}),
        "conditions/class_label": ("ClassCondition", made(ClassConfig, opened, **known), {}),
    }


def _window(opened: Opened) -> tuple[int, int]:
    angles = opened.tensors.get("freqs_cis")  # a table of rotations in old files: one for each position
    if angles is not None and len(angles.shape) == 3:
        side = int((angles.shape[0] - 1) ** 0.5)
    else:
        match = re.search(r"_(256|384|512)\b", opened.file.stem if opened.file is not None else "")
        side = int(match[1]) // 16 if match is not None else 0
    if not side:
        raise CheckpointError(
            f"{opened} does not say how large the pictures are that it was trained on. Pass window=(16, 16) for 256 "
            "pixels, (24, 24) for 384."
        )
    return side, side


def _heads(opened: Opened, layers: int, width: int) -> int:
    angles = opened.tensors.get("freqs_cis")
    if angles is not None and len(angles.shape) == 3:
        return width // (2 * angles.shape[1])
    return heads_of(opened, HEADS, layers, width)


FAMILY = Family(
    name="llamagen",
    description="LlamaGen's tokenizers and GPTs, class- and text-conditional (vq_ds16_c2i.pt, c2i_B_256.pt, …)",
    examples=(
        "FoundationVision/LlamaGen, vq_ds16_c2i.pt",
        "FoundationVision/LlamaGen, c2i_XL_384.pt",
        "peizesun/llamagen_t2i, t2i_XL_stage2_512.pt",
    ),
    gives="encode, decode; a pipeline for class labels or captions with guidance",
    checked="LlamaGen",
    detect=detect,
    readers={"VQGAN": read_vqgan, "CondGPT": read_gpt, "ImageSynthesisPipeline": read_pipeline},
    companions=(TOKENIZER, TEXT_TOKENIZER),
    average=True,
)

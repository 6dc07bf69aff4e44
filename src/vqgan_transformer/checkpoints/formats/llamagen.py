"""LlamaGen: tokenizers with unit codes, and class-conditional GPTs (Sun et al. 2024)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...conditions import ClassConfig
from ...conditions.class_names import imagenet_classes
from ...errors import CheckpointError
from ...gpt.config import CondGPTConfig
from ...sampler.sampler import SamplerConfig
from ...vqgan.model import VQGANConfig
from .family import Family, Known, Tensors
from .opened import Opened
from .original_names import replaced, stacked
from .vqgan_shapes import config_from_shapes, count, made

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
GPT_NAMES = [
    (r"^cls_embedding\.embedding_table\.", "condition_embedding."),
    (r"^tok_embeddings\.", "token_embedding."),
    (r"^layers\.", "blocks."),
    (r"\.attention\.wqkv\.", ".attention.qkv."),
    (r"\.attention\.wo\.", ".attention.out."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.ffn_norm\.", ".norm2."),
    (r"\.feed_forward\.w2\.", ".mlp.out."),
    (r"^norm\.", "norm_out."),
    (r"^output\.", "head."),
]
HEADS = {  # (layers, width) of the published sizes: B, L, XL, XXL, XXXL, 1B, 3B, 7B
    (12, 768): 12, (24, 1024): 16, (36, 1280): 20, (48, 1536): 24, (48, 2560): 40,
    (22, 2048): 32, (24, 3200): 32, (32, 4096): 32,
}  # fmt: skip
WHOLE_VQGAN = "encoder.conv_blocks.0.res.0.norm1.weight"
WHOLE_GPT = "layers.0.attention.wqkv.weight"
TOKENIZER = "vq_ds16_c2i.pt"


def detect(opened: Opened) -> bool:
    """Whether it is a tokenizer, also inside Janus's original file, or a GPT."""
    return WHOLE_GPT in opened.tensors or len(opened.prefixes(WHOLE_VQGAN)) == 1


def read_vqgan(opened: Opened) -> tuple[VQGANConfig, Tensors]:
    """A tokenizer. All that matters follows from shapes.

    Args:
        opened: the file.
    """
    prefixes = opened.prefixes(WHOLE_VQGAN)
    if len(prefixes) != 1:
        raise CheckpointError(f"{opened} holds a GPT; its tokenizer is a file of its own ({TOKENIZER}).")
    parts = ("encoder.", "decoder.", "quantize.embedding.", "quant_conv.", "post_quant_conv.")
    tensors = {name: tensor for name, tensor in opened.below(prefixes[0]).items() if name.startswith(parts)}
    renamed = {replaced(name, VQGAN_NAMES): tensor for name, tensor in tensors.items()}
    return config_from_shapes(renamed, opened, normalize_codes=True), renamed


def read_gpt(
    opened: Opened, *, n_head: int | None = None, window: Sequence[int] | None = None
) -> tuple[CondGPTConfig, Tensors]:
    """A class-conditional GPT.

    Args:
        opened: the file.
        n_head: attention heads, for sizes that were never published; nothing else says how many there are.
        window: (height, width) in tokens of the pictures it was trained on, where the file's name does not tell
            (c2i_B_256.pt, c2i_L_384.pt): (16, 16) for 256 pixels, (24, 24) for 384.
    """
    if "cls_embedding.cap_proj.fc1.weight" in opened.tensors:
        raise CheckpointError(f"{opened} is conditioned on text, which is not supported; c2i models are, on classes.")
    vocab_size, width = opened.shape("tok_embeddings.weight", 2)
    classes, _ = opened.shape("cls_embedding.embedding_table.weight", 2)
    hidden, _ = opened.shape("layers.0.feed_forward.w1.weight", 2)
    layers = count(opened.tensors, r"layers\.(\d+)\.")
    height, columns = window if window is not None else _window(opened)
    config = made(
        CondGPTConfig,
        opened,
        vocab_size=vocab_size,
        block_size=height * columns,
        n_layer=layers,
        n_head=n_head if n_head is not None else _heads(opened, layers, width),
        n_embd=width,
        window=(height, columns),
        null_token=classes - 1,
        condition_vocab_size=classes,
        norm="rms",
        feed_forward="swiglu",
        feed_forward_width=hidden,
        bias=False,
        position="rope2d",
    )
    return config, _renamed_gpt(opened)


def read_pipeline(
    opened: Opened,
    *,
    vqgan: str | Path | None = None,
    n_head: int | None = None,
    window: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
) -> dict[str, Known]:
    """A GPT, its tokenizer and its classes.

    Args:
        opened: the GPT's file.
        vqgan: the tokenizer's file; by default vq_ds16_c2i.pt beside the GPT's.
        n_head: as for :func:`read_gpt`.
        window: as for :func:`read_gpt`.
        labels: names of the classes, where they are not ImageNet's thousand.
    """
    config, tensors = read_gpt(opened, n_head=n_head, window=window)
    assert opened.file is not None
    tokenizer = Path(vqgan).expanduser() if vqgan is not None else opened.file.parent / TOKENIZER
    if not tokenizer.is_file():
        raise CheckpointError(f"{opened} needs its tokenizer, which is not at {tokenizer}. Pass vqgan= with its path.")
    classes = config.condition_ids - 1  # the last one is the null class
    names = tuple(labels) if labels is not None else imagenet_classes() if classes == 1000 else None
    known: dict[str, Any] = {"number_of_classes": classes, "labels": names}
    return {
        "vqgan": ("VQGAN", *read_vqgan(Opened(tokenizer))),
        "gpt": ("CondGPT", config, tensors),
        "sampler": ("SlidingWindowSampler", SamplerConfig(top_k=min(2000, config.vocab_size)), {}),  # LlamaGen's own
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
    if (layers, width) not in HEADS:
        raise CheckpointError(
            f"{opened} has {layers} layers of width {width}, which is none of the published sizes, and weights do not "
            "say how many attention heads there are. Pass n_head=."
        )
    return HEADS[layers, width]


def _renamed_gpt(opened: Opened) -> Tensors:
    renamed: Tensors = {}
    for name, tensor in opened.tensors.items():
        gate = re.fullmatch(r"layers\.(\d+)\.feed_forward\.w([13])\.weight", name)
        if gate is None:
            if name != "freqs_cis":
                renamed[replaced(name, GPT_NAMES)] = tensor
        elif gate[2] == "1":
            value = opened.tensors.get(name.replace(".w1.", ".w3."))
            if value is None or value.shape != tensor.shape or value.dtype != tensor.dtype:
                raise CheckpointError(f"{opened}: {name} and w3 should have one shape. Is the file complete?")
            renamed[f"blocks.{gate[1]}.mlp.gate_and_value.weight"] = stacked([tensor, value])
    return renamed


FAMILY = Family(
    name="llamagen",
    description="LlamaGen's tokenizers and class-conditional GPTs (vq_ds16_c2i.pt, c2i_B_256.pt, …)",
    examples=("FoundationVision/LlamaGen, vq_ds16_c2i.pt", "FoundationVision/LlamaGen, c2i_XL_384.pt"),
    gives="encode, decode; a pipeline for class labels with guidance",
    checked="LlamaGen",
    detect=detect,
    readers={"VQGAN": read_vqgan, "CondGPT": read_gpt, "ImageSynthesisPipeline": read_pipeline},
    companions=(TOKENIZER,),
    average=True,
)

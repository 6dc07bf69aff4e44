"""IBQ's class-conditional GPTs (Shi et al. 2024): LlamaGen's blocks, whose norms the class modulates; one file is a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...conditions import ClassConfig
from ...conditions.class_names import imagenet_classes
from ...errors import CheckpointError
from ...gpt.config import CondGPTConfig
from ...sampler.config import SamplerConfig
from ...vqgan.model import VQGANConfig
from .family import Family, Known, Tensors
from .ibq import ibq_tokenizer
from .llamagen_gpt import BLOCK_NAMES, blocks, heads_of, layers_of, rename_llamagen, square_side
from .opened import Opened
from .original_names import Replacement
from .tensor_parts import chunks
from .vqgan_shapes import made
from .yaml_section import Section

__all__ = ["FAMILY"]

NAMES: list[tuple[str, Replacement]] = [
    (r"^tok_emb\.", "token_embedding."),
    (r"^class_emb\.embedding_table\.", "condition_embedding."),
    (r"^blocks\.(\d+)\.ada_lin\.1\.", r"modulator.blocks.\1."),
    (r"^head_nm\.rmsnorm\.", "norm_out."),
    (r"^head_nm\.ada_lin\.1\.", "modulator.out."),
    *BLOCK_NAMES,
]
# theirs: two gates, two scales, two shifts; ours: scale, shift and gate of attention, then of the feed-forward part
ORDER = (2, 4, 0, 3, 5, 1)
HEADS = {(16, 1024): 16, (20, 1280): 20, (24, 1536): 24, (30, 1920): 30}
WHOLE = ("transformer.class_emb.embedding_table.weight", "transformer.blocks.0.ada_lin.1.weight")
TOKENIZER = "first_stage_model."
PUBLISHED_TOKENS = 256


def detect(opened: Opened) -> bool:
    """Whether there is a GPT whose class modulates its norms."""
    return all(name in opened.tensors for name in WHOLE)


def read_gpt(
    opened: Opened, *, n_head: int | None = None, config: str | Path | None = None
) -> tuple[CondGPTConfig, Tensors]:
    """A GPT.

    Args:
        opened: the file.
        n_head: attention heads, where neither a yaml file nor a published size says how many.
        config: the yaml file, where it does not lie beside the file. Without one, pictures have 16×16 tokens.
    """
    section = _parameters(opened.with_yaml(config), "transformer_config")
    vocab_size, width = opened.shape("transformer.tok_emb.weight", 2)
    classes, _ = opened.shape(WHOLE[0], 2)
    hidden, _ = opened.shape("transformer.blocks.0.feed_forward.w1.weight", 2)
    layers = layers_of(opened, "transformer.blocks.")
    tokens = PUBLISHED_TOKENS if section is None else section.whole("block_size", PUBLISHED_TOKENS)
    if n_head is None and section is not None and "n_head" in section:
        n_head = section.whole("n_head")
    side = square_side(opened, tokens)
    fields = made(
        CondGPTConfig,
        opened,
        vocab_size=vocab_size,
        block_size=tokens,  # the class stands in front, and the last token is never read
        n_layer=layers,
        n_head=n_head if n_head is not None else heads_of(opened, HEADS, layers, width),
        n_embd=width,
        window=(side, side),
        null_token=classes - 1,
        condition_vocab_size=classes,
        feed_forward_width=hidden,
        modulation="condition",
        **blocks(),
    )
    renamed = rename_llamagen(opened.below("transformer."), NAMES, opened)
    for name in [name for name in renamed if name.startswith("modulator.blocks.")]:
        renamed[name] = chunks(renamed[name], ORDER)
    return fields, renamed


def read_vqgan(opened: Opened, *, config: str | Path | None = None) -> tuple[VQGANConfig, Tensors]:
    """The tokenizer in the GPT's file.

    Args:
        opened: the file.
        config: as for :func:`read_gpt`.
    """
    tensors = opened.below(TOKENIZER)
    if not tensors:
        raise CheckpointError(f"{opened} lacks its tokenizer ({TOKENIZER}*). Is the file complete?")
    section = _first_stage(opened.with_yaml(config))
    return ibq_tokenizer(section, tensors, opened)


def read_pipeline(
    opened: Opened,
    *,
    n_head: int | None = None,
    config: str | Path | None = None,
    labels: Sequence[str] | None = None,
) -> dict[str, Known]:
    """The GPT, its tokenizer and its classes.

    Args:
        opened: the file.
        n_head: as for :func:`read_gpt`.
        config: as for :func:`read_gpt`.
        labels: names of the classes, where they are not ImageNet's thousand.
    """
    fields, tensors = read_gpt(opened, n_head=n_head, config=config)
    classes = fields.condition_ids - 1  # the last one is the null class
    names = tuple(labels) if labels is not None else imagenet_classes() if classes == 1000 else None
    known: dict[str, Any] = {"number_of_classes": classes, "labels": names}
    return {
        "vqgan": ("VQGAN", *read_vqgan(opened, config=config)),
        "gpt": ("CondGPT", fields, tensors),
        "sampler": ("SlidingWindowSampler", SamplerConfig(top_k=None), {}),
        "conditions/class_label": ("ClassCondition", made(ClassConfig, opened, **known), {}),
    }


def _arguments(document: Section | None) -> Section | None:
    """The arguments of the whole model, as Lightning's command line writes them."""
    if document is None or "model" not in document:
        return None
    model = document.section("model")
    return model.section("init_args") if "init_args" in model else None


def _parameters(document: Section | None, part: str) -> Section | None:
    arguments = _arguments(document)
    return None if arguments is None or part not in arguments else arguments.section(part).section("params")


def _first_stage(document: Section | None) -> Section | None:
    arguments = _arguments(document)
    if arguments is None or "first_stage_config" not in arguments:
        return None
    return arguments.section("first_stage_config")


FAMILY = Family(
    name="ibq_ar",
    description="IBQ's class-conditional GPTs (SEED-Voken), with their tokenizer in the file",
    examples=("TencentARC/IBQ-AR-B, AR_256_B.ckpt", "TencentARC/IBQ-AR-XXL"),
    gives="encode, decode; a pipeline for class labels with guidance",
    checked="SEED-Voken",
    detect=detect,
    readers={"VQGAN": read_vqgan, "CondGPT": read_gpt, "ImageSynthesisPipeline": read_pipeline},
    average=False,
)

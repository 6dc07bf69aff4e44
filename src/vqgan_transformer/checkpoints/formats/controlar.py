"""ControlAR (Li et al. 2024): LlamaGen's text-conditional GPT with a picture's features added at each place.

A file holds the GPT and a DINOv2 that reads the picture; which kind of picture it is (segmentation, depth, edges), it
does not say. The caption is embeddings of flan-t5-xl, in 120 positions in front. A token is placed by its flat number in
a square table, in pictures of any shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...conditions import DepthConfig, ImageConfig, SegmentationConfig
from ...conditions.label_spaces import label_space
from ...errors import CheckpointError, nearest_name
from ...gpt.condition_input import ConditionInput
from ...gpt.config import CondGPTConfig, PictureEncoderConfig
from ...gpt.picture_encoder import published_name
from ...sampler.sampler import SamplerConfig
from ...storage.config_json import read_json
from .family import Family, Known, Tensors
from .llamagen import read_vqgan
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
    square_side,
)
from .opened import Opened
from .original_names import Replacement
from .tokenizer_file import tokenizer_file
from .vqgan_shapes import count, made

__all__ = ["FAMILY", "KINDS"]

KINDS = {"seg": "segmentation", "depth": "depth", "canny": "canny", "hed": "hed", "lineart": "lineart", "edge": "edge"}
"""What ``condition_type`` takes, as the program does, and the name of the condition."""

CONDITIONS = {
    "seg": "SegmentationCondition", "depth": "DepthCondition", "canny": "CannyCondition", "hed": "HEDCondition",
    "lineart": "LineartCondition", "edge": "EdgeCondition",
}  # fmt: skip
"""The class of each condition."""

COLOURS = Path(__file__).with_name("coco_stuff_171_colours.json")
"""In which mmsegmentation draws COCO-Stuff."""

NEAREST = ("seg", "canny")
"""Pictures that are resized by nearest neighbours; others are, bicubically."""

WHOLE = ("adapter_mlp.fc1.weight", "condition_mlp.uncond_embedding", "layers.0.attention.wqkv.weight")
ENCODER = "adapter.model."
FACTOR = 16
HEAD_WIDTH = 64
"""Of all DINOv2."""


def detect(opened: Opened) -> bool:
    """Whether there is a GPT with an adapter."""
    return all(name in opened.tensors for name in WHOLE)


def read_gpt(
    opened: Opened, *, condition_type: str | None = None, n_head: int | None = None
) -> tuple[CondGPTConfig, Tensors]:
    """A GPT.

    Args:
        opened: the file.
        condition_type: "seg", "depth", "canny", "hed", "lineart" or "edge", the kind of picture that it follows, where
            the file has not its published name.
        n_head: attention heads, for sizes that were never published.
    """
    kind = _kind(opened, condition_type)
    vocab_size, width = opened.shape("tok_embeddings.weight", 2)
    tokens, _ = opened.shape("condition_mlp.uncond_embedding", 2)
    hidden, _ = opened.shape("layers.0.feed_forward.w1.weight", 2)
    layers, side = layers_of(opened, "layers."), square_side(opened, tokens)
    caption, length = caption_fields(opened)
    inject = count(opened.tensors, r"condition_layers\.(\d+)\.")
    places = tuple(layers // max(1, inject) * number for number in range(inject))
    config = made(
        CondGPTConfig,
        opened,
        vocab_size=vocab_size,
        block_size=length + tokens - 1,  # the last token is never read
        n_layer=layers,
        n_head=n_head if n_head is not None else heads_of(opened, HEADS, layers, width),
        n_embd=width,
        window=(side, side),
        position_table=side,
        feed_forward_width=hidden,
        conditioning="aligned",
        conditions=(ConditionInput(KINDS[kind], "picture", 3), caption),
        condition_layers=places,
        downsample_factor=FACTOR,
        picture_encoder=_encoder(opened, kind),
        **blocks(),
    )
    return config, _renamed(opened, KINDS[kind], places)


def read_pipeline(
    opened: Opened,
    *,
    condition_type: str | None = None,
    vqgan: str | Path | None = None,
    n_head: int | None = None,
    drawn: Sequence[Sequence[int]] | None = None,
) -> dict[str, Known]:
    """A GPT, its tokenizer, what it follows and its captions.

    Args:
        opened: the GPT's file.
        condition_type: as for :func:`read_gpt`.
        vqgan: the tokenizer: a file, hf://… or a short name; by default vq_ds16_t2i.pt beside the GPT's file.
        n_head: as for :func:`read_gpt`.
        drawn: for label maps, the colours of COCO-Stuff's 171 labels in the pictures that the GPT was trained with; by
            default mmsegmentation's.
    """
    kind = _kind(opened, condition_type)
    if drawn is not None and kind != "seg":
        raise CheckpointError(f"drawn= is for label maps, but {opened} follows {KINDS[kind]}.")
    config, tensors = read_gpt(opened, condition_type=kind, n_head=n_head)
    tokenizer = tokenizer_file(opened, vqgan, TEXT_TOKENIZER)
    known = _known(kind, drawn)
    return {
        "vqgan": ("VQGAN", *read_vqgan(tokenizer), tokenizer.path),
        "gpt": ("CondGPT", config, tensors),
        "sampler": ("SlidingWindowSampler", SamplerConfig(top_k=min(2000, config.vocab_size), guidance_scale=4.0), {}),
        f"conditions/{KINDS[kind]}": (CONDITIONS[kind], known, {}),
        "conditions/text": caption(config),
    }


def _known(kind: str, drawn: Sequence[Sequence[int]] | None) -> Any:
    """The config of what a kind follows."""
    if kind == "depth":
        return DepthConfig(as_picture=True)
    if kind != "seg":
        return ImageConfig()
    labels = label_space("coco-stuff-171").names
    colours = drawn if drawn is not None else read_json(COLOURS)["colours"]
    return SegmentationConfig(labels, label_space="coco-stuff-171", drawn=tuple((r, g, b) for r, g, b in colours))


def _kind(opened: Opened, condition_type: str | None) -> str:
    if condition_type is None:
        match = re.match(r"([a-z]+)(?=[_.]|$)", opened.file.stem.lower() if opened.file is not None else "")
        if match is None or match[1] not in KINDS:
            raise CheckpointError(
                f"{opened} does not say which kind of picture it follows. Pass condition_type=, one of {', '.join(KINDS)}."
            )
        return match[1]
    if condition_type not in KINDS:
        raise ValueError(
            f"condition_type is one of {', '.join(KINDS)}, got {condition_type!r}.{nearest_name(condition_type, KINDS)}"
        )
    return condition_type


def _encoder(opened: Opened, kind: str) -> PictureEncoderConfig:
    width, _, patch, _ = opened.shape(f"{ENCODER}embeddings.patch_embeddings.projection.weight", 4)
    _, positions, _ = opened.shape(f"{ENCODER}embeddings.position_embeddings", 3)
    hidden, _ = opened.shape(f"{ENCODER}encoder.layer.0.mlp.fc1.weight", 2)
    fields: PictureEncoderConfig = made(
        PictureEncoderConfig,
        opened,
        hidden_size=width,
        num_hidden_layers=layers_of(opened, f"{ENCODER}encoder.layer."),
        num_attention_heads=max(1, width // HEAD_WIDTH),
        mlp_ratio=max(1, hidden // width),
        patch_size=patch,
        image_size=patch * square_side(opened, positions - 1),
        resize="nearest" if kind in NEAREST else "bicubic",
    )
    return fields


def _renamed(opened: Opened, kind: str, places: tuple[int, ...]) -> Tensors:
    control = f"aligned.pictures.{kind}"
    names: list[tuple[str, Replacement]] = [
        (rf"^{re.escape(ENCODER)}", f"{control}.encoder.model."),
        (r"^adapter_mlp\.fc1\.", f"{control}.to_width.0."),
        (r"^adapter_mlp\.fc2\.", f"{control}.to_width.2."),
        (r"^condition_mlp\.cap_proj\.fc1\.", f"{control}.shared.0."),
        (r"^condition_mlp\.cap_proj\.fc2\.", f"{control}.shared.2."),
        (r"^condition_layers\.(\d+)\.fc1\.", lambda match: f"{control}.injections.{places[int(match[1])]}.0."),
        (r"^condition_layers\.(\d+)\.fc2\.", lambda match: f"{control}.injections.{places[int(match[1])]}.2."),
        *CAPTION_NAMES,
        *BLOCK_NAMES,
    ]
    # a table that nothing reads, and what stood for a dropped picture in training: zeros, which are zeros without it
    unused = ("condition_embeddings.weight", "condition_mlp.uncond_embedding", "freqs_cis")
    tensors = {name: tensor for name, tensor in opened.tensors.items() if name not in unused}
    renamed = rename_llamagen(tensors, names, opened)
    return {published_name(name) if name.startswith(control) else name: tensor for name, tensor in renamed.items()}


FAMILY = Family(
    name="controlar",
    description="ControlAR's GPTs, which follow a caption and a segmentation, depth or edges",
    examples=("wondervictor/ControlAR, seg_cocostuff.safetensors", "wondervictor/ControlAR, depth_MR.safetensors"),
    gives="a pipeline that follows a map, with or without words",
    checked="ControlAR",
    detect=detect,
    readers={"CondGPT": read_gpt, "ImageSynthesisPipeline": read_pipeline},
    companions=(TEXT_TOKENIZER,),
)

"""The trained parts, put together as a pipeline in half precision."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import torch

from vqgan_transformer import ImageSynthesisPipeline, SegmentationCondition, SlidingWindowSampler
from vqgan_transformer.conditions.label_spaces import label_space
from vqgan_transformer.scenes import LABEL_COLOURS, LABEL_GROUPS, LABELS

from .data import GROUPS
from .generator import load_trainer
from .tokenizers import load_tokenizer

SAMPLER = {"temperature": 0.9, "top_k": 100}


def assemble(folder: Path) -> Path:
    """Saves FOLDER/pipeline from the states in FOLDER; with the decoder trained further, if there is one."""
    space = label_space("coco-stuff-182")
    condition = SegmentationCondition(
        label_space="coco-stuff-182",
        # Labels that no scene has are drawn as what stands closest to them.
        channels=[GROUPS.index(LABEL_GROUPS[name]) for name in space.names],
        palette=palette(space.names),
        trained_labels=[name for name in space.names if name in LABELS],
        vqgan=load_tokenizer(folder, "labels"),
    )
    pipe = ImageSynthesisPipeline(
        vqgan=load_tokenizer(folder, "decoder" if (folder / "decoder.pt").exists() else "pictures"),
        gpt=load_trainer(folder).fold(),
        sampler=SlidingWindowSampler(**SAMPLER),
        conditions=[condition],
    )
    return pipe.save_pretrained(folder / "pipeline", dtype=torch.float16)


def palette(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """A colour for each label, all different: the scenes' own for what they paint, hues a golden angle apart for others."""
    taken, colours = set(LABEL_COLOURS.values()), []
    for number, name in enumerate(names):
        hue, value = 0.618034 * number % 1, 0.95 - 0.3 * (number % 3) / 2
        red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, 0.75, value))
        colours.append(LABEL_COLOURS.get(name, (red, green, blue)))
        if name not in LABEL_COLOURS and colours[-1] in taken:
            raise ValueError(f"the colour of {name!r} is taken.")
        taken.add(colours[-1])
    return colours

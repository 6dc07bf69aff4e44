"""The trained parts, put together as a pipeline in half precision."""

from __future__ import annotations

from pathlib import Path

import torch

from vqgan_transformer import ImageSynthesisPipeline, SegmentationCondition, SlidingWindowSampler
from vqgan_transformer.conditions.labels import COCO_STUFF
from vqgan_transformer.scenes import LABEL_GROUPS, LABELS

from .data import GROUPS
from .generator import load_trainer
from .tokenizers import load_tokenizer

SAMPLER = {"temperature": 1.0, "top_k": 100}


def assemble(folder: Path) -> Path:
    """Saves FOLDER/pipeline from the states in FOLDER; the decoder trained further, if there is one."""
    pictures = load_tokenizer(folder, "decoder" if (folder / "decoder.pt").exists() else "pictures")
    labels = load_tokenizer(folder, "labels")
    condition = SegmentationCondition(
        labels=COCO_STUFF,
        label_space="coco-stuff",
        channels=tuple(GROUPS.index(LABEL_GROUPS[name]) for name in COCO_STUFF),
        trained_labels=tuple(LABELS),
        vqgan=labels,
    )
    pipe = ImageSynthesisPipeline(
        vqgan=pictures, gpt=load_trainer(folder).fold(), sampler=SlidingWindowSampler(**SAMPLER), conditions=(condition,)
    )
    return pipe.save_pretrained(folder / "pipeline", dtype=torch.float16)

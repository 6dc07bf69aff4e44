"""Which stage is at fault: what the tokenizer loses of a user's own pictures, and what the GPT makes of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..contact_sheet import contact_sheet
from ..geometry import Canvas
from ..images import as_items, from_pixels, to_pil
from ..pipeline.diagnosis_report import Diagnosis
from ..pipeline.inpainting import encode_on_canvas
from ..pipeline.pipeline import ImageSynthesisPipeline

__all__ = ["diagnose", "unigram_entropy"]


def diagnose(pipe: ImageSynthesisPipeline, images: Any, *, seed: int = 0, **arguments: Any) -> Diagnosis:
    """Reports for a user's own pictures what each stage of a pipeline loses.

    Args:
        pipe: the pipeline.
        images: a picture, or a list or batch of them (as for :func:`~vqgan_transformer.images.from_pixels`); they may
            have different sizes, none smaller than a window.
        seed: of the first sample; sample k has ``seed + k``.
        **arguments: the conditions by name, one for each picture; their options and settings of the sampler, as for a
            call of the pipeline. Maps are scaled to their picture, as there.

    Raises:
        TypeError: as for a call of the pipeline.
        ValueError: as for a call of the pipeline, and where pictures and conditions differ in number.
    """
    pictures = [one[None] for item in as_items(images, "images") for one in from_pixels(item, "images")]
    kinds = [condition.name for condition in pipe.conditions if arguments.get(condition.name) is not None]
    options = {name: value for name, value in arguments.items() if name not in kinds}
    values = _one_each(kinds, arguments, len(pictures))
    rows, grids, psnr, nats, nats_of_others = [], [], [], [], []
    for index, (picture, given) in enumerate(zip(pictures, values, strict=True)):
        canvas = Canvas((picture.shape[2], picture.shape[3]), pipe.vqgan.downsample_factor, pipe.gpt.config.window)
        # first of all, since it checks everything that was passed
        nats.append(-pipe.log_likelihood(picture, seed=seed + index, **given, **options).item())
        if kinds and len(pictures) > 1:
            other = values[(index + 1) % len(values)]
            swapped = pipe.log_likelihood(picture, seed=seed + index, resize=True, **other, **options)
            nats_of_others.append(-swapped.item())
        tokens = encode_on_canvas(pipe.vqgan, picture, canvas)
        with torch.no_grad():
            decoded = pipe.vqgan.decode(tokens)[..., : canvas.size[0], : canvas.size[1]].float().cpu().clamp(-1, 1)
        sample = pipe(size=canvas.size, seed=seed + index, progress=False, **given, **options).images[0]
        rows.append([to_pil(picture)[0], *_shown(pipe, given, options, canvas), to_pil(decoded)[0], sample])
        grids.append(tokens.flatten())
        psnr.append(10 * math.log10(4 / max(float((decoded - picture).pow(2).mean()), 1e-12)))
    drawn = torch.cat(grids)
    return Diagnosis(
        psnr=psnr,
        codes_used=len(drawn.unique()),
        codebook_size=pipe.vqgan.codebook_size,
        tokens=len(drawn),
        nats=nats,
        unigram_entropy=unigram_entropy(drawn),
        nats_of_others=nats_of_others,
        sheet=contact_sheet(rows, ["photo", *kinds, "reconstruction", "sample"]),
    )


def unigram_entropy(tokens: Tensor) -> float:
    """Entropy of the frequencies of tokens, in nats.

    Few tokens show too few codes, which makes their entropy too small; the mean error, (codes - 1) / (2 · tokens), is
    added (Miller 1955).

    Args:
        tokens: int64 (N,).
    """
    counts = torch.bincount(tokens).double()
    counts = counts[counts > 0]
    frequencies = counts / counts.sum()
    return float(-(frequencies * frequencies.log()).sum() + (len(counts) - 1) / (2 * counts.sum()))


def _one_each(kinds: Sequence[str], arguments: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The conditions of each picture."""
    values: list[dict[str, Any]] = [{} for _ in range(count)]
    for kind in kinds:
        value = arguments[kind]
        if count == 1:
            each = [value]
        elif isinstance(value, list | tuple | np.ndarray | Tensor):
            each = list(value)
        else:
            each = []
        if len(each) != count:
            raise ValueError(f"{count} pictures, but not as many of {kind}: pass a list with one for each picture.")
        for given, one in zip(values, each, strict=True):
            given[kind] = one
    return values


def _shown(
    pipe: ImageSynthesisPipeline, given: Mapping[str, Any], options: Mapping[str, Any], canvas: Canvas
) -> list[Image.Image]:
    """The conditions of a picture, to look at."""
    request = pipe.request({**given, **options}, canvas.size)
    return [pipe.condition(kind).show(request.given[kind], canvas.size)[0] for kind in given]

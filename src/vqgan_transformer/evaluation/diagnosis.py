"""Which stage is at fault: what the tokenizer loses of a user's own pictures, and what the GPT makes of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contact_sheet import contact_sheet
from ..images import as_items, from_pixels, to_pil
from ..pipeline.diagnosis_report import Diagnosis
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..pipeline.progress import Callback, check_callback
from ..pipeline.scoring import score

__all__ = ["diagnose", "unigram_entropy"]


def diagnose(
    pipe: ImageSynthesisPipeline,
    images: Any,
    *,
    seed: int = 0,
    progress: bool = False,
    callback: Callback | None = None,
    **arguments: Any,
) -> Diagnosis:
    """Reports for a user's own pictures what each stage of a pipeline loses.

    Args:
        pipe: the pipeline.
        images: a picture, or a list or batch of them (as for :func:`~vqgan_transformer.images.from_pixels`); they may
            have different sizes, none smaller than a window.
        seed: of the first sample; sample k has ``seed + k``.
        progress: show a bar for each sample.
        callback: as for a call of the pipeline, for each sample.
        **arguments: the conditions by name, one for each picture; their options and settings of the sampler, as for a
            call of the pipeline. Maps are scaled to their picture, as there.

    Raises:
        TypeError: as for a call of the pipeline.
        ValueError: as for a call of the pipeline, and where pictures and conditions differ in number.
    """
    check_callback(callback)
    pictures = [picture[None] for item in as_items(images, "images") for picture in from_pixels(item, "images")]
    kinds = [condition.name for condition in pipe.conditions if arguments.get(condition.name) is not None]
    options = {name: value for name, value in arguments.items() if name not in kinds}
    values = _one_each(kinds, arguments, len(pictures))
    rows, grids, psnr, nats, nats_of_others = [], [], [], [], []
    for index, (picture, given) in enumerate(zip(pictures, values, strict=True)):
        # first of all, since it checks everything that was passed
        batch, tokens, likelihood = score(pipe, pipe.diagnose, picture, {**given, **options}, seed=seed + index)
        if len(batch.seeds) != 1:
            raise ValueError(f"1 picture, but {len(batch.seeds)} of {' and '.join(kinds)}: pass one for each picture.")
        nats.append(-likelihood.item())
        if kinds and len(pictures) > 1:
            other = {**values[(index + 1) % len(values)], **options}
            nats_of_others.append(-score(pipe, pipe.diagnose, picture, other, resize=True, seed=seed + index)[2].item())
        decoded = batch.decode(tokens).clamp(-1, 1)
        sample = pipe(
            size=batch.size, seed=seed + index, progress=progress, callback=callback, **given, **options
        ).images[0]
        shown = [pipe.condition(kind).show(batch.given[kind], batch.size)[0] for kind in given]
        rows.append([to_pil(picture)[0], *shown, to_pil(decoded)[0], sample])
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
        for given, own in zip(values, each, strict=True):
            given[kind] = own
    return values

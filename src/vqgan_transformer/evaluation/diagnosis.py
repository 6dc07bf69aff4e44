"""Which stage is at fault: what the tokenizer loses of a user's own pictures, and what the GPT makes of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..completion import encode_on_canvas
from ..images import as_items, from_pixels, to_pil
from ..picture_size import Canvas
from ..pipeline import ImageSynthesisPipeline
from .contact_sheet import contact_sheet

__all__ = ["Diagnosis", "diagnose", "unigram_entropy"]


@dataclass(frozen=True)
class Diagnosis:
    """What became of some pictures on their way through a pipeline. ``print`` it.

    Attributes:
        psnr: peak signal-to-noise ratio of each reconstruction in dB, of pixels in [-1, 1]; larger is better. It is the
            limit that the tokenizer sets: no sample can be sharper.
        codes_used: different tokens in these pictures.
        codebook_size: tokens there are.
        tokens: number of tokens in these pictures.
        nats: mean negative log-likelihood of a token of each picture under its condition; smaller is better.
        unigram_entropy: nats per token of a model that knows how frequent each code is in these pictures, and nothing
            else.
        nats_of_others: the same as ``nats``, but under the condition of the next picture; empty where there is only one
            picture or no condition. As small as ``nats``, the GPT does not follow its condition.
        sheet: photo, condition, reconstruction and sample side by side, a row for each picture.
    """

    psnr: list[float]
    codes_used: int
    codebook_size: int
    tokens: int
    nats: list[float]
    unigram_entropy: float
    nats_of_others: list[float]
    sheet: Image.Image

    @property
    def findings(self) -> list[str]:
        """What these numbers mean, in sentences; what is at fault first."""
        psnr, nats = _mean(self.psnr), _mean(self.nats)
        found = []
        if psnr < 20:
            found.append(
                f"The tokenizer loses much: {psnr:.1f} dB. Look at the reconstructions: samples cannot be better. "
                "Fine-tune the VQGAN on such pictures first."
            )
        # a picture cannot have more codes than tokens, so that few pictures say nothing of a large codebook
        if self.codes_used < 0.1 * min(self.codebook_size, self.tokens):
            found.append(
                f"Only {self.codes_used} of {self.codebook_size} codes are in use: the codebook has collapsed, or these "
                "pictures are unlike those it was trained on."
            )
        if nats > self.unigram_entropy:
            found.append(
                f"The GPT is worse than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per token): it "
                "does not know such pictures, or was trained with another VQGAN."
            )
        elif nats > 0.9 * self.unigram_entropy:
            found.append(
                f"The GPT is hardly better than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per "
                "token): train it longer, or on more pictures of this kind."
            )
        if self.nats_of_others and _mean(self.nats_of_others) - nats < 0.01 * nats:
            found.append(
                f"The GPT does not follow its condition: under that of another picture, a picture is as likely "
                f"({_mean(self.nats_of_others):.2f} against {nats:.2f} nats per token)."
            )
        return found or ["Neither stage stands out: what is left to judge are the samples themselves."]

    def __str__(self) -> str:
        others = f", {_mean(self.nats_of_others):.2f} under another's" if self.nats_of_others else ""
        lines = [
            f"tokenizer   {_mean(self.psnr):.1f} dB (worst {min(self.psnr):.1f}), {self.codes_used} of "
            f"{self.codebook_size} codes in {self.tokens} tokens",
            f"GPT         {_mean(self.nats):.2f} nats per token under the picture's condition{others}; "
            f"{self.unigram_entropy:.2f} for counting codes, {math.log(self.codebook_size):.2f} for guessing",
            *(f"- {finding}" for finding in self.findings),
        ]
        return "\n".join(lines)


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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

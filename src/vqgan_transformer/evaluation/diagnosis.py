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
from ..images import as_items, from_pixels, to_pil
from ..pipeline.diagnosis_report import Diagnosis
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..pipeline.progress import Callback, check_callback
from ..pipeline.scoring import score
from .agreement import Agreement
from .agreements import ReaderOptions
from .tally import Tally

__all__ = ["diagnose", "unigram_entropy"]


def diagnose(
    pipe: ImageSynthesisPipeline,
    images: Any,
    *,
    seed: int = 0,
    reader: Any = None,
    reader_labels: Any = None,
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
        reader: what reads a condition back from a picture (:func:`.faithfulness.evaluate_faithfulness`); it is shown each
            picture, its reconstruction and its sample. For several conditions a dictionary by their names.
        reader_labels: what its numbers mean, as there.
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
    readings = _Readings.of(pipe, kinds, reader, reader_labels, options)
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
        decoded = batch.decode(tokens).float().cpu().clamp(-1, 1)
        sample = pipe(
            size=batch.size, seed=seed + index, progress=progress, callback=callback, **given, **options
        ).images[0]
        shown = [pipe.condition(kind).show(batch.given[kind], batch.size)[0] for kind in given]
        rows.append([to_pil(picture)[0], *shown, to_pil(decoded)[0], sample])
        readings.add(index, given, {"photo": rows[-1][0], "reconstruction": rows[-1][-2], "sample": sample})
        grids.append(tokens.flatten())
        psnr.append(10 * math.log10(4 / max(float((decoded - picture).pow(2).mean()), 1e-12)))
    drawn = torch.cat(grids)
    return Diagnosis(
        psnr=psnr,
        codes_used=int((torch.bincount(drawn) > 0).sum()),
        codebook_size=pipe.vqgan.codebook_size,
        tokens=len(drawn),
        nats=nats,
        unigram_entropy=unigram_entropy(drawn),
        nats_of_others=nats_of_others,
        sheet=contact_sheet(rows, ["photo", *kinds, "reconstruction", "sample"]),
        readings=readings.numbers(),
    )


class _Readings:
    """What is read back of the conditions from pictures, reconstructions and samples, so that it shows who lost them.

    Args:
        agreements: by the names of the conditions.
    """

    def __init__(self, agreements: Mapping[str, Agreement[Any]]) -> None:
        self.agreements = agreements
        self.tallies: dict[tuple[str, str], Tally] = {}

    @classmethod
    def of(
        cls, pipe: ImageSynthesisPipeline, kinds: Sequence[str], reader: Any, labels: Any, options: Mapping[str, Any]
    ) -> _Readings:
        """From what a user passes as reader."""
        if reader is None:
            return cls({})
        if not isinstance(reader, Mapping):
            if len(kinds) != 1:
                raise ValueError(
                    f"reader= is for one condition, got {', '.join(kinds) or 'none'}: pass {{name: reader}}."
                )
            reader = {kinds[0]: reader}
        strange = sorted(reader.keys() - set(kinds))
        if strange:
            raise ValueError(f"reader= is for {strange[0]!r}, of which nothing was given.")
        return cls(
            {
                kind: ReaderOptions(read, labels, device=pipe.device).agreement(pipe.condition(kind), options)
                for kind, read in reader.items()
            }
        )

    def add(self, index: int, given: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> None:
        """Reads the pictures of one of each stage."""
        for kind, agreement in self.agreements.items():
            for stage, picture in pictures.items():
                size = (picture.height, picture.width)
                tally = self.tallies.setdefault((kind, stage), Tally())
                agreement.compare(
                    tally, index, agreement.target(given[kind], size), agreement.reader.read(picture), size
                )

    def numbers(self) -> dict[str, dict[str, float]]:
        """For each condition its main metric by stage."""
        metrics: dict[str, dict[str, float]] = {}
        for (kind, stage), tally in self.tallies.items():
            name, value = next(iter(self.agreements[kind].numbers(tally).items()))
            metrics.setdefault(f"{kind}, {name}", {})[stage] = value
        return metrics


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
        for given, item in zip(values, each, strict=True):
            given[kind] = item
    return values

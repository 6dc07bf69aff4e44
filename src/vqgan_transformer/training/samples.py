"""Samples to tensors: read, cut, checked; in an order and with crops that are functions of (seed, epoch, sample).

So a run's numbers depend neither on the number of processes and workers nor on whether it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..conditions import Condition, KeypointsCondition
from ..errors import Notice, collect_notices, warn
from ..images import from_pixels, open_picture, to_pil
from .crops import Crop, centre_crop, random_crop
from .data import DataError, Source, open_data, split
from .settings import Training
from .signals import ignore_stop_signals

__all__ = ["Batches", "Samples", "check", "open_samples", "random_numbers"]

CENTRE = -1
"""The epoch of validation: the middle of each picture, not mirrored."""


def random_numbers(seed: int, *key: int) -> np.random.Generator:
    """The random numbers that belong to a key, such as (epoch, sample): the same whatever is drawn before."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, *(part + 1 for part in key)))))


@dataclass(frozen=True)
class _Opened:
    """A sample as read from its files, before it is cut.

    Attributes:
        sample: what the source gave.
        picture: if pictures are wanted.
        parts: each condition and what it read.
        whole: (height, width) of the picture.
    """

    sample: dict[str, Any]
    picture: Image.Image | None
    parts: list[tuple[Condition, Any]]
    whole: tuple[int, int]


@dataclass(frozen=True)
class Samples(Dataset[Any]):
    """A source's samples as tensors, addressed by (epoch, index).

    An item is a dictionary: "image" float32 (3, h, w) in [-1, 1] if pictures are wanted, and for each condition what its
    ``cut`` (or ``cut_for_aligned``) gives: maps int64 (h, w) or float32 (C, h, w), ids int64 (). Layouts are tokens
    already, int64 (C,), since these tell where in the picture the crop lies, or label maps.

    Attributes:
        source: of the samples.
        training: whose crop and flip settings count.
        conditions: that are read beside the picture.
        with_image: whether pictures are read.
        as_tokens: whether conditions are cut for a GPT that reads tokens of them; otherwise for one that reads maps.
        variants: so many crops of each picture there are; epochs take them in turn. ``None``: ever new ones.
        crude_maps: share of the samples whose conditions are drawn crudely before they are cut; never those of validation.
    """

    source: Source
    training: Training
    conditions: tuple[Condition, ...] = ()
    with_image: bool = True
    as_tokens: bool = True
    variants: int | None = None
    crude_maps: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        with collect_notices():  # said once, by check()
            return self.read(*place)

    def read(self, epoch: int, index: int) -> dict[str, Tensor]:
        """An item, with what the readers warn of.

        Raises:
            DataError: that names the sample and what is the matter with it.
        """
        return self.read_epochs([epoch], index)[0]

    def read_epochs(self, epochs: Sequence[int], index: int) -> list[dict[str, Tensor]]:
        """The items of one sample in several epochs; its files are read once.

        Raises:
            DataError: that names the sample and what is the matter with it.
        """
        try:
            opened = self._opened(self.source[index])
            return [
                self._cut(opened, epoch if self.variants is None or epoch < 0 else epoch % self.variants, index)
                for epoch in epochs
            ]
        except (ValueError, TypeError, OSError, KeyError) as error:
            raise DataError("a sample cannot be read:", [f"{self.source.names[index]}: {_short(error)}"]) from error

    def _opened(self, sample: dict[str, Any]) -> _Opened:
        picture = _picture(sample["image"]) if self.with_image else None
        parts = [(condition, _read(condition, sample)) for condition in self.conditions]
        extents = {condition.name: condition.extent(part) for condition, part in parts}
        sizes = {name: extent for name, extent in extents.items() if extent is not None}
        if picture is not None:
            sizes["image"] = (picture.height, picture.width)
        if len(set(sizes.values())) > 1:
            shown = ", ".join(f"{name} {height}×{width}" for name, (height, width) in sizes.items())
            raise ValueError(f"sizes differ (height×width): {shown}")
        whole = next(iter(sizes.values()), None) or self._extent(sample)
        return _Opened(sample, picture, parts, whole)

    def _cut(self, opened: _Opened, epoch: int, index: int) -> dict[str, Tensor]:
        crop, parts = self._crop(opened.whole, epoch, index, opened.sample), opened.parts
        if self.crude_maps and epoch != CENTRE:
            hand = random_numbers(self.training.seed, 10, epoch, index)
            if hand.random() < self.crude_maps:
                parts = [(condition, condition.drawn_crudely(part, hand)) for condition, part in parts]
        tensors = {}
        if opened.picture is not None:
            tensors["image"] = from_pixels(crop.of_picture(opened.picture))[0]
        for condition, part in parts:
            order = random_numbers(self.training.seed, 7, epoch, index)
            cut = condition.cut if self.as_tokens else condition.cut_for_aligned
            tensors[condition.name] = cut(part, crop, opened.whole, order)
        return tensors

    @staticmethod
    def _extent(sample: dict[str, Any]) -> tuple[int, int]:
        """(height, width) of a picture of which only keypoints or classes are read."""
        if "image" not in sample:
            raise ValueError("nothing says how large its picture is")
        picture = _picture(sample["image"])
        return picture.height, picture.width

    def _crop(self, whole: tuple[int, int], epoch: int, index: int, sample: dict[str, Any]) -> Crop:
        training = self.training
        sides = training.short_sides if training.scale_down else None
        if epoch == CENTRE:
            return centre_crop(whole, training.crop, sides, scale_up=training.scale_up)
        generator = random_numbers(training.seed, 1, epoch, index)
        around = self._someone(sample, whole, epoch, index) if training.people_share else None
        return random_crop(generator, whole, training.crop, sides, training.flip, around, scale_up=training.scale_up)

    def _someone(
        self, sample: dict[str, Any], whole: tuple[int, int], epoch: int, index: int
    ) -> tuple[float, float] | None:
        """(row, column) of a joint that the crop is cut around, for the share of samples that are cut so."""
        near_someone, which = random_numbers(self.training.seed, 6, epoch, index).random(2)
        readers: dict[str, Any] = {condition.name: condition for condition in (KeypointsCondition(), *self.conditions)}
        people = readers[KeypointsCondition.name]
        points = people.joints(people.read_sample(sample), whole)
        if near_someone >= self.training.people_share or not len(points):
            return None
        column, row = points[int(which * len(points))]
        return row, column


def _read(condition: Condition, sample: dict[str, Any]) -> Any:
    """What a sample has of a condition; advice to pass an option says where it is passed here."""
    try:
        return condition.read_sample(sample)
    except (ValueError, TypeError) as error:
        if not any(f"{option}=" in str(error) for option in condition.option_names):
            raise
        message = f"{error} In training such options are given to the condition: condition.reading(…)."
        raise type(error)(message) from error


def _picture(value: Any) -> Image.Image:
    picture = (
        open_picture(value, "image") if isinstance(value, str | Path | Image.Image) else to_pil(from_pixels(value))[0]
    )
    # other modes are converted, or refused, as a pipeline does
    return picture if picture.mode == "RGB" else to_pil(from_pixels(picture))[0]


def _short(error: Exception) -> str:
    if isinstance(error, DataError):
        return error.problems[0]
    return f"has no {error.args[0]}" if isinstance(error, KeyError) else str(error)


def open_samples(
    data: Any,
    validation: Any,
    training: Training,
    conditions: Sequence[Condition],
    *,
    kinds: Sequence[str],
    checked: bool,
    **options: Any,
) -> tuple[Samples, Samples | None]:
    """The samples of a run: what is trained on, and what is held out.

    Args:
        data: as for :func:`open_data`.
        validation: of the same form; ``None``: a share of ``data`` is set aside.
        training: the recipe.
        conditions: that are read beside the picture.
        kinds: what each sample must have.
        checked: read every sample once.
        **options: of :class:`Samples`.

    Raises:
        DataError: that names each file that cannot be used, and why.
    """
    parts = []
    for some in (data,) if validation is None else (data, validation):
        samples = Samples(open_data(some, kinds, on_bad=training.on_bad), training, tuple(conditions), **options)
        # what is skipped is skipped before samples are set aside, in a resumed run as in the first
        parts.append(check(samples) if checked or training.on_bad == "skip" else samples)
    if validation is not None:
        return parts[0], parts[1]
    count = len(parts[0])
    share = min(training.validation_share, training.validation_samples / max(1, count))
    source, held_out = split(parts[0].source, share)
    return replace(parts[0], source=source), None if held_out is None else replace(parts[0], source=held_out)


def check(samples: Samples) -> Samples:
    """Reads every sample once, and says once what the readers warn of.

    Returns:
        the samples, with ``on_bad="skip"`` those that can be used.

    Raises:
        DataError: that names each file that cannot be used, and why.
    """

    def read(index: int) -> tuple[str | None, list[Notice]]:
        with collect_notices() as notices:
            try:
                samples.read(CENTRE, index)
            except DataError as error:
                return error.problems[0], notices
        return None, notices

    with ThreadPoolExecutor(8) as pool:  # decoders of pictures release the interpreter
        results = list(pool.map(read, range(len(samples))))
    problems = {index: problem for index, (problem, _) in enumerate(results) if problem is not None}
    if problems and (samples.training.on_bad == "error" or len(problems) == len(samples)):
        raise DataError(f"{len(problems)} of {len(samples)} samples cannot be used:", [*problems.values()])
    _say_once(
        [(samples.source.names[index], notice) for index, (_, notices) in enumerate(results) for notice in notices]
    )
    reasons = {index: problem.partition(": ")[2] for index, problem in problems.items()}
    return replace(samples, source=samples.source.without(reasons)) if problems else samples


def _say_once(said: Sequence[tuple[str, Notice]]) -> None:
    """Warns of each kind of thing once, with the first sample and the number of others."""
    by_kind: dict[str, dict[str, Notice]] = {}
    for name, notice in said:
        by_kind.setdefault(notice.kind, {}).setdefault(name, notice)
    for kind, notices in by_kind.items():
        name, first = next(iter(notices.items()))
        more = f" So it is with {len(notices) - 1:,} more samples." if len(notices) > 1 else ""
        warn(f"{name}: {first.message}{more}", kind)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return random_numbers(seed, 0, epoch).permutation(count)


@dataclass(frozen=True)
class Batches:
    """Which samples belong to which update: one after another through shuffled epochs, nothing dropped.

    An update takes ``parts * processes * batch_size`` samples; each process takes its consecutive share of each part.

    Attributes:
        count: of samples.
        seed: of the shuffles.
        batch_size: samples of a part on a process.
        parts: of an update (gradient accumulation).
        processes: in all.
        process: this one's number.
        start: the first update.
        stop: the update after the last.
        seen: samples that the updates before took; ``None``: as many as these processes would have taken.
    """

    count: int
    seed: int
    batch_size: int
    parts: int = 1
    processes: int = 1
    process: int = 0
    start: int = 0
    stop: int = 1
    seen: int | None = None

    def __len__(self) -> int:
        return max(0, self.stop - self.start) * self.parts

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        part_size = self.processes * self.batch_size
        seen = self.start * self.parts * part_size if self.seen is None else self.seen
        for part in range(len(self)):
            first = seen + part * part_size + self.process * self.batch_size
            yield [self.place(position) for position in range(first, first + self.batch_size)]

    def place(self, position: int) -> tuple[int, int]:
        """(epoch, sample) of a position in the endless sequence of epochs."""
        epoch, within = divmod(position, self.count)
        return epoch, int(_order(self.seed, epoch, self.count)[within])


def stack(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Samples to a batch."""
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


def loader(
    samples: Dataset[Any],
    batches: Sequence[Any] | Batches,
    workers: int,
    collate: Callable[[list[Any]], Any] = stack,
) -> DataLoader[Any]:
    """Batches of samples as stacked tensors (or what ``collate`` makes of them), read ahead by worker processes if there are any."""
    options: dict[str, Any] = {"multiprocessing_context": "spawn"} if workers else {}
    options |= {"worker_init_fn": ignore_stop_signals} if workers else {}
    return DataLoader(samples, batch_sampler=batches, num_workers=workers, collate_fn=collate, **options)

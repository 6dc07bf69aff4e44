"""How far pictures follow their conditions, as somebody sees who reads the condition back from the picture."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import torch
from PIL import Image

from ..conditions import Condition
from ..conditions.label_spaces import LabelSpace
from ..contact_sheet import contact_sheet
from ..errors import nearest_name
from ..pipeline.pipeline import ImageSynthesisPipeline
from .agreement import Agreement
from .agreements import ReaderOptions
from .conditions_in_turn import ConditionsInTurn, conditions_in_turn, open_condition_data
from .passes import Processes, go_through
from .picture_set import PictureSet, open_pictures
from .result import FaithfulnessResult, ranked
from .sample_folder import RECORD, generate_samples
from .tally import Tally

__all__ = ["evaluate_faithfulness"]


def evaluate_faithfulness(
    generated: Any,
    data: Any = None,
    *,
    reader: str | Callable[[Image.Image], Any],
    condition: str | Condition | None = None,
    kinds: Sequence[str] | None = None,
    reader_labels: LabelSpace | str | Sequence[str] | None = None,
    reader_near: Literal["large", "small"] = "large",
    count: int | None = None,
    seed: int = 0,
    batch_size: int = 8,
    device: str | torch.device | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
    **arguments: Any,
) -> FaithfulnessResult:
    """Measures how far pictures follow their conditions.

    A reader looks at each picture, and what it sees is compared with what was asked for: labels by mIoU and accuracy,
    depth by rank correlation and RMSE, keypoints by PCK, a class by accuracy. No reader is perfect: pass the photographs
    themselves as ``generated`` to learn what a perfect generator would get.

    Args:
        generated: a pipeline, which paints a picture of each condition first; or pictures that are there already, of any
            program: a folder whose files are named as the conditions', or one of :func:`.generate_samples`.
        data: the conditions: a folder or data set with `segmentations/`, `depths/`, `keypoints.json` or classes. A
            pipeline may get lists by name instead, e.g. ``class_label=range(1000)``.
        reader: any function from an RGB picture (PIL) to what is in it, in any form that the condition takes; or the id or
            folder of a transformers model (extra ``readers``).
        condition: what is compared: the name of one of the pipeline's conditions, its only one by default; for pictures
            that are there already a condition, which reads the maps, e.g. ``SegmentationCondition(label_space="ade20k-150")``.
        kinds: the conditions that a pipeline paints from, all read from the data; by default the one that is compared.
        reader_labels: what the reader's numbers mean, where they are not the condition's own labels: a label space, its
            name, or names in their order. Maps are translated by name.
        reader_near: for depth, whether the reader gives near places "large" or "small" numbers.
        count: of pictures; by default one for each condition.
        seed: of the first picture.
        batch_size: pictures at once. Under ``accelerate launch`` batches are shared among the processes; the numbers stay
            the same.
        device: where a transformers model runs; by default a GPU if there is one, each process its own.
        folder: pictures that are painted and what was measured so far are kept in it, so that a call that was stopped goes
            on; the result is saved there, the confusion matrix of labels with it.
        progress: show a bar.
        **arguments: for a pipeline's call: conditions as lists, ``size``, options (``palette``, ``label_space``,
            ``invalid``, …), settings of the sampler. For pictures that are there already: options of the condition.

    Returns:
        the result; its sheet shows what was asked for, the picture, and what was read, worst and best.

    Raises:
        ValueError: where it is not clear what is compared, or pictures and conditions do not go in pairs.
        ImportError: without the extra that a transformers model needs.
        TypeError: as for a call of the pipeline.
    """
    start = time.monotonic()
    told = ReaderOptions(reader, reader_labels, reader_near, device)
    with _working_folder(folder) as work:
        if isinstance(generated, ImageSynthesisPipeline):
            comparison = _painted(
                generated, told, condition, work / "samples", data=data, kinds=kinds, count=count, seed=seed,
                batch_size=batch_size, progress=progress, arguments=arguments,
            )  # fmt: skip
        else:
            comparison = _given(generated, told, condition, data, count, arguments)
        identity = [comparison.pictures.fingerprint, comparison.conditions.fingerprint, repr(arguments), batch_size]
        tally = go_through(
            len(comparison.pairs), batch_size, comparison, title="faithfulness", progress=progress,
            identity=json.dumps([*identity, comparison.agreement.reader.title]),
            folder=None if folder is None else work / "progress",
        )  # fmt: skip
        result = comparison.result(tally, {"seed": seed, "batch_size": batch_size}, start)
        if folder is not None and Processes.here().first:
            result.save(work)
        return result


@dataclass(frozen=True)
class _Comparison:
    """Pictures and what they were asked to show; measures a chunk of pairs.

    Attributes:
        agreement: how a reading is compared.
        pictures: that are read.
        conditions: that they were painted from.
        pairs: (picture, condition) by their indices.
        title: of the pictures.
        weights: of the models that painted them, as far as they are known.
    """

    agreement: Agreement[Any]
    pictures: PictureSet
    conditions: ConditionsInTurn
    pairs: Sequence[tuple[int, int]]
    title: str
    weights: Mapping[str, str]

    def __call__(self, chunk: range) -> Tally:
        tally = Tally()
        for index in chunk:
            target, reading, size, _ = self._read(index)
            tally.keep("score", index, self.agreement.compare(tally, index, target, reading, size))
        return tally

    def _read(self, index: int) -> tuple[Any, Any, tuple[int, int], Image.Image]:
        """Target, reading, size and picture of a pair."""
        picture_index, condition_index = self.pairs[index]
        picture = Image.fromarray(self.pictures[picture_index])
        size = (picture.height, picture.width)
        value = self.conditions[condition_index][self.agreement.kind]
        return self.agreement.target(value, size), self.agreement.reader.read(picture), size, picture

    def result(self, tally: Tally, settings: Mapping[str, Any], start: float) -> FaithfulnessResult:
        """The numbers, with all that they depend on."""
        scores, reader = tally.kept("score"), self.agreement.reader
        names = [self.conditions.names[index % len(self.conditions)] for _, index in self.pairs]
        worst, best = ranked(names, scores)
        rows = []
        for index in [*worst, *best]:
            target, reading, size, picture = self._read(index)
            asked, seen = self.agreement.show(target, reading, size)
            rows.append([asked, picture, seen])
        labels, confusion = self.agreement.table(tally)
        return FaithfulnessResult(
            numbers=self.agreement.numbers(tally),
            samples=len(self.pairs),
            size=None,
            resize="readings are scaled to their picture",
            measured=self.title,
            measured_hash=self.pictures.fingerprint,
            reference=f"{self.agreement.kind} of {len(self.conditions):,} conditions",
            reference_hash=self.conditions.fingerprint,
            weights={**self.weights, **({} if reader.digest is None else {reader.title: reader.digest})},
            settings={"reader": reader.title, **settings},
            notes=tuple(self.agreement.notes(tally)),
            worst=tuple((names[index], float(scores[index])) for index in worst),
            best=tuple((names[index], float(scores[index])) for index in best),
            sheet=contact_sheet(rows, ["asked for", f"worst {len(worst)}, best {len(best)}", "read"]),
            labels=labels,
            confusion=confusion,
            seconds=time.monotonic() - start,
        )


def _painted(
    pipe: ImageSynthesisPipeline,
    told: ReaderOptions,
    condition: str | Condition | None,
    folder: Path,
    *,
    data: Any,
    kinds: Sequence[str] | None,
    arguments: Mapping[str, Any],
    **options: Any,
) -> _Comparison:
    """Paints the pictures first."""
    given = [part for part in pipe.conditions if arguments.get(part.name) is not None]
    open_parts = given or [part for part in pipe.conditions if part.needs_input]
    if isinstance(condition, str):
        open_parts = [pipe.condition(condition)]
    elif condition is not None:
        raise ValueError(f"a pipeline has conditions of its own: name one, condition={condition.name!r}.")
    if len(open_parts) != 1:
        names = ", ".join(part.name for part in open_parts)
        raise ValueError(f"say with condition= which is compared: {names or 'this pipeline paints from nothing'}.")
    agreement = told.agreement(open_parts[0], arguments)
    painted_from = (open_parts[0].name,) if kinds is None else tuple(kinds)
    conditions, _ = conditions_in_turn(pipe, data, painted_from, arguments)
    generate_samples(pipe, folder, data=data, kinds=painted_from, **options, **arguments)
    pictures = open_pictures(folder)
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    pairs = [(index, index) for index in range(len(pictures))]
    return _Comparison(agreement, pictures, conditions, pairs, "pictures painted for this", record["weights"])


def _given(
    generated: Any,
    told: ReaderOptions,
    condition: str | Condition | None,
    data: Any,
    count: int | None,
    arguments: Mapping[str, Any],
) -> _Comparison:
    """Pictures that are there already, of any program."""
    if not isinstance(condition, Condition):
        raise ValueError(
            "pictures that are there already need condition=, a condition that reads what they were painted from, e.g. "
            "SegmentationCondition(label_space='ade20k-150')."
        )
    strange = sorted(arguments.keys() - set(condition.option_names))
    if strange:
        near = nearest_name(strange[0], condition.option_names)
        raise TypeError(f"{condition.name} has no option {strange[0]!r}.{near}")
    agreement = told.agreement(condition, arguments)
    source = open_condition_data(data, (condition.name,))
    conditions = ConditionsInTurn((condition.name,), source.names, source.fingerprint(), {}, source, (condition,))
    pictures = open_pictures(generated)
    return _Comparison(
        agreement, pictures, conditions, _pairs(pictures, conditions, generated)[:count], pictures.title, {}
    )


def _pairs(pictures: PictureSet, conditions: ConditionsInTurn, generated: Any) -> list[tuple[int, int]]:
    """Which picture belongs to which condition: by their names without ending; samples of ours by their number.

    Raises:
        ValueError: for conditions without a picture.
    """
    if isinstance(generated, str | Path) and (Path(generated).expanduser() / RECORD).is_file():
        return [(index, index) for index in range(len(pictures))]
    places = {_stem(name): index for index, name in enumerate(pictures.names)}
    missing = [name for name in conditions.names if _stem(name) not in places]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(conditions)} conditions have no picture in {pictures.title}, e.g. {missing[0]!r}: name "
            "pictures as the maps they were painted from."
        )
    return [(places[_stem(name)], index) for index, name in enumerate(conditions.names)]


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


@contextmanager
def _working_folder(folder: str | Path | None) -> Iterator[Path]:
    """The folder that is named; or one that all processes share and that is gone afterwards."""
    if folder is not None:
        yield Path(folder).expanduser()
        return
    processes = Processes.here()
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(processes.gather(temporary)[0])
        processes.wait()

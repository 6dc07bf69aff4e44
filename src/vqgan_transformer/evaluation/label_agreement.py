"""Label maps against what a segmenter sees: intersection over union, from one confusion matrix over all pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..conditions import SegmentationCondition
from ..conditions.label_maps import read_label_maps
from ..conditions.label_spaces import LabelSpace, label_space, translate
from .agreement import Agreement
from .map_reader import MapReader, segmenter
from .tally import Tally

__all__ = ["LabelAgreement", "confusion_matrix", "segmentation_scores"]

LEFT_OUT = -1
"""In a target, pixels that nobody labelled, or whose label the reader does not have."""


class LabelAgreement(Agreement[SegmentationCondition]):
    """mIoU, pixel accuracy and their relatives.

    Maps are compared in the reader's labels: those of a map are translated by name, as a pipeline does it. Pixels that
    nobody labelled are left out, and so are those whose label the reader cannot name; the notes say how many.
    """

    kind: ClassVar[str] = SegmentationCondition.name

    def __init__(self, condition: SegmentationCondition, options: Mapping[str, Any], reader: MapReader) -> None:
        super().__init__(condition, options, reader)
        self.labels: LabelSpace = reader.labels if reader.labels is not None else condition.space
        self.translation = translate(condition.space, self.labels)

    @classmethod
    def model_reader(cls, model: str, device: torch.device) -> MapReader:
        """A model for semantic segmentation."""
        return segmenter(model, device)

    def target(self, value: Any, size: tuple[int, int]) -> Tensor:
        """Ids of the condition's labels, int64 (height, width), unlabelled pixels as -1."""
        given = self.options.get("label_space", self.condition.options.get("label_space"))
        source = self.condition.space if given is None else label_space(given)
        told = {**self.condition.options, **self.options}
        labels = self.condition.parse(value, **{**self.options, "unlabelled": told.get("unlabelled", source.unknown)})
        resized = self.condition.resize(labels, size)[0]
        unknown = self.condition.space.unknown
        return resized if unknown is None else resized.masked_fill(resized == unknown, LEFT_OUT)

    def compare(self, tally: Tally, index: int, target: Tensor, reading: Any, size: tuple[int, int]) -> float:
        """Adds to the confusion matrix; the picture's score is its pixel accuracy."""
        table = torch.full((len(self.condition.space) + 1,), LEFT_OUT)  # the last place is that of -1
        for label, readers in self.translation.table.items():
            table[label] = readers
        asked = table[target]
        seen = self.seen(reading, size)
        matrix = confusion_matrix(asked, seen, len(self.labels))
        tally.add("confusion", matrix.double())
        tally.add("left out", torch.tensor([(target < 0).sum(), ((target >= 0) & (asked < 0)).sum(), target.numel()]))
        return float(matrix.diagonal().sum() / matrix.sum()) if matrix.sum() else 0.0

    def seen(self, reading: Any, size: tuple[int, int]) -> Tensor:
        """A reading as ids of the reader's labels, int64 (height, width).

        Raises:
            ValueError: for ids that are none.
        """
        labels = torch.from_numpy(read_label_maps(reading, as_colours=False)[0].astype(np.int64))
        highest = int(labels.max())
        if highest >= len(self.labels):
            raise ValueError(
                f"the reader {self.reader.title} gave the label {highest}, but {self.labels.title} has 0–{len(self.labels) - 1}: "
                "say with reader_labels= what its numbers mean."
            )
        return self.condition.resize(labels, size)[0]

    def numbers(self, tally: Tally) -> dict[str, float]:
        """Of :func:`segmentation_scores`."""
        return segmentation_scores(tally.total("confusion").numpy())

    def table(self, tally: Tally) -> tuple[tuple[str, ...], np.ndarray]:
        """int64 (labels, labels): pixels asked for as the row's label and read as the column's."""
        return self.labels.names, tally.total("confusion").long().numpy()

    def notes(self, tally: Tally) -> list[str]:
        """How much was left out, and why."""
        unlabelled, unnamed, total = tally.total("left out").tolist()
        notes = []
        if unlabelled:
            notes.append(f"{unlabelled / total:.2%} of the pixels are unlabelled and left out.")
        if unnamed:
            missing = ", ".join(self.translation.missing[:8]) + (" …" if len(self.translation.missing) > 8 else "")
            notes.append(
                f"{unnamed / total:.2%} of the pixels are left out, since {self.labels.title} lacks their labels ({missing})."
            )
        return notes

    def show(self, target: Tensor, reading: Any, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """Both in the condition's colours; what has no label of its own is black."""
        seen = self.seen(reading, size)
        back = torch.full((len(self.labels),), LEFT_OUT)
        for label, readers in sorted(self.translation.table.items(), reverse=True):
            back[readers] = label
        asked, read = self.condition.show(torch.stack((target, back[seen])))
        return asked, read


def confusion_matrix(target: Tensor, reading: Tensor, count: int) -> Tensor:
    """Pixels by what they are (rows) and what they are read as (columns): int64 (count, count).

    Args:
        target: int64 (H, W); pixels below 0 are left out.
        reading: int64 (H, W), 0 to count - 1.
        count: of labels.
    """
    known = target >= 0
    return torch.bincount(count * target[known] + reading[known], minlength=count * count).view(count, count)


def segmentation_scores(confusion: np.ndarray) -> dict[str, float]:
    """The usual numbers of a confusion matrix.

    Args:
        confusion: (labels, labels), rows being the truth.

    Returns:
        "miou": the mean of intersection over union of the labels that occur in either; "pixel_accuracy";
        "mean_accuracy": of the labels that occur in the truth; "frequency_weighted_iou"; "labels_seen": how many occur in
        the truth. NaN where nothing is known.
    """
    correct = np.diagonal(confusion).astype(np.float64)
    asked, read = confusion.sum(1).astype(np.float64), confusion.sum(0).astype(np.float64)
    union = asked + read - correct
    with np.errstate(invalid="ignore"):
        iou, accuracy = correct / union, correct / asked
    total = asked.sum()
    if not total:
        return dict.fromkeys(("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"), float("nan")) | {
            "labels_seen": 0.0
        }
    return {
        "miou": float(iou[union > 0].mean()),
        "pixel_accuracy": float(correct.sum() / total),
        "mean_accuracy": float(accuracy[asked > 0].mean()),
        "frequency_weighted_iou": float((asked * iou)[asked > 0].sum() / total),
        "labels_seen": float((asked > 0).sum()),
    }

"""SegmentationConfig: what a checkpoint knows of label maps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..vqgan.model import VQGANConfig
from .label_spaces import label_space as known_space

__all__ = ["SegmentationConfig"]


@dataclass(frozen=True)
class SegmentationConfig:
    """What a checkpoint knows of label maps.

    Args:
        labels: the names of the labels; the position of a name is the id that a user passes.
        palette: the colour of each label in colour pictures; ``None``: that of the known space, if it has one.
        label_space: the known space that the labels are, e.g. "coco-stuff-182".
        channels: for each label the channel of the VQGAN's one-hot input. Labels may share a channel: those that a
            small checkpoint was not trained on are drawn as another. ``None``: label k is channel k.
        trained_labels: names that the checkpoint was trained on; ``None``: all.
        unknown: the id that means unlabelled. ``None``: that of the known space.
        vqgan: the tokenizer of label maps; ``None`` for models that read maps directly.
        drawn: the colour of each label in the pictures that a GPT reads in place of labels, as ControlAR's does; what is
            unlabelled is black.

    Raises:
        ValueError: where the fields contradict each other.
    """

    labels: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] | None = None
    label_space: str | None = None
    channels: tuple[int, ...] | None = None
    trained_labels: tuple[str, ...] | None = None
    unknown: int | None = None
    vqgan: VQGANConfig | None = None
    drawn: tuple[tuple[int, int, int], ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        twice = [name for name, times in Counter(self.labels).items() if times > 1]
        if not count or twice:
            raise ValueError(f"labels holds {twice[0]!r} more than once." if twice else "labels is empty.")
        if self.palette is not None and len(self.palette) != count:
            raise ValueError(f"palette has {len(self.palette)} colours for {count} labels: give one for each.")
        if self.palette is not None and any(not 0 <= value <= 255 for colour in self.palette for value in colour):
            raise ValueError("the colours of a palette are three whole numbers from 0 to 255.")
        if self.label_space is not None and known_space(self.label_space).names != self.labels:
            raise ValueError(
                f"label_space={self.label_space!r} has other labels than the {count} given: leave one of the two out."
            )
        if self.drawn is not None and (len(self.drawn) != count or self.vqgan is not None):
            raise ValueError(f"drawn has a colour for each of the {count} labels, and goes without a VQGAN.")
        if self.channels is not None and len(self.channels) != count:
            raise ValueError(f"channels has {len(self.channels)} numbers for {count} labels: give one for each.")
        if self.channels is not None and min(self.channels) < 0:
            raise ValueError(f"channels must not be negative, got {min(self.channels)}.")
        if self.vqgan is not None:
            used, there = (count if self.channels is None else max(self.channels) + 1), self.vqgan.in_channels
            if used > there or (self.channels is None and used < there):
                raise ValueError(
                    f"the label VQGAN has {there} input channels, but {count} labels use {used}. Pass channels=, which "
                    "says for each label the channel that it is drawn with."
                )
        strange = sorted(set(self.trained_labels or ()) - set(self.labels))
        if strange:
            raise ValueError(f"trained_labels has {strange[0]!r}, which is none of the labels.")
        if self.unknown is not None and self.unknown < 0:
            raise ValueError(f"unknown must be a label id, got {self.unknown}.")

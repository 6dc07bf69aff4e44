"""Colours that stand for labels: which label each is, and what to do where that is not clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import nearest_name, warn
from .label_spaces import Colour, LabelSpace, label_space

__all__ = ["Palette", "paint_labels", "resolve_palette"]

PRESENT = 0.005
"""The share of pixels from which on a colour is one that somebody painted with, not one that compression made."""

MOST_LABELS = 1000
"""A picture of more colours is a photograph."""

_NAMED = {
    "ade20k": "ade20k-150",
    "cityscapes": "cityscapes-19",
    "voc": "voc-21",
    **{name: name for name in ("ade20k-150", "ade20k-151", "cityscapes-19", "cityscapes-34", "voc-21")},
}


@dataclass(frozen=True)
class Palette:
    """Colours and the labels they stand for.

    Attributes:
        title: what it is called in messages.
        space: whose ids the labels are.
        entries: colour and label id. Where a colour comes twice the first counts, see :meth:`read`.
    """

    title: str
    space: LabelSpace
    entries: tuple[tuple[Colour, int], ...]

    def read(self, colours: np.ndarray, *, nearest_colour: bool = False) -> np.ndarray:
        """Labels of colour pictures.

        A colour that two labels share is read as the first of them, with a warning that counts the pixels: in the
        palette of ADE20K road (6) and skyscraper (48) are both (140, 140, 140), which is read as road.

        Args:
            colours: uint8 `(..., 3)`.
            nearest_colour: read a colour that is not in the palette as the nearest one (Euclidean in RGB) among those that
                are in the picture, with a warning that gives the share of such pixels, instead of refusing it. What JPEG
                or smooth resizing makes along an edge lies between the colours on both sides, and near to others.

        Returns:
            int64 `(...)`, ids of :attr:`space`.

        Raises:
            ValueError: for colours that are not in the palette, with their share and the most common of them.
        """
        codes = _packed(colours)
        # np.unique sorts, and of equal colours it gives the first
        keys, first = np.unique(_packed(np.array([colour for colour, _ in self.entries])), return_index=True)
        ids = np.array([label for _, label in self.entries], dtype=np.int64)
        places = np.searchsorted(keys, codes).clip(max=len(keys) - 1)
        labels = ids[first][places]
        strange = keys[places] != codes
        if strange.any():
            others, inverse, counts = np.unique(codes[strange], return_inverse=True, return_counts=True)
            if not nearest_colour:
                raise ValueError(self._refusal(others, counts, codes.size))
            labels[strange] = self._nearest(others, codes)[inverse]
            warn(
                f"{counts.sum() / codes.size:.2%} of the pixels have colours that are not in {self.title}; they are "
                "read as the nearest of its colours that are in the picture."
            )
        self._warn_of_shared(codes)
        result: np.ndarray = labels
        return result

    def _warn_of_shared(self, codes: np.ndarray) -> None:
        meanings: dict[Colour, list[str]] = {}
        for colour, label in self.entries:
            meanings.setdefault(colour, []).append(self.space.describe(label))
        for colour, (first, *others) in meanings.items():
            count = int(np.count_nonzero(codes == _packed(np.array(colour)))) if others else 0
            if count:
                warn(
                    f"{count} pixels ({count / codes.size:.2%}) have the colour {colour}, which {self.title} gives to "
                    f"{first} and to {', '.join(others)}; they are read as {first}. Pass ids to tell them apart.",
                    f"shared colour {colour}",
                )

    def _nearest(self, codes: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """The labels of colours; ``picture`` has the colours of all pixels."""
        entries = np.array([colour for colour, _ in self.entries], dtype=np.int32)
        ids = np.array([label for _, label in self.entries], dtype=np.int64)
        absent = ~self._present(picture)
        nearest = []
        for start in range(0, len(codes), 2**14):  # a photograph has more colours than distances fit in memory
            part = np.array([_unpacked(code) for code in codes[start : start + 2**14]], dtype=np.int32)
            distances = ((part[:, None] - entries) ** 2).sum(axis=-1)
            # a difference of one, which conversions make, is no other colour
            nearest.append(ids[np.where((distances > 3) & absent, np.inf, distances).argmin(axis=1)])
        return np.concatenate(nearest)

    def _present(self, picture: np.ndarray) -> np.ndarray:
        """The entries whose very colour a good part of the pixels has, bool (N,); all, if no colour of them is there."""
        codes, counts = np.unique(picture, return_counts=True)
        codes_of_entries = _packed(np.array([colour for colour, _ in self.entries]))
        present = np.isin(codes_of_entries, codes[counts >= PRESENT * picture.size])
        return present if present.any() else np.ones_like(present)

    def _refusal(self, others: np.ndarray, counts: np.ndarray, total: int) -> str:
        common = np.argsort(-counts, kind="stable")[:3]
        examples = ", ".join(f"{_unpacked(others[k])} ({counts[k] / total:.2%})" for k in common)
        return (
            f"{counts.sum() / total:.2%} of the pixels of segmentation have colours that are not in {self.title}: "
            f"{len(others)} colours, the most common of them {examples}. {_advice(others, counts, total)}"
        )


def resolve_palette(palette: Any, target: LabelSpace, space: LabelSpace | None, colours: np.ndarray) -> Palette:
    """What a user means by `palette=`.

    Args:
        palette: ``None`` (the palette of `space` or, without one, the checkpoint's own), the name "ade20k", a
            dictionary from colours to labels or from labels to colours, or a list of colours in the order of ids.
        target: the checkpoint's labels.
        space: the label space that the user named; the labels of a dictionary or list are this space's, or the
            checkpoint's without one.
        colours: uint8 (..., 3), of the picture, for advice.

    Raises:
        ValueError: for an unknown name, a colour or label that is none, a colour given twice, and where there is no
            palette to read colours with.
        TypeError: for another type.
    """
    if isinstance(palette, str):
        return _named(palette, space)
    labels = space if space is not None else target
    if palette is None:
        if labels.palette is None:
            others, counts = np.unique(_packed(colours), return_counts=True)
            advice = _advice(others, counts, counts.sum())
            raise ValueError(
                f"segmentation is a colour picture, and the labels of {labels.title} have no colours. {advice} Or say what its "
                "colours mean: palette={(r, g, b): 'label name', …}; or pass ids instead."
            )
        return Palette(f"the palette of {labels.title}", labels, _with_unlabelled(labels))
    pairs = _pairs(palette, labels)
    named = [colour for colour, _ in pairs]
    twice = sorted({colour for colour in named if named.count(colour) > 1})
    if twice:
        raise ValueError(f"palette gives the colour {twice[0]} to several labels; each colour can mean only one.")
    return Palette("the palette given", labels, tuple(pairs))


def paint_labels(labels: np.ndarray, palette: Sequence[Colour]) -> np.ndarray:
    """Pictures of label maps: ids `(...)` -> uint8 `(..., 3)`, the colour of id k being `palette[k]`.

    Raises:
        ValueError: for an id without a colour.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(palette):
        raise ValueError(f"labels run from {low} to {high}, but the palette has colours for 0–{len(palette) - 1}.")
    result: np.ndarray = np.array(palette, dtype=np.uint8)[labels]
    return result


def _advice(others: np.ndarray, counts: np.ndarray, total: int) -> str:
    """What to do about colours that nothing is known of, by what they look like.

    Args:
        others: the colours, packed.
        counts: how many pixels have each.
        total: all pixels.
    """
    for name, title in _NAMED.items():
        known = np.isin(others, _packed(np.array([*(label_space(title).palette or ()), (0, 0, 0)])))
        if counts[known].sum() > 0.95 * total:
            return f"They are colours of {title}: pass palette={name!r}."
    channels = np.array([_unpacked(code) for code in others[np.argsort(-counts, kind="stable")[:MOST_LABELS]]])
    if (channels == channels[:, :1]).all():
        return "All of them are gray: if the gray values are ids, pass the picture with one channel, convert('L')."
    if len(others) > MOST_LABELS and counts.sum() > 0.5 * total:
        return "It looks like a photograph, not like a map of labels."
    return (
        "JPEG files and maps that were resized smoothly have such colours: save maps as PNG and resize them with nearest "
        "neighbour, or pass nearest_colour=True. Or they belong to another palette: pass palette={(r, g, b): 'label name', …}."
    )


def _named(name: str, space: LabelSpace | None) -> Palette:
    if name.startswith(("coco", "stuff")):
        raise ValueError(
            f"palette={name!r}: the palette in use for COCO-Stuff gives one colour to several labels (to person and "
            "bicycle, for one), so its colours cannot be read back. Pass the ids instead, e.g. the original PNG files."
        )
    if name not in _NAMED:
        known_names = ", ".join(map(repr, _NAMED))
        raise ValueError(f"there is no palette {name!r}; known are {known_names}.{nearest_name(name, _NAMED)}")
    known = label_space(_NAMED[name])
    if space is not None and space.title.partition("-")[0] != known.title.partition("-")[0]:
        raise ValueError(f"palette={name!r} and label_space={space.title!r} contradict each other: leave one out.")
    return Palette(f"the palette {name!r}", known, _with_unlabelled(known))


def _with_unlabelled(space: LabelSpace) -> tuple[tuple[Colour, int], ...]:
    """The colours of a space; black is added for unlabelled pixels if it has an id but no colour for them."""
    palette = space.palette or ()
    entries = [(colour, label) for label, colour in enumerate(palette)]
    if space.unknown is not None and space.unknown >= len(space) and (0, 0, 0) not in palette:
        entries.append(((0, 0, 0), space.unknown))
    return tuple(entries)


def _pairs(palette: Any, labels: LabelSpace) -> list[tuple[Colour, int]]:
    if isinstance(palette, np.ndarray):
        palette = palette.tolist()
    if not isinstance(palette, Mapping | Sequence):
        raise TypeError(
            "palette is the name 'ade20k', a dictionary {(r, g, b): label}, or a list of colours in the order of ids; "
            f"got {type(palette).__name__}."
        )
    if not palette:
        raise ValueError("palette is empty: give at least one colour and its label.")
    if not isinstance(palette, Mapping):
        return [(_colour(colour), label) for label, colour in enumerate(palette)]
    by_colour = {isinstance(key, tuple) for key in palette}
    if len(by_colour) > 1:
        raise TypeError("palette mixes colours and labels as keys: use {(r, g, b): label} or {label: (r, g, b)}.")
    pairs = palette.items() if by_colour == {True} else [(colour, label) for label, colour in palette.items()]
    return [(_colour(colour), labels.id_of(label)) for colour, label in pairs]


def _colour(value: Any) -> Colour:
    try:
        red, green, blue = (channel.__index__() for channel in value)
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"a colour of a palette is three whole numbers from 0 to 255, got {value!r}.") from None
    if not all(0 <= channel <= 255 for channel in (red, green, blue)):
        raise ValueError(f"a colour of a palette is three whole numbers from 0 to 255, got {value!r}.")
    return red, green, blue


def _packed(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) as one number each."""
    red, green, blue = (colours[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def _unpacked(code: Any) -> Colour:
    return int(code) >> 16, (int(code) >> 8) & 255, int(code) & 255

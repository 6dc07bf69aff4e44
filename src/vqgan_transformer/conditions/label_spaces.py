"""Named lists of labels, and how the ids of one are read as those of another.

The same number means another thing in every data set, and sometimes in two files of one data set. A label map is
therefore never read without a label space, and a translation says what it merged, guessed or could not find.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..errors import nearest_name

__all__ = [
    "LABEL_SPACES",
    "Colour",
    "LabelSpace",
    "LabelTranslation",
    "count_labels",
    "label_space",
    "space_of_size",
    "translate",
]

Colour = tuple[int, int, int]

_SUFFIX = re.compile(r"([-_ ](other|stuff|merged))+$")


@dataclass(frozen=True)
class LabelSpace:
    """What the numbers of a label map mean.

    Attributes:
        names: the name of each label; its position is its id.
        title: what messages call the space.
        unknown: the id of pixels that nobody labelled; it may lie outside of the names, e.g. 255.
        palette: the colour of each label in colour pictures.
        synonyms: for each label its other names; empty if there are none at all.
        unused: names that are in the list but not in its data; by name, other labels are found before them.
        nearest: for names of this space the nearest name in spaces that do not have them.
    """

    names: tuple[str, ...]
    title: str = "the label space given"
    unknown: int | None = None
    palette: tuple[Colour, ...] | None = None
    synonyms: tuple[tuple[str, ...], ...] = ()
    unused: frozenset[str] = frozenset()
    nearest: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def id_of(self, label: str | int) -> int:
        """The id of a label by its name, exactly or up to spelling (see :func:`translate`); of an id the id itself.

        Raises:
            ValueError: for a name that is not there, with the nearest one; for a negative id.
            TypeError: for anything but a name or a whole number.
        """
        if isinstance(label, str):
            if label in self.names:
                return self.names.index(label)
            spellings = self.ids_by_spelling()
            for name in (label, *label.split(",")):
                if _spelling(name) in spellings:
                    return spellings[_spelling(name)]
            raise ValueError(f"{self.title} has no label {label!r}.{nearest_name(label, self.names)}")
        if isinstance(label, bool) or not hasattr(label, "__index__"):
            raise TypeError(f"a label is given by its name or its id, got {label!r}.")
        if label.__index__() < 0:
            raise ValueError(f"label ids are not negative, got {label}.")
        return label.__index__()

    def all_names(self, label: int) -> tuple[str, ...]:
        """The name of a label, those that it lists behind commas, and its synonyms."""
        name = self.names[label]
        listed = tuple(part.strip() for part in name.split(",")) if "," in name else ()
        return (name, *listed, *(self.synonyms[label] if self.synonyms else ()))

    def ids_by_spelling(self) -> dict[str, int]:
        """Ids by the spelling of all names: labels in use before others, a label's name before another's synonym."""
        ranked = [
            (self.names[label] in self.unused, rank, label, _spelling(name))
            for label in range(len(self))
            for rank, name in enumerate(self.all_names(label))
        ]
        # from the last choice to the first, so that the first is what stays
        return {spelling: label for _, _, label, spelling in sorted(ranked, reverse=True)}

    def describe(self, label: int) -> str:
        """A label for messages: "'sky-other' (156)", "unlabelled (255)", or outside of the names the id alone."""
        if label == self.unknown:
            return f"unlabelled ({label})"
        return f"{self.names[label]!r} ({label})" if label < len(self) else str(label)


@dataclass(frozen=True)
class LabelTranslation:
    """How the labels of one space are read in another.

    Attributes:
        source: the space of the ids that come in.
        target: the space of the ids that go out.
        table: source id -> target id; an id without a counterpart is absent.
        merged: target name -> the source names that are all read as it, where the user did not ask for that.
        nearest: source name -> target name, where the two are not the same thing but the closest there is.
        missing: source names without a counterpart.
    """

    source: LabelSpace
    target: LabelSpace
    table: Mapping[int, int]
    merged: Mapping[str, tuple[str, ...]]
    nearest: Mapping[str, str]
    missing: tuple[str, ...]

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """Translates a map: integers of any shape -> int64 of that shape.

        Raises:
            ValueError: for ids without a counterpart.
        """
        present = list(count_labels(labels))
        absent = [label for label in present if label not in self.table]
        if absent:
            raise ValueError(f"labels without a counterpart: {', '.join(map(self.source.describe, absent))}.")
        targets = np.array([self.table[label] for label in present], dtype=np.int64)
        return targets[np.searchsorted(np.array(present, dtype=labels.dtype), labels)]


def translate(
    source: LabelSpace | str,
    target: LabelSpace | str,
    mapping: Mapping[str | int, str | int] | None = None,
) -> LabelTranslation:
    """How labels of `source` are read as labels of `target`.

    For each label the first of these that finds one:

    1. `mapping`;
    2. the same name, or the same up to spelling: case, spaces, hyphens and underscores do not matter, nor do the
       endings "-other", "-stuff" and "-merged";
    3. a table of nearest names (ADE20K to COCO-Stuff has one that is complete);
    4. synonyms: those that either space knows, and names that list several ("sofa, couch, lounge").

    Names that are listed but unused ("window" in COCO-Stuff, whose windows are "window-other") count only if nothing
    else is found. Unlabelled pixels stay unlabelled, if `target` has a label for them.

    Args:
        source: a space or its name, one of :data:`LABEL_SPACES`.
        target: the same.
        mapping: source label -> target label, by names or ids; source ids may be others than those of `source`.

    Raises:
        ValueError: for a name that is not there, with the nearest one; for a mapping to an id outside of `target`.
        TypeError: for labels that are neither names nor ids.
    """
    source, target = label_space(source), label_space(target)
    if mapping is not None and not isinstance(mapping, Mapping):
        raise TypeError(f"label_map is a dictionary {{label of the map: label to read it as}}, got {mapping!r}.")
    table: dict[int, int] = {}
    nearest: dict[str, str] = {}
    spellings = target.ids_by_spelling()
    for label, name in enumerate(source.names):
        if label == source.unknown:
            continue
        counterpart = label if source.names == target.names else _find(source, label, target, spellings)
        if counterpart is None or counterpart == target.unknown:
            continue
        table[label] = counterpart
        same = {spellings.get(_spelling(each)) for each in source.all_names(label)}
        if counterpart not in same and source.nearest.get(name) == target.names[counterpart]:
            nearest[name] = target.names[counterpart]
    if source.unknown is not None and target.unknown is not None and target.unknown < len(target):
        table[source.unknown] = target.unknown
    given = {source.id_of(key): _existing(target, value) for key, value in (mapping or {}).items()}
    merged = defaultdict(list)
    for label, counterpart in table.items():
        if label not in given and label < len(source):
            merged[target.names[counterpart]].append(source.names[label])
    table |= given
    named = [(label, name) for label, name in enumerate(source.names) if label != source.unknown]
    return LabelTranslation(
        source,
        target,
        table,
        merged={name: tuple(sources) for name, sources in merged.items() if len(sources) > 1},
        nearest={name: nearest[name] for label, name in named if name in nearest and label not in given},
        missing=tuple(name for label, name in named if label not in table),
    )


def label_space(space: LabelSpace | str | Sequence[str] | Mapping[int, str]) -> LabelSpace:
    """A label space by its name (one of :data:`LABEL_SPACES`), or of names; a space itself is returned as it is.

    Args:
        space: a name; or the labels' names in the order of their ids, or by id (``id2label`` of transformers).

    Raises:
        ValueError: for an unknown name, with those that may be meant, and for ids with gaps between them.
        TypeError: for anything else.
    """
    if isinstance(space, LabelSpace):
        return space
    if isinstance(space, Mapping | Sequence) and not isinstance(space, str):
        return _of_names(space)
    if not isinstance(space, str):
        raise TypeError(
            f"a label space is given by its name, one of {', '.join(LABEL_SPACES)}, or by the names of its labels; got "
            f"{space!r}."
        )
    beginning = [name for name in LABEL_SPACES if name.rpartition("-")[0] == space.casefold()]
    if len(beginning) == 1:
        space = beginning[0]
    if space not in LABEL_SPACES:
        several = [f"{name!r} ({what})" for name, what in LABEL_SPACES.items() if name.startswith(space.casefold())]
        near = f" Did you mean {' or '.join(several)}?" if several else nearest_name(space, LABEL_SPACES)
        raise ValueError(f"there is no label space {space!r}; known are {', '.join(LABEL_SPACES)}.{near}")
    makers = {"coco-stuff": _coco_stuff, "ade20k": _ade20k, "coco-panoptic": _coco_panoptic, "cityscapes": _cityscapes}
    return makers.get(space.rpartition("-")[0], _voc)(space)


def space_of_size(count: int) -> LabelSpace | None:
    """The known label space of so many labels, if there is one; the original's checkpoints have 182, 183 or 151."""
    return next((label_space(name) for name in _OF_THE_ORIGINAL if len(label_space(name)) == count), None)


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """The ids in a map of non-negative integers, in rising order, and how many pixels each has."""
    if int(labels.max()) < 2**16:
        counts = np.bincount(labels.ravel().astype(np.intp, copy=False))
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    ids, counts = np.unique(labels, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


LABEL_SPACES: dict[str, str] = {
    "coco-stuff-182": "COCO-Stuff as DeepLab numbers it, 0 = person to 181 = wood; 255 is unlabelled",
    "coco-stuff-183": "the same plus one, as in the original's COCO model: 0 is unlabelled, 1 = person to 182 = wood",
    "coco-stuff-171": "without the 11 labels that its data lacks, as in mmsegmentation: 0 to 170; 255 is unlabelled",
    "ade20k-150": "ADE20K as transformers and mmsegmentation give it, 0 = wall to 149 = flag; 255 is unlabelled",
    "ade20k-151": "ADE20K as its files and the original have it: 0 is unknown, 1 = wall to 150 = flag",
    "coco-panoptic-133": "COCO panoptic as transformers numbers it, 0 = person to 132 = rug-merged; 255 is unlabelled",
    "cityscapes-19": "Cityscapes' training ids, 0 = road to 18 = bicycle; 255 is unlabelled",
    "cityscapes-34": "Cityscapes as its files have it: 0 is unlabelled, 7 = road to 33 = bicycle",
    "voc-21": "Pascal VOC, 0 = background, 1 = aeroplane to 20 = tvmonitor; 255 is unlabelled",
}
"""The label spaces that are known by name, and what their ids are."""

_OF_THE_ORIGINAL = ("coco-stuff-182", "coco-stuff-183", "coco-stuff-171", "ade20k-150", "ade20k-151")


@cache
def _coco_stuff(title: str) -> LabelSpace:
    data = _read_table("coco_stuff.json")
    names, unused = tuple(data["names"]), frozenset(data["unused"])
    if title == "coco-stuff-183":
        return LabelSpace(("unlabeled", *names), title, unknown=0, unused=unused)
    if title == "coco-stuff-171":
        return LabelSpace(tuple(name for name in names if name not in unused), title, unknown=255)
    return LabelSpace(names, title, unknown=255, unused=unused)


@cache
def _ade20k(title: str) -> LabelSpace:
    labels = _read_table("ade20k.json")["labels"]
    names = tuple(label["names"][0] for label in labels)
    synonyms = tuple(tuple(label["names"][1:]) for label in labels)
    palette: tuple[Colour, ...] = tuple((r, g, b) for r, g, b in (label["colour"] for label in labels))
    nearest = _read_table("ade20k_to_coco_stuff.json")["nearest"]
    if title == "ade20k-151":
        names, synonyms, palette = ("unknown", *names), ((), *synonyms), ((0, 0, 0), *palette)
        return LabelSpace(names, title, unknown=0, palette=palette, synonyms=synonyms, nearest=nearest)
    return LabelSpace(names, title, unknown=255, palette=palette, synonyms=synonyms, nearest=nearest)


@cache
def _coco_panoptic(title: str) -> LabelSpace:
    stuff = label_space("coco-stuff-182")
    things = tuple(name for name in stuff.names[:91] if name not in stuff.unused)
    return LabelSpace((*things, *_read_table("coco_panoptic.json")["stuff"]), title, unknown=255)


@cache
def _cityscapes(title: str) -> LabelSpace:
    table = _read_table("cityscapes.json")
    ids = table["evaluated"] if title == "cityscapes-19" else range(len(table["names"]))
    names, colours = (tuple(table[part][number] for number in ids) for part in ("names", "colours"))
    unknown = 255 if title == "cityscapes-19" else 0
    palette: tuple[Colour, ...] = tuple((r, g, b) for r, g, b in colours)
    return LabelSpace(names, title, unknown=unknown, palette=palette, nearest=table["nearest"])


@cache
def _voc(title: str) -> LabelSpace:
    table = _read_table("voc.json")
    palette: list[Colour] = []
    for label in range(len(table["names"])):
        # bits 0, 3 and 6 of a label are the highest of its red, bits 1, 4 and 7 of its green, and so on
        red, green, blue = (
            sum((label >> (3 * place + channel) & 1) << (7 - place) for place in range(3)) for channel in range(3)
        )
        palette.append((red, green, blue))
    return LabelSpace(tuple(table["names"]), title, unknown=255, palette=tuple(palette), nearest=table["nearest"])


def _of_names(names: Sequence[str] | Mapping[int, str]) -> LabelSpace:
    """A space of names in the order of ids, or by ids; ids may be text, as JSON has keys."""
    if isinstance(names, Mapping):
        try:
            by_id = {int(label): name for label, name in names.items()}
        except (TypeError, ValueError):
            raise TypeError(f"label_space= is a dictionary from ids to names, got {str(dict(names))[:80]}.") from None
        absent = sorted(set(range(max(by_id, default=-1) + 1)) - by_id.keys())
        if absent or not by_id or min(by_id) < 0:
            raise ValueError(f"label_space= names the labels by ids from 0 on, but there is no name for {absent[:5]}.")
        names = [by_id[label] for label in range(len(by_id))]
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"label_space= is a list of the labels' names in the order of ids, got {str(list(names))[:80]}."
        )
    return LabelSpace(tuple(names))


def _read_table(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((files(__package__ or "") / name).read_text(encoding="utf-8"))
    return result


def _find(source: LabelSpace, label: int, target: LabelSpace, spellings: Mapping[str, int]) -> int | None:
    """The counterpart of a label by the rules 2 to 4 of :func:`translate`."""
    name = source.names[label]
    if name in target.names and (name in source.unused or name not in target.unused):
        return target.names.index(name)
    first, *others = (spellings.get(_spelling(each)) for each in source.all_names(label))
    near = source.nearest.get(name)
    by_table = target.names.index(near) if near in target.names else None
    candidates = [candidate for candidate in (first, by_table, *others) if candidate is not None]
    in_use = [candidate for candidate in candidates if target.names[candidate] not in target.unused]
    return next(iter(in_use or candidates), None)


def _spelling(name: str) -> str:
    """A name in the form in which names are compared."""
    return re.sub(r"[-_\s]+", " ", _SUFFIX.sub("", name.strip().casefold()))


def _existing(target: LabelSpace, label: str | int) -> int:
    """A label of `target` that a mapping leads to; ids that are none are refused here, where the mistake is."""
    index = target.id_of(label)
    if index >= len(target):
        raise ValueError(f"a mapping leads to label {label!r}, but {target.title} has the labels 0–{len(target) - 1}.")
    return index

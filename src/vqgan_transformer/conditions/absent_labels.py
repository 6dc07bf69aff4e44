"""What a label map has that a checkpoint does not know: which labels, and what the likely cause is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .label_spaces import LABEL_SPACES, LabelTranslation
from .label_spaces import label_space as known_space

__all__ = ["refuse_absent_labels"]


def refuse_absent_labels(counts: Mapping[int, int], translation: LabelTranslation) -> None:
    """Raises a ValueError that names the labels in a map that have no counterpart, and the likely cause."""
    source, target = translation.source, translation.target
    absent = sorted((label for label in counts if label not in translation.table), key=lambda label: -counts[label])
    if not absent:
        return
    total = sum(counts.values())
    listed = ", ".join(f"{source.describe(label)} ({counts[label] / total:.2%} of the pixels)" for label in absent[:6])
    more = f" and {len(absent) - 6} more" if len(absent) > 6 else ""
    range_ = f"0–{len(target) - 1}" + (f" ({target.title})" if target.title in LABEL_SPACES else "")
    if source.names == target.names:
        reason = f"but this checkpoint knows {range_}"
    else:
        reason = f"labels of {source.title} for which the labels of this checkpoint, {range_}, have no counterpart"
    hints = f"To read them as others, pass label_map={{{absent[0]}: 'name or id in this checkpoint'}}."
    spaces = _spaces_of(counts) if source is target and not set(counts) <= {*range(len(target)), target.unknown} else []
    if spaces:
        hints += f" If the map is in another label space, name it: label_space={' or '.join(map(repr, spaces))}."
    hints += "".join(
        f" {label} usually marks pixels that nobody labelled: unlabelled={label} leaves them open, or fills them from around."
        for label in absent
        if label in (source.unknown, 255)
    )
    raise ValueError(f"segmentation has the label{'s' * (len(absent) > 1)} {listed}{more}, {reason}. {hints}")


def _spaces_of(labels: Collection[int]) -> list[str]:
    """The known label spaces that have all of some ids."""
    spaces = {name: known_space(name) for name in LABEL_SPACES}
    return [name for name, space in spaces.items() if set(labels) <= {*range(len(space)), space.unknown}]

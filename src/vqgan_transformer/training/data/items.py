"""Data sets of other libraries, and lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from .forms import column_of

__all__ = ["Items", "refuse_tables"]


@dataclass(frozen=True)
class Items:
    """A data set whose items are dictionaries, (picture, other) pairs, or pictures.

    Attributes:
        data: with a length and items.
        kinds: that are wanted of each.
    """

    data: Any
    kinds: tuple[str, ...]

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.data[index]
        if isinstance(item, Mapping):
            columns = {kind: column_of(kind, map(str, item)) for kind in self.kinds}
            absent = [kind for kind, column in columns.items() if column is None]
            if absent:
                raise KeyError(f"{' and '.join(absent)}, only {', '.join(map(str, item))}")
            return {kind: _undecoded(item[column]) for kind, column in columns.items()}
        if isinstance(item, tuple | list) and len(item) == 2:
            return dict(zip(("image", next((kind for kind in self.kinds if kind != "image"), "")), item, strict=True))
        return {self.kinds[0]: item}


def refuse_tables(data: Any) -> None:
    """Refuses what has a length and items, but is no sequence of samples.

    Raises:
        TypeError: that says what to pass instead.
    """
    if isinstance(data, Mapping):
        names = ", ".join(repr(str(name)) for name in data)
        if all(hasattr(part, "column_names") for part in data.values()) and data:
            raise TypeError(f"the data set has the parts {names}: pass one of them, data[{str(next(iter(data)))!r}].")
        raise TypeError(
            f"training data are a sequence of samples, got a dictionary with {names or 'nothing in it'}. Pass a list of "
            "dictionaries, one for each sample; of a data set in several parts pass one part."
        )
    if hasattr(data, "iloc"):
        raise TypeError("training data are a sequence of samples, got a table: pass table.to_dict('records').")


def _undecoded(value: Any) -> Any:
    """A picture that the datasets library has not decoded, as a picture; everything else as it is."""
    if not isinstance(value, Mapping) or not value or not value.keys() <= {"bytes", "path"}:
        return value
    return Image.open(BytesIO(value["bytes"])) if value.get("bytes") else Path(value["path"])

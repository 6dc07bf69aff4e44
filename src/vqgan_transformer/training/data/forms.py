"""Where data have pictures and each kind of condition, and which column of a table or data set is whose."""

from __future__ import annotations

from collections.abc import Iterable

from ...conditions.data_forms import DataForm, Files
from ...conditions.registry import data_form

__all__ = ["IMAGES", "column_of", "form_of"]

IMAGES = Files("images", ("file_name", "image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp"), arrays=False)
"""Where training data have the pictures themselves."""


def form_of(kind: str) -> DataForm:
    """Where training data have a kind, "image" or the name of a condition."""
    return IMAGES if kind == "image" else data_form(kind)


def column_of(kind: str, columns: Iterable[str]) -> str | None:
    """The column that holds a kind, among those that a table has; ``None`` if none does."""
    there = {column.strip().casefold(): column for column in reversed([*columns])}
    return next((there[name] for name in form_of(kind).columns if name in there), None)

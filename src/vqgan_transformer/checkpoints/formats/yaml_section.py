"""A yaml config read field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import CheckpointError

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """A part of a yaml config, and where it stands, so that errors can say what is wrong where."""

    data: Mapping[str, Any]
    where: str

    def __contains__(self, name: str) -> bool:
        return self.data.get(name) is not None

    def section(self, name: str) -> Section:
        """A part of it that is a mapping."""
        return Section(self._get(name, dict, "a mapping"), f"{self.where}.{name}")

    def text(self, name: str) -> str:
        """A string."""
        return str(self._get(name, str, "a string"))

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return int(self._get(name, int, "a whole number", default))

    def number(self, name: str, default: float | None = None) -> float:
        """A number; yaml reads 1e-4, without a point, as a string."""
        value = self.data.get(name)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        return float(self._get(name, int | float, "a number", default))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be true or false, got {value!r}.")
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self._get(name, list, "a list of whole numbers")
        if any(type(value) is not int for value in values):
            raise CheckpointError(f"{self.where}.{name} should be a list of whole numbers, got {values!r}.")
        return tuple(values)

    @property
    def target(self) -> str:
        """The last part of the dotted name of the class. It is a name to compare; nothing is imported."""
        return self.text("target").rpartition(".")[2]

    def _get(self, name: str, kind: Any, described: str, default: Any = None) -> Any:
        value = self.data.get(name, default)
        if value is None:
            raise CheckpointError(f"{self.where}.{name} is missing; it should be {described}.")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be {described}, got {value!r}.")
        return value

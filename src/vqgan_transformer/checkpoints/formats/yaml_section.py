"""A yaml config read field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import CheckpointError, shortened, shown

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
        self._refuse_reference(name, value)
        if not isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be true or false, got {shown(value)}.")
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self._get(name, list, "a list of whole numbers")
        if any(type(value) is not int for value in values):
            raise CheckpointError(f"{self.where}.{name} should be a list of whole numbers, got {shown(values)}.")
        return tuple(values)

    @property
    def target(self) -> str:
        """The last part of the dotted name of the class. It is a name to compare; nothing is imported."""
        return self.text("target").rpartition(".")[2]

    @classmethod
    def of_run(cls, document: Mapping[str, Any], where: str) -> Section:
        """A whole file, in the form of the original's: "model" with "target" and "params", and so each class within.

        Lightning's command line calls these "class_path" and "init_args". A file may also be such a section itself, or
        its "model" the arguments of a class that is not named.
        """
        data = _with_targets(document)
        if "model" not in data and "target" in data:
            data = {**data, "model": data}
        model = data.get("model")
        if isinstance(model, dict) and "ddconfig" in model and "params" not in model:
            data = {**data, "model": {**model, "params": model}}
        return cls(data, where)

    def _get(self, name: str, kind: Any, described: str, default: Any = None) -> Any:
        value = self.data.get(name, default)
        self._refuse_reference(name, value)
        if value is None:
            raise CheckpointError(f"{self.where}.{name} is missing; it should be {described}.")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be {described}, got {shown(value)}.")
        return value

    def _refuse_reference(self, name: str, value: Any) -> None:
        if isinstance(value, str) and "${" in value:
            raise CheckpointError(
                f"{self.where}.{name} is {shortened(value)!r}, which stands for something that is not in the file: replace "
                "it by its value."
            )


def _with_targets(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_targets(item) for item in value]
    if not isinstance(value, dict):
        return value
    entries = {name: _with_targets(item) for name, item in value.items()}
    if isinstance(entries.get("class_path"), str) and "target" not in entries:
        entries |= {"target": entries["class_path"], "params": entries.get("init_args") or {}}
    return entries

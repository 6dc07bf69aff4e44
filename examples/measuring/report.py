"""Tables of numbers with intervals: what was measured in the rows, checkpoints in the columns."""

from __future__ import annotations

import json
import math
from pathlib import Path

from .intervals import Interval

__all__ = ["Table"]

TRUE = "true"


class Table:
    """Numbers by row and column, as Markdown and as JSON."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: dict[str, dict[str, Interval | float]] = {}

    def add(self, row: str, column: str, number: Interval | float) -> None:
        """A number; where nothing counted, there is none."""
        value = number.value if isinstance(number, Interval) else number
        if math.isfinite(value):
            self.rows.setdefault(row, {})[column] = number

    @property
    def columns(self) -> list[str]:
        """True pictures first, then each checkpoint after its reconstructions."""
        names = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        owners = list(dict.fromkeys(name.partition(",")[0] for name in names if name != TRUE))
        return sorted(
            names, key=lambda name: (-1, 0) if name == TRUE else (owners.index(name.partition(",")[0]), "," not in name)
        )

    def markdown(self) -> str:
        """The table; a number is followed by its interval."""
        columns = self.columns
        lines = [f"### {self.title}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, row in self.rows.items():
            cells = [_cell(row[column]) if column in row else "" for column in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    def write(self, folder: Path, name: str) -> None:
        """NAME.md and NAME.json: {row: {column: [value, low, high]}}."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(self.markdown(), encoding="utf-8")
        numbers = {
            row: {
                column: [number.value, number.low, number.high] if isinstance(number, Interval) else number
                for column, number in cells.items()
            }
            for row, cells in self.rows.items()
        }
        text = json.dumps({"title": self.title, "rows": numbers}, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _cell(number: Interval | float) -> str:
    return str(number) if isinstance(number, Interval) else f"{number:.2f}"

"""Results of runs that are kept, so that a script goes on where it was stopped; tables and plots of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Kept", "plot", "print_table"]


class Kept:
    """Records by name in a JSON file.

    Args:
        path: of the file.
        about: what all records depend on; those of something else are forgotten.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self.about = path, dict(about)
        stored = json.loads(path.read_text()) if path.is_file() else {}
        self.records: dict[str, Any] = stored["records"] if stored.get("about") == self.about else {}

    def __call__(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The record of a name, measured if there is none yet."""
        if name not in self.records:
            self.records[name] = measure()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps({"about": self.about, "records": self.records}, indent=1))
            print(f"  {name}: done", flush=True)
        return self.records[name]


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table in Markdown."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(lines), flush=True)


def plot(
    path: Path, series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, *, log_x: bool = False
) -> None:
    """Lines of points as a PNG; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    axes.set(xlabel=across, ylabel=up, xscale="log" if log_x else "linear")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    print(f"saved {path}")

"""Results of runs that are kept, so that a script goes on where it was stopped; tables and plots of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Kept", "plot", "plot_points", "print_table"]


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


def plot_points(path: Path, points: Mapping[str, tuple[float, float, float]], titles: tuple[str, str, str]) -> None:
    """Named points as a PNG, the third number as colour; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    across, up, colour = zip(*points.values(), strict=True)
    drawn = axes.scatter(across, up, c=colour, s=60)
    for name, (x, y, _) in points.items():
        axes.annotate(name, (x, y), xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel=titles[0], ylabel=titles[1], xscale="log")
    axes.grid(alpha=0.3)
    figure.colorbar(drawn, label=titles[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    print(f"saved {path}")

"""Numbers together with all that they depend on, so that they can be quoted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..version import __version__

__all__ = ["EvaluationResult", "FaithfulnessResult", "GenerationResult", "ReconstructionResult"]


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What was measured, of what, and how. ``print`` it; :meth:`to_json` and :meth:`save` write it.

    Attributes:
        numbers: the metrics by name.
        samples: number of pictures that were measured.
        size: (height, width) at which; ``None``: each at its own.
        resize: how pictures of other sizes got there.
        measured: what was measured: the name of the folder or data.
        measured_hash: SHA-256 of names, sizes and dates of its files.
        reference: what it was compared with; ``None`` where there is no such thing.
        reference_hash: SHA-256 of it: of the file, or of names, sizes and dates of a folder's files.
        weights: SHA-256 of the weights of every model that took part, by its name.
        settings: whatever else the numbers depend on.
        notes: what a reader of the numbers has to know, in sentences.
        worst: names and scores of the pictures that came off worst, the worst first.
        best: of those that came off best, the best first.
        sheet: these pictures, rows of worst ones above rows of best ones.
        seconds: that it took, of the clock.
        version: of this package.
    """

    numbers: Mapping[str, float]
    samples: int
    size: tuple[int, int] | None
    resize: str
    measured: str
    measured_hash: str
    reference: str | None = None
    reference_hash: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    worst: tuple[tuple[str, float], ...] = ()
    best: tuple[tuple[str, float], ...] = ()
    sheet: Image.Image | None = None
    seconds: float = 0.0
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """All but pictures, as JSON can hold it; numbers that are not finite are ``None``."""
        return {
            "numbers": {name: value if math.isfinite(value) else None for name, value in self.numbers.items()},
            "samples": self.samples,
            "size": None if self.size is None else list(self.size),
            "resize": self.resize,
            "measured": self.measured,
            "measured_hash": self.measured_hash,
            "reference": self.reference,
            "reference_hash": self.reference_hash,
            "weights": dict(self.weights),
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "worst": [list(pair) for pair in self.worst],
            "best": [list(pair) for pair in self.best],
            "seconds": round(self.seconds, 1),
            "version": self.version,
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON, written to a file if one is named."""
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def save(self, folder: str | Path) -> Path:
        """Writes `result.json` and, where there is one, `sheet.png`; gives the folder."""
        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        self.to_json(folder / "result.json")
        if self.sheet is not None:
            self.sheet.save(folder / "sheet.png")
        return folder

    def __str__(self) -> str:
        size = "each at its own size" if self.size is None else f"{self.size[0]}×{self.size[1]}, {self.resize}"
        wide = max((len(name) for name in self.numbers), default=0)
        lines = [f"{name:{wide}}  {value:.4f}" for name, value in self.numbers.items()]
        lines.append(f"of {self.samples:,} pictures in {self.measured} ({self.measured_hash[:12]}), {size}")
        if self.reference is not None:
            lines.append(f"against {self.reference} ({(self.reference_hash or '')[:12]})")
        lines += [f"{name}: weights {digest[:12]}" for name, digest in self.weights.items()]
        lines += [f"{name}: {value}" for name, value in self.settings.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines.append(f"vqgan_transformer {self.version}, {self.seconds:.0f} s")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ReconstructionResult(EvaluationResult):
    """What a tokenizer loses: psnr, ssim, lpips, rfid, codes_used, codebook_size, perplexity."""


@dataclass(frozen=True, kw_only=True)
class GenerationResult(EvaluationResult):
    """How near samples come to a reference: fid, sfid, kid, inception_score, precision, recall."""


@dataclass(frozen=True, kw_only=True)
class FaithfulnessResult(EvaluationResult):
    """How far pictures follow their conditions.

    Attributes:
        labels: for label maps the names of the rows and columns of ``confusion``.
        confusion: int64 (labels, labels): pixels that are the row's label and were read as the column's.
    """

    labels: tuple[str, ...] = ()
    confusion: np.ndarray | None = None

    def save(self, folder: str | Path) -> Path:
        """Also writes `confusion.csv`, with the names of the labels, for label maps."""
        folder = super().save(folder)
        if self.confusion is not None:
            rows = [["label", *self.labels]]
            rows += [[name, *map(str, row)] for name, row in zip(self.labels, self.confusion.tolist(), strict=True)]
            text = "\n".join(",".join(map(_cell, row)) for row in rows) + "\n"
            (folder / "confusion.csv").write_text(text, encoding="utf-8")
        return folder


def _cell(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if set(text) & set(',"\n') else text


def ranked(names: Sequence[str], scores: np.ndarray, count: int = 4) -> tuple[list[int], list[int]]:
    """Indices of the pictures of the lowest and of the highest scores, the most extreme first; none in both.

    Args:
        names: of the pictures, which break ties.
        scores: one for each; larger is better.
        count: at most so many of each.
    """
    order = sorted(range(len(scores)), key=lambda index: (scores[index], names[index]))
    count = min(count, max(1, len(order) // 2))
    return order[:count], order[::-1][: min(count, len(order) - count)]

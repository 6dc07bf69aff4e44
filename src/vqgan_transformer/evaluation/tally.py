"""What is summed and kept over many pictures, the same whatever the order, and however the work is divided."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

__all__ = ["ExactSum", "Tally"]


class ExactSum:
    """A sum of float64 tensors in twice the precision, so that its value does not depend on the order of its terms.

    The rounding error of each addition is computed without error (Knuth 1969, TwoSum) and summed beside the sum. What is
    left is about 2^-106 of the sum, which the value, one float64, does not show.

    Args:
        high: the first term.
        low: the sum of rounding errors; zero by default.
    """

    def __init__(self, high: Tensor, low: Tensor | None = None) -> None:
        self.high = high.double().clone()
        self.low = torch.zeros_like(self.high) if low is None else low.double().clone()

    def add(self, term: Tensor) -> None:
        """Adds a tensor of the same shape."""
        term = term.to(self.high)
        total = self.high + term
        added = total - self.high
        self.low += (self.high - (total - added)) + (term - added)
        self.high = total

    def merge(self, other: ExactSum) -> None:
        """Adds another sum."""
        self.add(other.high)
        self.low += other.low.to(self.low)

    @property
    def value(self) -> Tensor:
        """The sum, rounded once."""
        return self.high + self.low


class Tally:
    """Sums over pictures, and numbers of single pictures.

    Attributes:
        sums: by name.
        rows: by name, what is kept of a picture by its index.
    """

    def __init__(self) -> None:
        self.sums: dict[str, ExactSum] = {}
        self.rows: dict[str, dict[int, np.ndarray]] = {}

    def add(self, name: str, term: Tensor) -> None:
        """Adds to a sum; the first term starts it."""
        if name in self.sums:
            self.sums[name].add(term)
        else:
            self.sums[name] = ExactSum(term)

    def keep(self, name: str, index: int, row: np.ndarray | float) -> None:
        """Keeps numbers of a picture."""
        self.rows.setdefault(name, {})[index] = np.asarray(row)

    def merge(self, other: Tally) -> None:
        """Takes in what was summed and kept of other pictures."""
        for name, total in other.sums.items():
            if name in self.sums:
                self.sums[name].merge(total)
            else:
                self.sums[name] = ExactSum(total.high, total.low)
        for name, rows in other.rows.items():
            self.rows.setdefault(name, {}).update(rows)

    def total(self, name: str) -> Tensor:
        """A sum, float64 on the CPU."""
        return self.sums[name].value.cpu()

    def kept(self, name: str) -> np.ndarray:
        """What is kept under a name, (pictures, …), in the order of the pictures."""
        rows = self.rows[name]
        return np.stack([rows[index] for index in sorted(rows)])

    def cpu(self) -> Tally:
        """The same with all sums on the CPU, to be sent or written."""
        moved = Tally()
        moved.sums = {name: ExactSum(total.high.cpu(), total.low.cpu()) for name, total in self.sums.items()}
        moved.rows = self.rows
        return moved

    def save(self, path: Path, extra: Mapping[str, np.ndarray]) -> None:
        """Writes all of it to an .npz file, which appears whole or not at all.

        Args:
            path: of the file.
            extra: arrays to be stored beside it.
        """
        arrays = {f"extra/{name}": array for name, array in extra.items()}
        for name, total in self.sums.items():
            arrays[f"high/{name}"], arrays[f"low/{name}"] = total.high.cpu().numpy(), total.low.cpu().numpy()
        for name, rows in self.rows.items():
            arrays[f"index/{name}"], arrays[f"rows/{name}"] = np.array(sorted(rows)), self.kept(name)
        draft = path.with_name(f".{path.name}.{uuid4().hex}.partial")
        try:
            with draft.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> tuple[Tally, dict[str, np.ndarray]]:
        """What :meth:`save` wrote, and the arrays beside it."""
        tally, extra = cls(), {}
        with np.load(path, allow_pickle=False) as stored:
            for key in stored.files:
                form, _, name = key.partition("/")
                if form == "extra":
                    extra[name] = stored[key]
                elif form == "high":
                    tally.sums[name] = ExactSum(torch.from_numpy(stored[key]), torch.from_numpy(stored[f"low/{name}"]))
                elif form == "index":
                    indices: Iterable[int] = map(int, stored[key])
                    tally.rows[name] = dict(zip(indices, stored[f"rows/{name}"], strict=True))
        return tally, extra

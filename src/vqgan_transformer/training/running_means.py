"""Means of what each step reports, over the steps between two lines of metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from .processes import mean

__all__ = ["RunningMeans"]


class RunningMeans:
    """Means of scalars since the last line of metrics, each over the parts of updates that had it."""

    def __init__(self, sums: dict[str, float] | None = None, counts: dict[str, int] | None = None) -> None:
        self._sums, self._counts = dict(sums or {}), dict(counts or {})
        self._pending: list[dict[str, Tensor]] = []

    def add(self, values: dict[str, Tensor]) -> None:
        """Remembers the scalars of a part; they stay on their device until they are needed."""
        self._pending.append({key: value.detach() for key, value in values.items()})

    @property
    def sums(self) -> dict[str, float]:
        """The sum of each scalar so far."""
        self._read()
        return self._sums

    @property
    def counts(self) -> dict[str, int]:
        """How often each scalar came."""
        self._read()
        return self._counts

    def take(self, device: torch.device) -> dict[str, float]:
        """The means over all processes, which meet on a device; then starts anew."""
        means = [self.sums[key] / self.counts[key] for key in self.sums]
        values = torch.tensor(means, dtype=torch.float64)
        values = mean(values.to(device) if device.type == "cuda" else values)
        taken = {key: float(value) for key, value in zip(self.sums, values, strict=True)}
        self._sums, self._counts = {}, {}
        return taken

    def _read(self) -> None:
        """One transfer for all that is pending, so that a device is waited for once."""
        entries = [(key, value) for values in self._pending for key, value in values.items()]
        self._pending = []
        if not entries:
            return
        dtype = torch.float32 if entries[0][1].device.type == "mps" else torch.float64  # which has no float64
        numbers = torch.stack([value.reshape(()).to(dtype) for _, value in entries]).cpu().tolist()
        for (key, _), number in zip(entries, numbers, strict=True):
            self._sums[key] = self._sums.get(key, 0.0) + number
            self._counts[key] = self._counts.get(key, 0) + 1

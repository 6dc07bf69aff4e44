"""Numbers with 95 % intervals, by drawing pictures again with replacement (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Interval", "Shares", "interval_of", "mean_of", "relative_share"]

_TIMES = 1000


@dataclass(frozen=True)
class Interval:
    """A number, and the limits between which 95 % of the resampled ones lie."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 2 if abs(self.value) < 10 else 1
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Shares:
    """What each picture adds to a share: (N,) hits, and (N,) of how many; a picture without any adds nothing."""

    hits: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Shares:
        """From one (hits, count) a picture."""
        hits, counts = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        return cls(hits, counts)

    def resampled(self) -> np.ndarray:
        """The share itself, and that of each resample: (1 + times,); NaN where nothing counts."""
        weights = _weights(len(self.hits))
        with np.errstate(invalid="ignore"):
            return (weights @ self.hits) / (weights @ self.counts)


def mean_of(shares: Shares) -> Interval:
    """The share over all pictures."""
    return _interval(shares.resampled())


def relative_share(shares: Shares, true: Shares) -> Interval:
    """A share as part of that of true pictures: a ratio of means, both of the same resampled pictures."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return _interval(shares.resampled() / true.resampled())


def interval_of(measure: Callable[[np.ndarray], float], count: int, times: int = 200) -> Interval:
    """Of any measure of a set of pictures, given as numbers (N,) of pictures.

    Repeated pictures move some measures, Fréchet distances for one, away from what as many different ones would give.
    So the limits are scaled by what makes the resamples' median the value itself.
    """
    weights = _weights(count)[: times + 1]
    values = np.array([measure(np.repeat(np.arange(count), row)) for row in weights])
    return _interval(np.concatenate((values[:1], values[1:] * (values[0] / np.nanmedian(values[1:])))))


def _interval(values: np.ndarray) -> Interval:
    """From a number and its resamples, of which some may be of pictures in which nothing counts."""
    low, high = np.nanpercentile(values[1:], (2.5, 97.5)) if np.isfinite(values[1:]).any() else (np.nan, np.nan)
    return Interval(float(values[0]), float(low), float(high))


@lru_cache(maxsize=16)
def _weights(count: int) -> np.ndarray:
    """How often each picture is taken: once each in the first row, with replacement in the others."""
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _TIMES)
    return np.concatenate((np.ones((1, count), dtype=np.int64), drawn))

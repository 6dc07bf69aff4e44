"""Depth maps against what a depth estimator sees: order and distance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..conditions import DepthCondition
from ..conditions.depth_maps import read_depth_maps
from .agreement import Agreement
from .map_reader import MapReader, depth_estimator
from .tally import Tally

__all__ = ["DepthAgreement", "rank_correlation"]


class DepthAgreement(Agreement[DepthCondition]):
    """Spearman's rank correlation and RMSE of inverse depth, means over pictures.

    Estimators know depth up to scale and offset only, so each map, of either side, is scaled to [0, 1] by its own smallest
    and largest value, as the condition is for the GPT. RMSE is of these; times 255 it is the one of 8-bit maps that papers
    on control report. Pixels without a reading (``invalid=``) are left out.
    """

    kind: ClassVar[str] = DepthCondition.name

    @classmethod
    def model_reader(cls, model: str, device: torch.device) -> MapReader:
        """A model for depth estimation."""
        return depth_estimator(model, device)

    def target(self, value: Any, size: tuple[int, int]) -> Tensor:
        """float64 (height, width) in [0, 1], NaN where there is no reading."""
        [given] = read_depth_maps(value)
        invalid = self.options.get("invalid", self.condition.options.get("invalid"))
        known = np.isfinite(given) if invalid is None else np.isfinite(given) & (given != invalid)
        if invalid is None:
            known[:] = True  # infinite distances are the horizon
        scaled = (self.condition.parse(value, **self.options).double() + 1) / 2  # 1 1 H W
        resized = self.condition.resize(scaled, size)[0, 0]
        rows, cols = (
            (2 * torch.arange(new) + 1) * old // (2 * new) for old, new in zip(known.shape, size, strict=True)
        )
        return resized.masked_fill(~torch.from_numpy(known)[rows[:, None], cols], torch.nan)

    def compare(self, tally: Tally, index: int, target: Tensor, reading: Any, size: tuple[int, int]) -> float:
        """Keeps both numbers of the picture; its score is the rank correlation."""
        known = ~target.isnan()
        first, second = target[known], self.seen(reading, size)[known]
        correlation = rank_correlation(first.numpy(), second.numpy())
        tally.keep("rank_correlation", index, correlation)
        tally.keep("rmse", index, float((first - second).pow(2).mean().sqrt()))
        return correlation

    def seen(self, reading: Any, size: tuple[int, int]) -> Tensor:
        """A reading as inverse depth, float64 (height, width) in [0, 1]."""
        parsed = self.condition.parse(reading, near=self.reader.near).double()
        return (self.condition.resize(parsed, size)[0, 0] + 1) / 2

    def numbers(self, tally: Tally) -> dict[str, float]:
        """Means over pictures."""
        return {name: float(tally.kept(name).mean()) for name in ("rank_correlation", "rmse")}

    def show(self, target: Tensor, reading: Any, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """Both in gray, near being white."""
        maps = [2 * there.nan_to_num(0)[None, None].float() - 1 for there in (target, self.seen(reading, size))]
        return self.condition.show(maps[0])[0], self.condition.show(maps[1])[0]


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's: the correlation of ranks, equal values sharing the mean of theirs; 0 where either is constant.

    Args:
        first: (N,).
        second: (N,).
    """
    ranks = [_ranks(values) for values in (first, second)]
    deviations = [values - values.mean() for values in ranks]
    norm = np.sqrt((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum())
    return float((deviations[0] * deviations[1]).sum() / norm) if norm else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 1 on; equal values get the mean of their ranks."""
    _, positions, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return ((2 * last - counts + 1) / 2)[positions]

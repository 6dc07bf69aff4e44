"""DepthCondition: maps of inverse depth, near being large."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import warn
from ..vqgan.model import VQGAN, VQGANConfig
from .condition import AlignedForm
from .data_forms import DataForm, Files
from .depth_maps import read_depth_maps
from .gaps import fill_gaps
from .tokenized_map import MapLosses, TokenizedMap

__all__ = ["DepthCondition", "DepthConfig"]

_LARGEST = (2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1)
"""The largest numbers of the types that sensors write."""


@dataclass(frozen=True)
class DepthConfig:
    """What a checkpoint knows of depth.

    Args:
        vqgan: the tokenizer of depth maps, of one input channel; ``None`` for models that read maps directly.
        as_picture: the GPT reads a gray picture of three channels whose black is an inverse depth of 0, the horizon, and
            whose white is the map's nearest place, as ControlAR does.

    Raises:
        ValueError: for a VQGAN of several channels, and for one beside ``as_picture``.
    """

    vqgan: VQGANConfig | None = None
    as_picture: bool = False

    def __post_init__(self) -> None:
        if self.as_picture and self.vqgan is not None:
            raise ValueError("as_picture is for GPTs that read pictures, without a tokenizer: leave vqgan out.")
        if self.vqgan is not None and self.vqgan.in_channels != 1:
            raise ValueError(f"the depth VQGAN needs one input channel, got {self.vqgan.in_channels}.")


class DepthCondition(TokenizedMap):
    """Depth as a condition.

    Args:
        vqgan: encodes maps in [-1, 1].
        as_picture: see :class:`DepthConfig`.
        near: as for :meth:`parse`, where nothing else is passed; what training reads its maps with.
        depth_range: likewise.
        invalid: likewise.

    Raises:
        ValueError: for a VQGAN of several channels.

    Example:
        >>> metres = torch.tensor([[1.0, 2.0], [4.0, float("inf")]])
        >>> DepthCondition().parse(metres, near="small").tolist()
        [[[[1.0, 0.0], [-0.5, -1.0]]]]
    """

    name: ClassVar[str] = "depth"
    also_called: ClassVar[tuple[str, ...]] = ("depth_map", "depth_image")
    config_class: ClassVar[type] = DepthConfig
    in_data: ClassVar[DataForm] = Files("depths", ("depth_file_name", "depth", "depth_map"))
    losses: ClassVar[MapLosses] = MapLosses(perceptual=None, disc_weight=0.75)
    tokenizer_channels: ClassVar[int] = 1

    def __init__(
        self,
        *,
        vqgan: VQGAN | None = None,
        as_picture: bool = False,
        near: Literal["large", "small"] | None = None,
        depth_range: tuple[float, float] | None = None,
        invalid: float | None = None,
    ):
        super().__init__(vqgan=vqgan, as_picture=as_picture)
        given = {"near": near, "depth_range": depth_range, "invalid": invalid}
        self.options = {name: option for name, option in given.items() if option is not None}

    def parse(
        self,
        value: Any,
        *,
        near: Literal["large", "small"] | None = None,
        depth_range: tuple[float, float] | None = None,
        invalid: float | None = None,
    ) -> Tensor:
        """Depth maps from what people keep them in, as inverse depth scaled to [-1, 1].

        Args:
            value: one of these, or a list of them, all of one size:

                - numbers: an array or tensor `(H, W)`, or with a leading axis for a batch; a picture of mode L, I, I;16
                  or F, or its path; or what a depth estimator returns, a dictionary with "predicted_depth";
                - a gray picture of three equal channels, as ControlNet has it;
                - an RGBA picture whose four bytes are a float32, as the original's data have it.

            near: "large" if near places have large values: inverse depth in any unit, which MiDaS, DPT, Depth Anything
                and ControlNet's pictures (near is white) give, and which is taken where nothing is said. "small" if the values are distances in any unit (metres,
                millimetres), which laser scanners and metric estimators give; their reciprocal is taken, and infinity
                is the horizon.
            depth_range: (low, high), in the unit of the values, that become the ends of [-1, 1], so that several
                pictures have one scale. By default each map's own smallest and largest value, as in the original; for
                checkpoints that read depth as a picture, 0 and the largest.
            invalid: the value that means "no reading", e.g. 0 in laser and Kinect data, or ``float("nan")``. These
                pixels are filled from the readings around them (:func:`~.gaps.fill_gaps`), as are masked ones of a numpy
                masked array.

        Returns:
            float32 `(B, 1, H, W)`, the farthest place -1, the nearest 1. A map that is the same everywhere becomes -1,
            with a warning.

        Raises:
            TypeError: for other types and number formats.
            ValueError: for other shapes, colours, values that are not finite, distances that are not positive, values
                outside `depth_range`, maps without a reading and maps of different sizes.
        """
        near = self._option("near", near, "large")
        depth_range, invalid = self._option("depth_range", depth_range), self._option("invalid", invalid)
        if near not in ("large", "small"):
            raise ValueError(f"near must be 'large' (inverse depth) or 'small' (distances), got {near!r}.")
        limits = None if depth_range is None else _limits(depth_range, near)
        if invalid is not None and (isinstance(invalid, bool) or not isinstance(invalid, numbers.Real)):
            raise TypeError(f"invalid is the number that means 'no reading', e.g. 0, got {invalid!r}.")
        maps = []
        for depth in read_depth_maps(value):
            known = _known(depth, invalid)
            depth = np.ma.getdata(depth)
            inverse = _inverse_depth(depth, known, near)
            if limits is not None:
                _check_range(inverse[known], limits, depth[known], depth_range)
            ends = _from_zero(inverse[known]) if self.config.as_picture and limits is None else limits
            maps.append(_scaled(fill_gaps(inverse, known), ends))
        return torch.from_numpy(np.stack(maps))[:, None]

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """A number for each pixel, or a picture."""
        return ("picture", 3) if self.config.as_picture else super().aligned_input

    def for_aligned(self, parsed: Tensor) -> Tensor:
        """The map, or the three equal channels of a picture."""
        return parsed.expand(-1, 3, -1, -1) if self.config.as_picture else parsed

    def from_aligned(self, values: Tensor) -> Tensor:
        """The map again."""
        return values[:, :1]


def _limits(depth_range: Any, near: str) -> tuple[float, float]:
    """The inverse depths that become -1 and 1."""
    try:
        low, high = map(float, depth_range)
    except (TypeError, ValueError):
        raise TypeError(f"depth_range is (low, high), two numbers, got {depth_range!r}.") from None
    lowest = -np.inf if near == "large" else 0
    if not lowest < low < high or (near == "large" and high == np.inf):
        raise ValueError(
            f"depth_range must be (low, high) with low < high{', both positive' if near == 'small' else ''}, "
            f"got {depth_range}."
        )
    return (low, high) if near == "large" else (1 / high, 1 / low)


def _from_zero(inverse: np.ndarray) -> tuple[float, float]:
    """The horizon and the nearest place of a map: what becomes black and white."""
    if inverse.min() < 0:
        raise ValueError(
            f"{np.mean(inverse < 0):.2%} of the inverse depths are negative (the smallest is {inverse.min():.4g}), but this "
            "checkpoint takes 0 for the horizon. Pass depth_range=(low, high) with the values that mean farthest and nearest."
        )
    return 0.0, float(inverse.max())


def _known(depth: np.ndarray, invalid: float | None) -> np.ndarray:
    """Which pixels have a reading: bool (H, W)."""
    known = ~np.ma.getmaskarray(depth)
    depth = np.ma.getdata(depth)
    if invalid is not None:
        known &= ~np.isnan(depth) if np.isnan(invalid) else depth != invalid
    if not known.any():
        raise ValueError(f"depth has no reading (invalid={invalid}, or masked) everywhere: nothing is left to scale.")
    return known


def _inverse_depth(depth: np.ndarray, known: np.ndarray, near: str) -> np.ndarray:
    """Numbers of a user's map, where they are known, as inverse depth; refused where they can be none."""
    readings = depth[known]
    strange = np.mean(np.isnan(readings) | (np.isinf(readings) if near == "large" else readings == -np.inf))
    if strange:
        raise ValueError(
            f"{strange:.2%} of the depth values are NaN or infinite. If NaN means 'no reading', pass "
            "invalid=float('nan'); infinite distances are understood with near='small'."
        )
    if near == "large":
        _warn_of_zeros(depth, known)
        _warn_of_marks(readings)
        return depth
    if readings.min() <= 0:
        raise ValueError(
            f"{np.mean(readings <= 0):.2%} of the depth values are 0 or below (the smallest is {readings.min():.4g}), "
            "which distances (near='small') cannot be. If "
            f"{readings.min():.4g} means 'no reading', pass invalid={readings.min():.4g}. If the map was scaled "
            "so that its nearest place is 0, the distances are lost: pass its maximum minus the map, with near='large'."
        )
    _warn_of_marks(readings[np.isfinite(readings)])  # infinity is the horizon
    with np.errstate(over="ignore"):
        inverse = 1 / np.where(known, depth, 1)
    return _check_finite(inverse, depth)


def _warn_of_zeros(depth: np.ndarray, known: np.ndarray) -> None:
    """Warns of a map that looks like distances with zeros for "no reading", though it is read as inverse depth.

    Distances that a sensor can measure begin at some distance, so that a gap lies between its zeros and all other readings.
    So it may be in inverse depth, whose zeros are the sky; but that lies above everything else, and whole numbers of
    inverse depth are those of 8 bits.
    """
    readings = depth[known]
    high, zeros = readings.max(), np.mean(readings == 0)
    if zeros < 0.01 or readings.min() < 0 or high == 0:
        return
    low = readings.min(where=readings > 0, initial=high)
    whole = np.array_equal(readings, np.round(readings))
    sky = np.logical_and.accumulate(depth == 0, axis=0)
    scattered = np.mean((depth == 0) & ~sky) > 0.01
    if low > 0.02 * high and (high >= 256 if whole else scattered):
        warn(
            f"{zeros:.1%} of the depth values are 0 and all others lie in {low:.4g}–{high:.4g}, as in maps of distances "
            "where 0 means 'no reading'. It is read as inverse depth, near being large. For distances pass "
            "near='small', invalid=0."
        )


def _warn_of_marks(readings: np.ndarray) -> None:
    """Warns of one value that many pixels share, far from all others, as programs mark where there is no reading.

    Below it is a negative number; above it is the largest of a type, or out of all proportion.
    """
    low, high = readings.min(initial=0), readings.max(initial=0)
    inner = readings[(readings != low) & (readings != high)]
    if not inner.size:
        return
    for mark, far in ((low, low < 0 <= inner.min()), (high, high in _LARGEST and high > 1.1 * inner.max() > 0)):
        share = np.mean(readings == mark)
        if share >= 0.01 and (far or (mark == high and high > 100 * inner.max() > 0)):
            warn(
                f"{share:.1%} of the depth values are {mark:.10g} and all others lie in {inner.min():.4g}–{inner.max():.4g}. "
                f"If that means 'no reading', pass invalid={mark:.10g}."
            )


def _check_finite(inverse: np.ndarray, depth: np.ndarray) -> np.ndarray:
    if not np.isfinite(inverse).all():
        raise ValueError(f"depth has the distance {depth.min():.3g}, too small to be scaled. Rescale it yourself.")
    return inverse


def _check_range(inverse: np.ndarray, limits: tuple[float, float], depth: np.ndarray, depth_range: Any) -> None:
    outside = np.mean((inverse < limits[0]) | (inverse > limits[1]))
    if outside:
        raise ValueError(
            f"{outside:.2%} of the depth values lie outside depth_range={depth_range}: they run from {depth.min():.4g} "
            f"to {depth.max():.4g}. Widen the range, or cut the values yourself: numpy.clip(depth, *depth_range)."
        )


def _scaled(inverse: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    """(H, W) of any range -> float32 (H, W), the lower limit becoming -1 and the upper one 1."""
    low, high = limits if limits is not None else (inverse.min(), inverse.max())
    if low == high:
        warn("depth is the same everywhere; it is read as far away (-1).")
        return np.full(inverse.shape, -1, dtype=np.float32)
    with np.errstate(over="ignore"):
        span = high - low
    if not np.isfinite(span) or span < np.finfo(np.float64).tiny:
        raise ValueError(
            f"depth runs from {low:.3g} to {high:.3g}, a range that cannot be scaled. Rescale it yourself."
        )
    return (2 * ((inverse - low) / span) - 1).astype(np.float32)

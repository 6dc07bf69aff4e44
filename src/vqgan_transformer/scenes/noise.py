"""Random numbers and fractal noise that come out the same on every machine.

Only operations that IEEE 754 rounds correctly touch the arrays (+, −, ×, ÷, √, comparisons): no exponentials, sines,
sums in an unspecified order or matrix products, whose last bits differ between processors.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

__all__ = [
    "Array",
    "Dice",
    "clamp",
    "field",
    "halve",
    "line",
    "mix",
    "resize",
    "ridge_line",
    "shade_of",
    "smoothstep",
    "tile",
    "wave",
]

Array = np.ndarray
Option = TypeVar("Option")


class Dice:
    """A stream of random numbers of its own for each thing in a scene.

    Streams are keyed by the scene's seed and a name, so that drawing more numbers for one thing (a larger picture has
    finer octaves) leaves every other thing where it was.

    Args:
        seed: The scene's seed.
        name: What the numbers are for.
        textures: Which textures the scene has.
    """

    def __init__(self, seed: int, name: str, textures: int = 0):
        self._seed = seed
        self._name = name
        self._textures = textures
        self._generator = np.random.Generator(np.random.PCG64([seed, crc32(name.encode())]))

    def stream(self, name: str) -> Dice:
        """A stream for a part of this thing."""
        return Dice(self._seed, f"{self._name}/{name}", self._textures)

    def texture(self, name: str) -> Dice:
        """A stream for the texture of this thing, which differs between the textures of a scene."""
        return self.stream(f"{name}/{self._textures}" if self._textures else name)

    def uniform(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def uniforms(self, low: float, high: float, count: int) -> Array:
        """That many numbers in [low, high), float64."""
        return low + (high - low) * self._generator.random(count)

    def signed(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [-1, 1), float32."""
        result: Array = self._generator.random(shape, dtype=np.float32) * np.float32(2) - np.float32(1)
        return result

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return float(self._generator.random()) < probability

    def count(self, low: int, high: int) -> int:
        """One integer in [low, high]."""
        return int(self._generator.integers(low, high + 1))

    def pick(self, options: tuple[Option, ...], weights: tuple[float, ...] | None = None) -> Option:
        """One of the options, equally likely unless weighted."""
        if weights is None:
            return options[self.count(0, len(options) - 1)]
        ball = self.uniform(0, sum(weights))
        for option, weight in zip(options, weights, strict=True):
            ball -= weight
            if ball < 0:
                return option
        return options[-1]


def clamp(values: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """Values limited to [low, high]."""
    result: Array = np.minimum(np.maximum(values, np.float32(low)), np.float32(high))
    return result


def smoothstep(low: float, high: float, values: Array) -> Array:
    """0 below ``low``, 1 above ``high``, a smooth cubic in between."""
    t = clamp((values - np.float32(low)) * np.float32(1 / (high - low)))
    result: Array = t * t * (np.float32(3) - np.float32(2) * t)
    return result


def mix(first: Any, second: Any, amount: Any) -> Any:
    """``first`` where amount is 0, ``second`` where it is 1: numbers or arrays."""
    return first + (second - first) * amount


def wave(turns: Array) -> Array:
    """A smooth wave of period 1 between -1 and 1 that stands in for the sine: exact everywhere."""
    t = turns - np.floor(turns) - 0.5
    result: Array = 16.0 * t * (0.5 - np.abs(t))
    return result


def _double(values: Array, axis: int) -> Array:
    """Twice as many samples along an axis: one step of Chaikin's corner cutting, periodic."""
    near = np.moveaxis(values * np.float32(0.75), axis, 0)
    far = np.moveaxis(values * np.float32(0.25), axis, 0)
    shape = list(values.shape)
    shape[axis] *= 2
    out = np.empty(shape, np.float32)
    finer = np.moveaxis(out, axis, 0)
    even, odd = finer[0::2], finer[1::2]
    np.add(near[1:], far[:-1], out=even[1:])
    even[0] = near[0] + far[-1]
    np.add(near[:-1], far[1:], out=odd[:-1])
    odd[-1] = near[-1] + far[0]
    return out


def _lattice(dice: Dice, shape: tuple[int, int], octaves: int, gain: float) -> Array:
    """Octave-summed noise on a periodic lattice that doubles ``octaves - 1`` times; standard deviation about 0.5."""
    values = dice.signed(shape)
    amplitude, power = 1.0, 1.0
    for _ in range(octaves - 1):
        amplitude *= gain
        power += amplitude * amplitude
        values = _double(_double(values, 0), 1)
        values += dice.signed(values.shape) * np.float32(amplitude)
    values *= np.float32(1.25 / sqrt(power))
    return values


def _resample(values: Array, count: int, step: float, axis: int) -> Array:
    """``count`` linear samples along an axis, ``step`` lattice cells apart."""
    position = np.arange(count, dtype=np.float32) * np.float32(step)
    low = position.astype(np.int32)
    part = position - low
    part = part[:, None] if axis == 0 else part
    first = np.take(values, low, axis)
    second = np.take(values, low + 1, axis)
    second -= first
    second *= part
    first += second
    result: Array = first
    return result


def field(
    dice: Dice,
    shape: tuple[int, int],
    cell: float | tuple[float, float],
    octaves: int = 5,
    gain: float = 0.5,
) -> Array:
    """Fractal value noise over an image region.

    Args:
        dice: Source of randomness; draws more for finer octaves, so give it a stream of its own.
        shape: Rows and columns of the region.
        cell: Size in pixels of the coarsest bumps, (vertical, horizontal) if they differ.
        octaves: How many times finer by two, at most: octaves finer than a pixel are left out.
        gain: Amplitude of each octave relative to the one before.

    Returns:
        Float32 of the given shape; mean 0, standard deviation about 0.5.
    """
    tall, wide = cell if isinstance(cell, tuple) else (cell, cell)
    height, width = shape
    levels = 1
    while levels < octaves and min(tall, wide) / 2**levels >= 1:
        levels += 1
    lattice = _lattice(dice, (int(height / tall) + 3, int(width / wide) + 3), levels, gain)
    scale = 2 ** (levels - 1)
    return _resample(_resample(lattice, height, scale / tall, 0), width, scale / wide, -1)


def tile(dice: Dice, size: int, cells: int, gain: float) -> Array:
    """A periodic square of fractal noise, ``cells`` coarse bumps a side; ``size / cells`` is a power of two."""
    return _lattice(dice, (cells, cells), (size // cells).bit_length(), gain)


def line(dice: Dice, width: int, cell: float, octaves: int = 4, gain: float = 0.5) -> Array:
    """One-dimensional smooth fractal noise: float32 (width,), standard deviation about 0.5."""
    levels = 1
    while levels < octaves and cell / 2**levels >= 1:
        levels += 1
    values = dice.signed((int(width / cell) + 3,))
    amplitude, power = 1.0, 1.0
    for _ in range(levels - 1):
        amplitude *= gain
        power += amplitude * amplitude
        values = _double(values, 0)
        values += dice.signed(values.shape) * np.float32(amplitude)
    values *= np.float32(1.0 / sqrt(power))
    return _resample(values, width, 2 ** (levels - 1) / cell, -1)


def ridge_line(dice: Dice, width: int, cell: float, octaves: int, gain: float = 0.5) -> Array:
    """A jagged skyline by midpoint displacement: float32 (width,), roughly in [-1, 1].

    Streams that start alike give skylines that agree in their coarse octaves, whatever the number of octaves.
    """
    values = dice.signed((int(width / cell) + 3,))
    values = np.abs(values) * np.float32(0.8) + np.float32(0.2)
    values[1::2] *= np.float32(-0.9)  # peaks and saddles take turns
    amplitude, levels = 0.75, 1
    while levels < octaves and cell / 2**levels >= 1:
        amplitude *= gain
        doubled = np.empty(len(values) * 2 - 1, np.float32)
        doubled[0::2] = values
        doubled[1::2] = (values[1:] + values[:-1]) * np.float32(0.5)
        doubled[1::2] += dice.signed((len(values) - 1,)) * np.float32(amplitude)
        values = doubled
        levels += 1
    return _resample(values, width, 2 ** (levels - 1) / cell, -1)


def halve(sprite: Array) -> Array:
    """Half the rows and columns (planes, rows, columns) by averaging; an odd last row or column is dropped."""
    rows, columns = sprite.shape[1] // 2 * 2, sprite.shape[2] // 2 * 2
    half = (sprite[:, 0:rows:2] + sprite[:, 1:rows:2]) * np.float32(0.5)
    result: Array = (half[:, :, 0:columns:2] + half[:, :, 1:columns:2]) * np.float32(0.5)
    return result


def resize(sprite: Array, rows: int, columns: int) -> Array:
    """Bilinear resize of (planes, rows, columns), pixel centres aligned; shrink by two at most, `halve` before that."""
    for axis, count in ((1, rows), (2, columns)):
        last = sprite.shape[axis] - 1
        scale = sprite.shape[axis] / count
        position = clamp(
            (np.arange(count, dtype=np.float32) + np.float32(0.5)) * np.float32(scale) - np.float32(0.5), 0, last
        )
        low = position.astype(np.int32)
        part = position - low
        part = part[:, None] if axis == 1 else part
        sprite = mix(np.take(sprite, low, axis), np.take(sprite, np.minimum(low + 1, last), axis), part)
    return sprite


def shade_of(relief: Array, light: float, strength: float) -> Array:
    """How much a bumpy surface is turned to a light from the side: about [-1, 1], float32.

    Args:
        relief: Heights (rows, columns).
        light: Direction the light comes from: -1 from the left, 1 from the right.
        strength: Scale of the slopes; proportional to the pixels of a bump makes it independent of resolution.
    """
    slope = np.zeros_like(relief)
    np.subtract(relief[:, :-1], relief[:, 1:], out=slope[:, 1:])
    slope *= np.float32(light * strength)
    down = relief[1:] - relief[:-1]
    down *= np.float32(0.5 * strength)
    slope[1:] += down
    return clamp(slope, -1, 1)

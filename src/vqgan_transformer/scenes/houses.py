"""Houses: walls, roof, windows, door and chimney, in large plain shapes that can be told apart from afar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp, field, mix, smoothstep
from .polygons import Drawing

__all__ = ["paint_house"]

Point = tuple[float, float]

_EYE = 0.5
"""Height at which level lines are seen level, in house heights: those above fall with distance, those below rise."""
_TALLEST = 1.12
"""Top of the chimney in house heights."""


@dataclass(frozen=True)
class _Style:
    """What a house is made of: albedos, and how rough its walls are.

    Attributes:
        wall: Walls.
        roof: Roof.
        trim: Frames of windows and door.
        door: Door and shutters.
        rough: Contrast of the wall's texture.
        boarded: Whether the walls are boards.
    """

    wall: tuple[float, float, float]
    roof: tuple[float, float, float]
    trim: tuple[float, float, float]
    door: tuple[float, float, float]
    rough: float = 0.03
    boarded: bool = False


_TERRACOTTA, _SLATE, _THATCH, _SHINGLE = (0.64, 0.27, 0.16), (0.25, 0.29, 0.36), (0.50, 0.39, 0.22), (0.33, 0.25, 0.19)
_WHITE, _CREAM = (0.94, 0.93, 0.90), (0.93, 0.88, 0.76)
_STYLES = (
    _Style((0.88, 0.82, 0.69), _TERRACOTTA, _WHITE, (0.22, 0.38, 0.34)),
    _Style((0.86, 0.85, 0.81), _SLATE, (0.99, 0.99, 0.97), (0.20, 0.32, 0.48)),
    _Style((0.84, 0.66, 0.40), _TERRACOTTA, _CREAM, (0.36, 0.22, 0.13)),
    _Style((0.88, 0.83, 0.73), _THATCH, _WHITE, (0.32, 0.24, 0.16)),
    _Style((0.64, 0.60, 0.53), _SLATE, _CREAM, (0.44, 0.16, 0.12), 0.11),
    _Style((0.70, 0.62, 0.50), _TERRACOTTA, _CREAM, (0.26, 0.32, 0.24), 0.11),
    _Style((0.58, 0.40, 0.24), _SLATE, _CREAM, (0.24, 0.36, 0.26), 0.05, True),
    _Style((0.66, 0.50, 0.33), _SHINGLE, _WHITE, (0.22, 0.34, 0.42), 0.05, True),
)
_SNOW = (0.93, 0.95, 1.0)


@dataclass(frozen=True)
class _Face:
    """An upright plane of a house that runs from one end to another, seen in perspective.

    Attributes:
        ends: Where it starts and ends, in house heights to the right.
        nearness: Scale of heights there, 1 at the corner next to the viewer.
    """

    ends: tuple[float, float]
    nearness: tuple[float, float] = (1.0, 1.0)

    @property
    def length(self) -> float:
        return self.ends[1] - self.ends[0]

    def at(self, along: float, up: float) -> Point:
        """The place that lies a part of the length along, and so high."""
        scale = mix(*self.nearness, along)
        return mix(*self.ends, along), _EYE + (up - _EYE) * scale

    def patch(self, along: tuple[float, float], up: tuple[float, float]) -> list[Point]:
        """The corners of an upright rectangle."""
        corners = ((along[0], up[0]), (along[1], up[0]), (along[1], up[1]), (along[0], up[1]))
        return [self.at(*corner) for corner in corners]


def paint_house(
    canvas: Canvas, dice: Dice, light: Light, x: float, row: float, size: float, depth: float, snowy: bool
) -> None:
    """A house of ``size`` rows: its corner or its long side in view, some with an annex; lit after sunset."""
    size = max(8.0, size)
    builder = _Builder(dice, light, size / _TALLEST, snowy)
    if dice.chance(0.62):
        builder.corner_view()
    else:
        builder.side_view()
    sprite = builder.drawing.cropped()
    canvas.paint_premultiplied(int(row) - sprite.shape[1] + 1, int(x - sprite.shape[2] / 2), sprite, "house", depth)


class _Builder:
    """Draws one house of a style of its own, ``unit`` pixels to the house height."""

    def __init__(self, dice: Dice, light: Light, unit: float, snowy: bool):
        self._dice = dice
        self._light = light
        self._style = dice.pick(_STYLES)
        self._snowy = snowy
        self._pixel = 1 / unit
        self._towards = dice.pick((-1.0, 1.0))  # where a gable looks: left or right
        self._annex = dice.chance(0.4)
        self._shutters = dice.chance(0.5)
        self.drawing = Drawing(unit, (-0.12, 2.45), _TALLEST, self._towards > 0)
        # Lamps burn when the sky gives little light: at dusk and by night.
        glow = light.ambient[0:1] + light.ambient[1:2] + light.ambient[2:3]
        self._lamps = smoothstep(1.32, 1.20, glow)

    def corner_view(self) -> None:
        """A gable and a long side that meet at the corner next to the viewer."""
        broad, length, eaves = (self._dice.uniform(*limits) for limits in ((0.62, 0.78), (0.95, 1.2), (0.48, 0.54)))
        lean = 0.34 * self._light.side * self._towards
        gable = _Face((0.0, broad), (0.93, 1.0))
        side = _Face((broad, broad + length), (1.0, 0.86))
        ridge = _Face((broad / 2, broad / 2 + length * 0.95), (0.965, 0.83))
        if self._annex:
            self._add_annex(side, eaves, 0.40 - lean)
        self._gable_wall(gable, eaves, 0.40 + lean)
        self._wing(side, ridge, (eaves, 1.0), 0.40 - lean)
        self._verge(gable, eaves, 0.46 + lean)
        if self._dice.chance(0.5):
            self._door(gable, 0.5, 0.40 + lean)
            self._windows(side, (0.27, 0.72), eaves - 0.21, 0.40 - lean)
        else:
            self._windows(gable, (0.5,), eaves - 0.21, 0.40 + lean)
            self._door(side, 0.3, 0.40 - lean)
            self._windows(side, (0.72,), eaves - 0.21, 0.40 - lean)
        self._windows(gable, (0.5,), 0.68, 0.40 + lean, 0.8)
        self._chimney(ridge.at(0.68, 0.0)[0] + 0.03, ridge.at(0.68, 1.0)[1])

    def side_view(self) -> None:
        """The long side from the front, under a hipped or a gabled roof."""
        length, eaves = self._dice.uniform(1.35, 1.7), self._dice.uniform(0.48, 0.54)
        inset = self._dice.pick((0.06, 0.36))
        side = _Face((0.0, length))
        if self._annex:
            self._add_annex(side, eaves, 0.42)
        self._wing(side, _Face((inset, length - inset), (0.95, 0.95)), (eaves, 0.97), 0.42)
        self._door(side, 0.5, 0.42)
        self._windows(side, (0.2, 0.8), eaves - 0.21, 0.42)
        self._chimney(mix(inset + 0.12, length - inset - 0.12, self._dice.pick((0.15, 0.85))), 0.93)

    def _add_annex(self, side: _Face, eaves: float, lit: float) -> None:
        """A lower wing that continues the long side, drawn before it."""
        shrink = side.nearness[1] - (side.nearness[0] - side.nearness[1]) * 0.45
        length = 0.46
        wing = _Face((side.ends[1] - 0.04, side.ends[1] + length), (side.nearness[1], shrink))
        back = _Face((wing.ends[0] - 0.1, wing.ends[1] - 0.1), (side.nearness[1] * 0.97, shrink * 0.97))
        self._wing(wing, back, (eaves - 0.12, 0.72), lit)
        self._windows(wing, (0.58,), eaves - 0.30, lit, 0.85)

    def _tone(self, albedo: tuple[float, float, float], lit: float) -> Array:
        """How a flat colour looks that faces the light by ``lit``."""
        return clamp(self._light.on(self._light.seen(planes(albedo)), np.float32(lit)))

    def _roof_tone(self, lit: float) -> Array:
        return self._tone(_SNOW if self._snowy else self._style.roof, lit)

    def _wall(self, corners: list[Point], lit: float) -> None:
        style = self._style
        wall = self._tone(style.wall, lit)
        cell = 0.10 if style.rough > 0.1 else 0.25
        rows, columns = self.drawing.sprite.shape[1:]
        grain = field(self._dice.texture("grain"), (rows, columns), max(2.0, cell / self._pixel), 3, 0.5)
        self.drawing.lay(corners, wall * (np.float32(1) + grain * np.float32(style.rough)))

    def _boards(self, face: _Face, eaves: float, lit: float) -> None:
        """Seams between boards, where a board is at least three pixels wide."""
        width = 0.062
        strength = min(1.0, max(0.0, width / self._pixel - 3.0))
        if not self._style.boarded or not strength:
            return
        seam, thick = self._tone(self._style.wall, lit) * np.float32(0.6), max(0.008, self._pixel)
        for number in range(1, int(eaves / width) + 1):
            self.drawing.lay(face.patch((0, 1), (number * width - thick, number * width)), seam, 0.5 * strength)

    def _gable_wall(self, gable: _Face, eaves: float, lit: float) -> None:
        corners = [gable.at(0, 0), gable.at(1, 0), gable.at(1, eaves), gable.at(0.5, 0.98), gable.at(0, eaves)]
        self._wall(corners, lit)
        self._boards(gable, eaves, lit)
        self._plinth(gable, lit)

    def _plinth(self, face: _Face, lit: float) -> None:
        stone = self._tone((0.44, 0.41, 0.38), lit * 0.8)
        self.drawing.lay(face.patch((0, 1), (0, max(0.05, self._pixel))), stone)

    def _wing(self, side: _Face, ridge: _Face, heights: tuple[float, float], lit: float) -> None:
        """A long wall and the roof above it that rises to the ridge."""
        eaves, top = heights
        self._wall(side.patch((0, 1), (0, eaves)), lit)
        self._boards(side, eaves, lit)
        self._plinth(side, lit)
        black = planes((0.0, 0.0, 0.0))
        self.drawing.lay(side.patch((0, 1), (eaves - 0.10, eaves)), black, 0.34)
        over, drip = 0.05 / side.length, eaves - 0.045
        lip = max(0.035, self._pixel)
        self.drawing.lay(side.patch((-over, 1 + over), (drip - lip, drip)), self._tone(self._style.roof, 0.05))
        slope = [side.at(-over, drip), side.at(1 + over, drip), ridge.at(1 + over, top), ridge.at(-over, top)]
        shine = 0.34 + 0.55 * lit
        self.drawing.lay(slope, self._roof_tone(shine))
        courses = min(1.0, max(0.0, 0.06 / self._pixel - 3.0))
        if courses and not self._snowy:
            for number in range(1, 9):
                low, high = number / 9, number / 9 + max(0.018, self._pixel / (top - eaves))
                course = [_between(slope[0], slope[3], low), _between(slope[1], slope[2], low)]
                course += [_between(slope[1], slope[2], high), _between(slope[0], slope[3], high)]
                self.drawing.lay(course, black, 0.16 * courses)

    def _verge(self, gable: _Face, eaves: float, lit: float) -> None:
        """The edges of the roof along both slopes of a gable, and their shadow on the wall."""
        thick, out = max(0.065, 1.6 * self._pixel), 0.09
        rise = (1.0 - eaves) / 0.5
        for start, tone in ((0.0, lit + 0.1), (1.0, lit + 0.1)):
            outward = -out if start == 0 else 1 + out
            foot = eaves - out * rise
            for down, colour, opacity in (
                (thick + 0.06, planes((0.0, 0.0, 0.0)), 0.3),
                (thick, self._roof_tone(tone), 1.0),
            ):
                ends = (start, eaves) if opacity < 1 else (outward, foot)
                slab = [
                    gable.at(*ends),
                    gable.at(0.5, 1.0),
                    gable.at(0.5, 1.0 - down),
                    gable.at(ends[0], ends[1] - down),
                ]
                self.drawing.lay(slab, colour, opacity)

    def _windows(self, face: _Face, places: tuple[float, ...], up: float, lit: float, scale: float = 1.0) -> None:
        """Windows whose middles lie at parts of a wall's length and that high."""
        wide, tall = max(0.155 * scale, 3.2 * self._pixel), max(0.19 * scale, 3.4 * self._pixel)
        frame = max(0.022, 0.9 * self._pixel)
        half, rim = wide / 2 / face.length, frame / face.length
        low, high = up - tall / 2, up + tall / 2
        trim, glass = self._tone(self._style.trim, lit + 0.12), self._glass()
        bar = max(0.014, self._pixel)
        for place in places:
            if self._shutters and scale == 1.0 and 0.065 / self._pixel >= 3:
                leaf = half + rim + 0.065 / face.length
                shutter = self._tone(self._style.door, lit)
                self.drawing.lay(face.patch((place - leaf, place + leaf), (low, high)), shutter)
            self.drawing.lay(face.patch((place - half - rim, place + half + rim), (low - frame, high + frame)), trim)
            self.drawing.lay(face.patch((place - half, place + half), (low, high)), glass)
            if wide / self._pixel >= 9:
                thin = bar / 2 / face.length
                self.drawing.lay(face.patch((place - thin, place + thin), (low, high)), trim)
                self.drawing.lay(face.patch((place - half, place + half), (up - bar / 2, up + bar / 2)), trim)
                sill = half + 1.6 * rim
                self.drawing.lay(face.patch((place - sill, place + sill), (low - 1.8 * frame, low - frame)), trim)

    def _glass(self) -> Array:
        by_day = self._tone((0.17, 0.23, 0.30), 0.5) + self._light.horizon * np.float32(0.10)
        return clamp(mix(by_day, planes((1.0, 0.78, 0.38)), self._lamps))

    def _door(self, face: _Face, place: float, lit: float) -> None:
        """A door in its frame, with a step before it."""
        half, tall = max(0.085, 1.7 * self._pixel) / face.length, 0.33
        frame = max(0.022, 0.8 * self._pixel)
        rim, foot = frame / face.length, max(0.04, self._pixel)
        trim = self._tone(self._style.trim, lit + 0.05)
        self.drawing.lay(face.patch((place - half - rim, place + half + rim), (0, tall + frame)), trim)
        self.drawing.lay(face.patch((place - half, place + half), (0, tall)), self._tone(self._style.door, lit))
        if half * face.length / self._pixel >= 5:
            self.drawing.lay(face.patch((place - half * 0.6, place + half * 0.6), (0.22, 0.29)), self._glass())
        step = half + 2.4 * rim
        self.drawing.lay(
            face.patch((place - step, place + step), (0, foot)), self._tone((0.70, 0.68, 0.64), lit + 0.25)
        )

    def _chimney(self, middle: float, ridge: float) -> None:
        """A chimney that rises from the slope in front of the ridge."""
        half, cap = max(0.062, 1.3 * self._pixel), max(0.04, self._pixel)
        foot, top = ridge - 0.10, _TALLEST - cap
        lean = 0.3 * self._light.side * self._towards
        brick = (0.55, 0.36, 0.29) if self._style.rough < 0.1 else (0.55, 0.52, 0.48)
        edge = middle - 0.3 * half
        self.drawing.lay(_upright(middle - half, edge, foot, top), self._tone(brick, 0.4 + lean))
        self.drawing.lay(_upright(edge, middle + half, foot, top), self._tone(brick, 0.4 - lean))
        stone = _SNOW if self._snowy else (0.62, 0.58, 0.54)
        self.drawing.lay(_upright(middle - half * 1.2, middle + half * 1.2, top, top + cap), self._tone(stone, 0.5))


def _upright(left: float, right: float, low: float, high: float) -> list[Point]:
    return [(left, low), (right, low), (right, high), (left, high)]


def _between(first: Point, second: Point, amount: float) -> Point:
    """The point that lies a part of the way from one to the other."""
    return mix(first[0], second[0], amount), mix(first[1], second[1], amount)

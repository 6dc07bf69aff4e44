"""Plants: conifers, broadleaf trees, bare trees and bushes, drawn once a scene and set out at many sizes."""

from __future__ import annotations

from math import sqrt

import numpy as np

from .canvas import Canvas
from .light import Light
from .noise import Array, Dice, clamp, field, halve, line, mix, resize, smoothstep, wave

__all__ = ["Nursery", "paint_forest", "shadow"]


class Nursery:
    """The plants of a scene: a few drawings of each kind, resized as they are needed.

    Args:
        dice: Source of randomness.
        light: The scene's light; plants are drawn lit.
        colours: Albedos by name.
        leaves: Albedos of three broadleaf trees.
        snowy: Whether snow lies on all of them.
        height: Rows of the picture.
    """

    def __init__(
        self, dice: Dice, light: Light, colours: dict[str, Array], leaves: list[Array], snowy: bool, height: int
    ):
        self._dice = dice
        self._light = light
        self._colours = colours
        self._leaves = leaves
        self._snowy = snowy
        self._height = height
        self._drawings: dict[tuple[str, int], list[Array]] = {}
        self._sized: dict[tuple[str, int, int], Array] = {}

    def sprite(self, kind: str, variant: int, rows: int) -> Array:
        """A plant of that many rows: premultiplied colour and coverage (4, rows, columns), float32 in [0, 1]."""
        rows = max(3, rows)
        key = kind, variant, rows
        if key not in self._sized:
            drawing = self._drawing(kind, variant)
            # The smallest drawing that is still as large as what is asked for.
            level = 0
            while level + 1 < len(drawing) and drawing[level + 1].shape[1] >= rows:
                level += 1
            columns = max(2, round(rows * drawing[0].shape[2] / drawing[0].shape[1]))
            self._sized[key] = resize(drawing[level], rows, columns)
        return self._sized[key]

    def through_air(self, sprite: Array, distance: float) -> Array:
        """A sprite as it looks from afar."""
        out = sprite.copy()
        amount = np.float32(min(1.0, distance * self._light.haze_strength))
        out[:3] += (self._light.haze * sprite[3] - sprite[:3]) * amount
        result: Array = out
        return result

    def _drawing(self, kind: str, variant: int) -> list[Array]:
        """A plant at its largest and halved again and again, premultiplied."""
        key = kind, variant
        if key not in self._drawings:
            rows = max(48, int(self._height * {"bush": 0.16}.get(kind, 0.48)))
            dice = self._dice.stream(f"{kind}{variant}")
            draw = {"conifer": self._conifer, "broadleaf": self._broadleaf, "bare": self._bare, "bush": self._bush}[
                kind
            ]
            colour, alpha = draw(dice, rows, variant)
            alpha = clamp(alpha)
            levels = [np.concatenate([clamp(colour) * alpha, alpha[None]])]
            while levels[-1].shape[1] >= 8:
                levels.append(halve(levels[-1]))
            self._drawings[key] = levels
        return self._drawings[key]

    def _conifer(self, dice: Dice, rows: int, variant: int) -> tuple[Array, Array]:
        """Tiers of drooping branches that widen downwards, darker below each tier."""
        columns = int(rows * (0.40, 0.46, 0.34)[variant % 3])
        down = ((np.arange(rows, dtype=np.float32) + np.float32(0.5)) / np.float32(rows))[:, None]
        across = (np.arange(columns, dtype=np.float32) + np.float32(0.5 - columns / 2)) / np.float32(rows)
        grain = field(dice.texture("grain"), (rows, columns), (rows * 0.05, rows * 0.08), 5, 0.6)
        tiers = dice.uniform(7, 11)
        reach = np.abs(across) + grain * np.float32(0.016) * clamp(down * np.float32(8))
        tier = (
            down * np.float32(tiers * 0.95)
            - reach * np.float32(tiers * 0.75)
            + clamp(across * np.float32(14), -1, 1) * np.float32(0.22)
        )
        within = tier - np.floor(tier)
        half = np.float32(columns / rows * 0.47) * (down * np.float32(0.98) + np.float32(0.015))
        half = half * (np.float32(0.66) + np.float32(0.38) * within)
        # The tip is wide enough to be seen, and labelled, in a small picture; in a large one it can be finer.
        slim = np.float32(min(1.0, sqrt(256 / self._height)))
        half = np.maximum(half, (np.float32(0.010) + np.float32(0.007) * clamp(down * np.float32(16))) * slim)
        ends = clamp((np.float32(0.93) - down + grain * np.float32(0.03)) * np.float32(40))
        alpha = clamp((half - reach) * np.float32(rows * 0.6) + np.float32(0.5)) * ends
        side = across / np.maximum(half, np.float32(0.01)) * np.float32(self._light.side)
        facing = (
            np.float32(0.50)
            + clamp(side, -1, 1) * np.float32(0.36)
            - within * np.float32(0.26)
            + grain * np.float32(0.22)
        )
        tone = self._colours["conifer"] * (np.float32(1) + np.float32(0.2) * grain)
        if self._snowy:
            snow = smoothstep(0.35, 0.1, within + grain * np.float32(0.25))
            tone = mix(tone, self._colours["snow"], snow * np.float32(0.85))
        colour = self._light.on(tone, clamp(facing, 0.02, 1) * np.float32(1.15))
        return self._with_trunk(colour, alpha, across, down, 0.86, 0.022)

    def _with_trunk(
        self, colour: Array, alpha: Array, across: Array, down: Array, start: float, width: float
    ) -> tuple[Array, Array]:
        """Add a trunk behind the foliage, from ``start`` of the height to the ground."""
        flare = np.float32(width) * (np.float32(0.8) + np.float32(0.5) * down)
        trunk = clamp((flare - np.abs(across)) * np.float32(len(down)) + np.float32(0.5)) * (down > np.float32(start))
        facing = np.float32(0.45) + clamp(across / flare, -1, 1) * np.float32(0.4 * self._light.side)
        bark = self._light.on(self._colours["trunk"], facing)
        both = alpha + trunk * (np.float32(1) - alpha)
        share = alpha / np.maximum(both, np.float32(1e-3))
        return mix(bark, colour, share), both

    def _crown(
        self, dice: Dice, rows: int, columns: int, clumps: list[tuple[float, float, float]], tuft: float
    ) -> tuple[Array, Array, Array]:
        """Round clumps of leaves: coverage, how they face the light, and grain.

        Clumps are (x, y, radius) in heights of the plant, as is the size of a tuft of leaves.
        """
        down = ((np.arange(rows, dtype=np.float32) + np.float32(0.5)) / np.float32(rows))[:, None]
        across = ((np.arange(columns, dtype=np.float32) + np.float32(0.5 - columns / 2)) / np.float32(rows))[None]
        grain = field(dice.texture("grain"), (rows, columns), rows * tuft, 5, 0.58)
        leaf = field(dice.texture("leaf"), (rows, columns), rows * tuft * 0.45, 4, 0.65)
        rough = grain * np.float32(0.26) + leaf * np.float32(0.18)
        best = np.full((rows, columns), -9, np.float32)
        facing = np.zeros((rows, columns), np.float32)
        for x, y, radius in clumps:
            top, bottom = max(0, int((y - radius * 1.5) * rows)), min(rows, int((y + radius * 1.5) * rows) + 1)
            left = max(0, int((x - radius * 1.5) * rows + columns / 2))
            right = min(columns, int((x + radius * 1.5) * rows + columns / 2) + 1)
            box = slice(top, bottom), slice(left, right)
            u = (across[:, left:right] - np.float32(x)) * np.float32(1 / radius)
            v = (down[top:bottom] - np.float32(y)) * np.float32(1 / radius)
            bulge = np.float32(1) - u * u - v * v + rough[box]
            lit = clamp(u * np.float32(self._light.side * 0.34) - v * np.float32(0.40), -0.42, 0.30)
            ahead = bulge > best[box]
            np.copyto(best[box], bulge, where=ahead)
            np.copyto(facing[box], lit, where=ahead)
        alpha = clamp((best + grain * np.float32(0.16)) * np.float32(rows * 0.14) + np.float32(0.5))
        whole = across * np.float32(self._light.side * 0.45) - (down - np.float32(0.45)) * np.float32(0.45)
        return (
            alpha,
            clamp(
                np.float32(0.46)
                + facing * np.float32(0.8)
                + whole
                + grain * np.float32(0.14)
                + leaf * np.float32(0.16),
                0.03,
                1.0,
            ),
            leaf,
        )

    def _broadleaf(self, dice: Dice, rows: int, variant: int) -> tuple[Array, Array]:
        """A crown of clumps on a trunk."""
        columns = int(rows * 0.86)
        wide, tall = ((0.20, 0.18), (0.23, 0.15), (0.17, 0.20))[variant % 3]
        clumps = [(0.0, 0.40, 0.20)]  # what the others gather around: no clump floats
        for index in range(16):
            # The outer ones go around the crown at even turns, the inner ones lie on its face.
            out = 1.0 if index < 10 else dice.uniform(0.15, 0.65)
            turn = np.float64(index / 10 + dice.uniform(-0.03, 0.03))
            x, y = float(wave(turn)) * wide * out, float(wave(turn + 0.25)) * tall * out
            clumps.append((x, 0.40 + y, dice.uniform(0.10, 0.14)))
        alpha, facing, grain = self._crown(dice, rows, columns, clumps, 0.07)
        tone = self._leaves[variant % 3] * (np.float32(1) + np.float32(0.18) * grain)
        colour = self._light.on(tone, facing)
        down = ((np.arange(rows, dtype=np.float32) + np.float32(0.5)) / np.float32(rows))[:, None]
        across = ((np.arange(columns, dtype=np.float32) + np.float32(0.5 - columns / 2)) / np.float32(rows))[None]
        return self._with_trunk(colour, alpha, across, down, 0.45, 0.022)

    def _bush(self, dice: Dice, rows: int, variant: int) -> tuple[Array, Array]:
        """A low mound of leaves that reaches the ground."""
        columns = int(rows * 1.95)
        clumps = [(dice.uniform(-0.44, 0.44), dice.uniform(0.5, 0.8), dice.uniform(0.2, 0.28)) for _ in range(9)]
        clumps += [(0.0, 0.6, 0.36), (-0.38, 0.75, 0.28), (0.38, 0.75, 0.28)]
        alpha, facing, grain = self._crown(dice, rows, columns, clumps, 0.14)
        down = ((np.arange(rows, dtype=np.float32) + np.float32(0.5)) / np.float32(rows))[:, None]
        across = (np.arange(columns, dtype=np.float32) + np.float32(0.5 - columns / 2)) / np.float32(rows)
        # It sits on the ground with a round and ragged lower edge.
        hem = np.float32(0.97) - down - across * across * np.float32(0.28) + grain * np.float32(0.05)
        alpha = alpha * clamp(hem * np.float32(rows * 0.4))
        tone = self._colours["bush"] * (np.float32(1) + np.float32(0.2) * grain)
        if self._snowy:
            lies = smoothstep(0.26, 0.5, facing * np.float32(0.6) + np.float32(0.62) - down + grain * np.float32(0.12))
            tone = mix(tone, self._colours["snow"], lies * np.float32(0.92))
        return self._light.on(tone, facing), alpha

    def _bare(self, dice: Dice, rows: int, variant: int) -> tuple[Array, Array]:
        """Branches that fork until they are twigs, drawn at twice the size and averaged down."""
        columns = int(rows * 0.9)
        strokes = []
        tips = [(0.0, 0.0, dice.uniform(-0.05, 0.05), -1.0, 0.30, 0.026)]
        for generation in range(6):
            grown = []
            for x, y, along_x, along_y, length, thick in tips:
                strokes.append((x, y, along_x, along_y, length, thick))
                x, y = x + along_x * length, y + along_y * length
                for sign in (-1, 1) if generation else (-1, 1, 0.2):
                    turn = sign * dice.uniform(0.25, 0.75)
                    turned_x, turned_y = along_x + turn * -along_y, along_y + turn * along_x
                    norm = sqrt(turned_x * turned_x + turned_y * turned_y)
                    grown.append(
                        (x, y, turned_x / norm, turned_y / norm, length * dice.uniform(0.6, 0.8), thick * 0.66)
                    )
            tips = grown
        # Every twig ends inside the drawing.
        high = max(-y for _, y, *_ in tips)
        far = max(abs(x) for x, *_ in tips)
        scale = 2 * rows * min(0.97 / high, 0.43 / far)
        ink = np.zeros((2 * rows, 2 * columns), np.float32)
        for x, y, along_x, along_y, length, thick in strokes:
            start_x, start_y = columns + x * scale, 2 * rows - 1 + y * scale
            _stroke(ink, start_x, start_y, along_x, along_y, length * scale, thick * scale)
        alpha = halve(ink[None])[0]
        step = max(1, round(rows * 0.014))
        sideways, above = alpha.copy(), alpha.copy()
        if self._light.side < 0:
            sideways[:, step:] -= alpha[:, :-step]
        else:
            sideways[:, :-step] -= alpha[:, step:]
        above[step:] -= alpha[:-step]
        tone = mix(self._colours["trunk"], self._leaves[variant % 3], np.float32(0.4))
        if self._snowy:
            tone = mix(tone, self._colours["snow"], clamp(above) * np.float32(0.9))
        return self._light.on(tone, np.float32(0.45) + clamp(sideways) * np.float32(0.45)), alpha


def _stroke(ink: Array, x: float, y: float, along_x: float, along_y: float, length: float, thick: float) -> None:
    """Ink a straight stroke of a given thickness by square dabs."""
    count = max(2, int(length))
    steps = np.arange(count, dtype=np.float64) * (length / count)
    columns = np.floor(x + along_x * steps).astype(np.int64)
    rows = np.floor(y + along_y * steps).astype(np.int64)
    reach = int(thick / 2 + 0.5)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            inked_rows, inked_columns = rows + down, columns + right
            inside = (
                (inked_rows >= 0) & (inked_rows < ink.shape[0]) & (inked_columns >= 0) & (inked_columns < ink.shape[1])
            )
            ink[inked_rows[inside], inked_columns[inside]] = 1


def shadow(canvas: Canvas, light: Light, x: float, row: float, width: float, strength: float) -> None:
    """A soft flat shadow on the ground, thrown away from the light."""
    half_wide, half_tall = max(1.5, width * 0.75), max(1.0, width * 0.13)
    x = x - light.side * width * 0.4
    top, left = int(row - half_tall), int(x - half_wide)
    down = (np.arange(int(2 * half_tall) + 2, dtype=np.float32) + np.float32(top - row)) * np.float32(1 / half_tall)
    right = (np.arange(int(2 * half_wide) + 2, dtype=np.float32) + np.float32(left - x)) * np.float32(1 / half_wide)
    blot = smoothstep(0.0, 1.0, np.float32(1) - (down * down)[:, None] - right * right)
    canvas.darken(top, left, blot * np.float32(strength))


def paint_forest(
    canvas: Canvas,
    dice: Dice,
    nursery: Nursery,
    base: Array,
    size: float,
    rows_of_trees: int,
    share: float,
    kinds: tuple[str, ...],
    depth: tuple[float, float],
    distance: float,
) -> None:
    """Rows of trees from back to front along a curve.

    Args:
        canvas: What is painted on.
        dice: Source of randomness.
        nursery: Where the trees come from.
        base: Row of the ground at each column for the hindmost trees, float32 (width,).
        size: Rows a tree of the hindmost row covers.
        rows_of_trees: How many rows stand behind one another.
        share: How much of the width is wooded.
        kinds: Which plants grow here.
        depth: Inverse depth of the first and of the last row.
        distance: For the haze: 0 here, 1 the last range.
    """
    wood = line(dice.stream("wood"), canvas.width, canvas.height * 0.45, 4)
    limit = 0.75 - 1.5 * share
    for index in range(rows_of_trees):
        part = index / max(1, rows_of_trees - 1)
        tall = size * (1 + 0.35 * part)
        spacing = max(1.5, tall * 0.30)
        for variant in range(3):
            stream = dice.stream(f"{index}.{variant}")
            kind = kinds[variant % len(kinds)]
            columns = (
                np.arange(stream.uniform(-1, 1) * spacing, canvas.width + spacing, spacing * 3) + variant * spacing
            )
            columns = columns + stream.uniforms(-0.9, 0.9, len(columns)) * spacing
            inside = np.clip(columns, 0, canvas.width - 1).astype(np.int64)
            grows = wood[inside] > limit + 0.1 * stream.uniforms(-1, 1, len(columns))
            columns, inside = columns[grows], inside[grows]
            if not len(columns):
                continue
            rows = max(3, round(tall * stream.uniform(0.8, 1.15) * (0.8 if kind == "broadleaf" else 1.0)))
            sprite = nursery.through_air(nursery.sprite(kind, (variant + index) % 3, rows), distance)
            foot = base[inside] + np.float32(size * 0.42 * index)
            foot = foot + stream.uniforms(-0.1, 0.1, len(columns)) * size
            tops = np.floor(foot).astype(np.int64) - sprite.shape[1] + 1
            lefts = np.floor(columns - sprite.shape[2] / 2).astype(np.int64)
            shade = stream.uniforms(0.82, 1.12, len(columns)) * (0.86 + 0.14 * part)
            near = np.full(len(columns), depth[0] + (depth[1] - depth[0]) * part)
            canvas.stamp(sprite, tops, lefts, shade, "tree", near)

"""Label maps as people and segmenters draw them: boxes, blobs and sticks, ragged edges, holes, places without a label.

A generator that sees such maps beside true pictures learns that a box labelled *tree* means a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .label_components import Component, Components
from .label_scaling import enlarged, nearest, reduced

__all__ = ["WORKING_SIDE", "crude_map", "shares_in_cells", "without"]

WORKING_SIDE = 256
"""The longest side at which maps are redrawn, in pixels."""

LARGEST_THINGS = 0.08, 0.25
"""Components are things up to a share of the map that is drawn from this range."""

LARGEST_CORNER = 0.05
"""What fills a lower corner of the map is ground beyond this share."""

WIDEST_AT_THE_EDGE = 0.35
"""What is wider than this share of the map and touches its top or bottom is sky or ground."""

DRAWN_THINGS = 40
"""The largest things are drawn one by one, at most so many; the others stay as they are."""

SMOOTHED_LABELS = 24
"""Labels that are smoothed, the most frequent ones; the others are too small to outlast it."""


def crude_map(
    labels: np.ndarray, generator: np.random.Generator, *, things: Collection[int] | None = None
) -> np.ndarray:
    """A label map drawn crudely, in a way and to a degree that are drawn at random.

    Args:
        labels: int64 (H, W), -1 where unlabelled.
        generator: decides how; the same one gives the same map.
        things: the labels whose components are things, which are drawn as shapes or left out. By default a component is
            a thing that covers little of the map and does not reach from one edge to the opposite one; so is what stands
            out of a band that does, as a tall tree out of a forest.

    Returns:
        int64 (H, W) of labels of the map, or -1.
    """
    if not (labels >= 0).any():
        return labels
    small = reduced(labels, WORKING_SIDE)
    strength, largest = float(generator.random()), float(generator.uniform(*LARGEST_THINGS))
    sheet = Sheet(small, _components(small), things, generator, strength, largest)
    weights = np.array([weight for weight, _ in WAYS])
    _, steps = WAYS[int(generator.choice(len(WAYS), p=weights / weights.sum()))]
    crude = small
    for step, probability in steps:
        if generator.random() < probability:
            crude = step(sheet, crude)
    if not (crude >= 0).any():
        crude = small
    return enlarged(crude, labels.shape).astype(np.int64)


@dataclass(frozen=True)
class Sheet:
    """What the steps of a drawing know.

    Attributes:
        labels: the true map, int32 (h, w).
        components: of it.
        thing_labels: the labels of things, if they were named.
        generator: of random numbers.
        strength: from 0, slight, to 1, strong.
        largest: share of the map that a thing covers at most.
    """

    labels: np.ndarray
    components: Components
    thing_labels: Collection[int] | None
    generator: np.random.Generator
    strength: float
    largest: float

    def things(self) -> np.ndarray:
        """Which components are things, bool (N,)."""
        parts = self.components
        if self.thing_labels is not None:
            return np.isin(parts.labels, [*self.thing_labels])
        crosses = (parts.edges[:, 0] & parts.edges[:, 1]) | (parts.edges[:, 2] & parts.edges[:, 3])
        corner = (parts.edges[:, 1:].sum(1) > 1) & (parts.areas > LARGEST_CORNER * self.labels.size)
        sky = parts.edges[:, :2].any(1) & (parts.widths > WIDEST_AT_THE_EDGE * self.labels.shape[1])
        small = parts.areas < self.largest * self.labels.size
        result: np.ndarray = (parts.labels >= 0) & small & ~(crosses | corner | sky)
        return result

    def between(self, low: float, high: float) -> float:
        """A random number, nearer to `high` the stronger the drawing."""
        return low + (high - low) * (0.3 * float(self.generator.random()) + 0.7 * self.strength)


def painted(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Things as shapes on a background without them: scraps of the background's labels first, then from far to near.

    What is nearer has a lower lower edge.
    """
    del labels  # is drawn anew
    parts, generator = sheet.components, sheet.generator
    things = sheet.things()
    canvas = without(sheet.labels, things[parts.numbers])
    if generator.random() < 0.7:
        canvas = smoothed(sheet, canvas)
    if generator.random() < 0.35:
        things &= parts.areas > sheet.between(0.0005, 0.008) * canvas.size
    if generator.random() < 0.15:
        things &= (generator.random(len(things)) < 0.6) | (parts.areas > 0.05 * canvas.size)
    numbers = np.flatnonzero(things)
    largest = numbers[np.argsort(-parts.areas[numbers], kind="stable")][:DRAWN_THINGS]
    others = things.copy()
    others[largest] = False
    canvas = np.where(others[parts.numbers], sheet.labels, canvas)
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    favourite = SHAPES[int(generator.integers(len(SHAPES)))] if generator.random() < 0.65 else None
    scraps = {*parts.labels[~sheet.things()].tolist()}
    drawn = sorted(
        (parts[int(number)] for number in largest), key=lambda thing: (thing.label not in scraps, thing.bottom)
    )
    for thing in drawn:
        shape = favourite or SHAPES[int(generator.integers(len(SHAPES)))]
        if _winds(thing) and thing.bottom - thing.top > 0.2 * len(canvas):
            shape = (_polygon, _dabs)[int(generator.integers(2))]
        shape(draw, thing, sheet)
    return np.array(picture)


def _winds(thing: Component) -> bool:
    """Whether a thing is far from filling its box, as a path does, so that the box would bury what is around it."""
    box = (thing.right - thing.left + 1) * (thing.bottom - thing.top + 1)
    return int((thing.stops - thing.starts).sum()) < 0.35 * box


def _box_of(thing: Component, sheet: Sheet, most: float = 0.12) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a thing, each moved a little, as a hand misses."""
    reach = np.array((thing.right - thing.left, thing.bottom - thing.top) * 2) + 1.0
    moved = reach * most * (0.3 + 0.7 * sheet.strength) * sheet.generator.uniform(-1, 1, 4)
    left, top, right, bottom = np.array((thing.left, thing.top, thing.right, thing.bottom)) + moved
    return float(left), float(top), float(max(left, right)), float(max(top, bottom))


def _box(draw: ImageDraw.ImageDraw, thing: Component, sheet: Sheet) -> None:
    draw.rectangle(_box_of(thing, sheet), fill=thing.label)


def _ellipse(draw: ImageDraw.ImageDraw, thing: Component, sheet: Sheet) -> None:
    draw.ellipse(_box_of(thing, sheet), fill=thing.label)


def _polygon(draw: ImageDraw.ImageDraw, thing: Component, sheet: Sheet) -> None:
    """A few corners on either side, at bands from top to bottom."""
    lefts, rights = thing.extents
    count = int(sheet.generator.integers(2, 6)) + 4 * _winds(thing)
    bands = np.array_split(np.arange(len(lefts)), min(len(lefts), count))
    rows = thing.top + np.array([band.mean() for band in bands])
    rows[0], rows[-1] = (thing.top + bands[0][0] + rows[0]) / 2, thing.top + bands[-1][-1]
    columns = (
        np.array([np.percentile(lefts[band], 20) for band in bands]),
        np.array([np.percentile(rights[band], 80) for band in bands]),
    )
    corners = np.concatenate([np.stack([columns[0], rows], 1), np.stack([columns[1], rows], 1)[::-1]])
    tip = ((lefts[0] + rights[0]) / 2, thing.top)
    corners = np.concatenate([corners, [tip]])
    reach = 0.02 + 0.06 * sheet.strength
    scale = (thing.right - thing.left + 1, thing.bottom - thing.top + 1)
    corners = corners + reach * np.array(scale) * sheet.generator.normal(size=corners.shape)
    draw.polygon([(float(x), float(y)) for x, y in corners], fill=thing.label, outline=thing.label)


def _stick(draw: ImageDraw.ImageDraw, thing: Component, sheet: Sheet) -> None:
    """A thick stroke along the longer side; or, where a thing stands on a narrow foot, a trunk with a blob on top."""
    left, top, right, bottom = _box_of(thing, sheet, 0.08)
    across, down = right - left + 1, bottom - top + 1
    random = sheet.generator.random
    if across > 1.3 * down:
        _stroke(
            draw, (left, (top + bottom) / 2), (right, (top + bottom) / 2), down * (0.5 + 0.4 * random()), thing.label
        )
        return
    lefts, rights = thing.extents
    foot = (float(lefts[-1] + rights[-1]) / 2, bottom)
    blob = top + down * (0.3 + 0.4 * random())
    narrow = 0.15 + 0.35 * random()
    if random() < 0.7 and rights[-1] - lefts[-1] < 0.6 * across:
        draw.ellipse((left, top, right, max(top, blob)), fill=thing.label)
        narrow = min(narrow, 0.35)
    _stroke(draw, ((left + right) / 2, top + 0.2 * down), foot, across * narrow, thing.label)


def _stroke(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], stop: tuple[float, float], width: float, label: int
) -> None:
    """A line with round ends, at least two pixels wide, that ends where it should."""
    way = np.subtract(stop, start)
    radius = max(1.0, width / 2)
    inset = way / max(1e-6, float(np.hypot(*way))) * min(radius, float(np.hypot(*way)) / 2)
    ends = [tuple(np.add(start, inset)), tuple(np.subtract(stop, inset))]
    draw.line([(float(x), float(y)) for x, y in ends], fill=label, width=max(2, round(width)))
    for x, y in ends:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=label)


def _dabs(draw: ImageDraw.ImageDraw, thing: Component, sheet: Sheet) -> None:
    """Dabs of a round brush inside the thing."""
    area = int((thing.stops - thing.starts).sum())
    radius = max(1.0, sheet.between(0.18, 0.4) * area**0.5)
    rows, columns = thing.places(sheet.generator, 3 + int(2.5 * area / (3 * radius**2)))
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=thing.label)


SHAPES: tuple[Callable[[ImageDraw.ImageDraw, Component, Sheet], None], ...] = (_box, _ellipse, _polygon, _polygon, _stick, _dabs)  # fmt: skip


def lacking_small_things(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Small things are missing."""
    parts = sheet.components
    missing = sheet.things() & (parts.areas < sheet.between(0.001, 0.015) * labels.size)
    return without(labels, missing[parts.numbers])


def without(labels: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Holes take the nearest label beside them in their row, so that horizons go on; or else above or below them."""
    filled, known = _along_rows(labels, ~holes)
    if known.all():
        return filled
    filled, known = _along_rows(filled.T, known.T)
    return filled.T if known.all() else labels


def _along_rows(labels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest known label of each place in its row, and where there is one."""
    columns, width = np.arange(labels.shape[1]), labels.shape[1]
    before = np.maximum.accumulate(np.where(known, columns, -2 * width), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, 3 * width)[:, ::-1], axis=1)[:, ::-1]
    nearest = np.where(columns - before <= after - columns, before, after)
    there = (nearest >= 0) & (nearest < width)
    return np.take_along_axis(labels, np.where(there, nearest, columns), axis=1), there


def smoothed(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Smooth edges: the labels' shares in cells, scaled up smoothly, of which the largest counts."""
    cell = max(2.0, min(labels.shape) * sheet.between(0.01, 0.07))
    shares, names = shares_in_cells(labels, cell)
    height, width = labels.shape
    most, result = np.full(labels.shape, -1, dtype=np.int16), np.zeros(labels.shape, dtype=np.int32)
    for label in np.argsort(-shares.sum((0, 1)), kind="stable")[:SMOOTHED_LABELS]:
        share = Image.fromarray(np.ascontiguousarray(shares[..., label]))
        scaled = np.asarray(share.resize((width, height), Image.Resampling.BICUBIC))
        np.copyto(result, names[label], where=scaled > most)
        most = np.maximum(most, scaled)
    return result


def blocky(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Square cells, of 1/64 to 1/12 of the height, of the most frequent label or of the one in their middle."""
    cell = max(1.0, labels.shape[0] * sheet.between(1 / 64, 1 / 12))
    if sheet.generator.random() < 0.5:
        shares, names = shares_in_cells(labels, cell)
        cells = names[shares.argmax(-1)]
    else:
        cells = nearest(labels, *(max(1, round(side / cell)) for side in labels.shape))
    return nearest(cells, *labels.shape)


def shares_in_cells(labels: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """The labels' shares in square cells, uint8 (rows, columns, K), 255 for the whole; and which labels they are, (K,)."""
    rows, columns = (max(1, round(side / cell)) for side in labels.shape)
    names, kinds = np.unique(labels, return_inverse=True)
    across, down = (np.arange(side) * count // side for side, count in zip(labels.shape, (rows, columns), strict=True))
    place = (across[:, None] * columns + down) * len(names) + kinds.reshape(labels.shape)
    counts = np.bincount(place.ravel(), minlength=rows * columns * len(names)).reshape(rows, columns, len(names))
    return (counts * 255 // counts.sum(-1, keepdims=True)).astype(np.uint8), names


def ragged(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Edges that waver, by up to some 4 % of the side, as a segmenter's do."""
    side = max(labels.shape)
    grain = side * float(sheet.generator.uniform(0.01, 0.04))
    reach = max(1.0, grain * sheet.between(0.25, 0.65))
    down, across = (_clouds(sheet, labels.shape, grain) * reach for _ in range(2))
    height, width = labels.shape
    rows = (np.arange(height)[:, None] + down).round().astype(np.intp).clip(0, height - 1)
    columns = (np.arange(width) + across).round().astype(np.intp).clip(0, width - 1)
    wavering: np.ndarray = labels[rows, columns]
    return wavering


def speckled(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Holes and speckles, of labels from nearby or of none."""
    side, generator = max(labels.shape), sheet.generator
    clouds = _clouds(sheet, labels.shape, side * float(generator.uniform(0.006, 0.03)))
    speckles = clouds > np.quantile(clouds[::3, ::3], 1 - sheet.between(0.005, 0.05))
    if generator.random() < 0.4:
        return np.where(speckles, -1, labels)
    shift = tuple(int(amount) for amount in generator.integers(-side // 8, side // 8 + 1, 2))
    return np.where(speckles, np.roll(labels, shift, (0, 1)), labels)


def _clouds(sheet: Sheet, size: tuple[int, ...], grain: float) -> np.ndarray:
    """Smooth noise of about unit variance, float32 (h, w), whose spots are `grain` pixels large."""
    cells = [max(2, round(side / max(1.0, grain))) for side in size]
    noise = sheet.generator.standard_normal(cells, dtype=np.float32)
    return np.asarray(Image.fromarray(noise).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def partly_unlabelled(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    """Some labels, areas, seams between regions, or all but a few things and the largest regions without a label."""
    hidden = HIDDEN[int(sheet.generator.integers(len(HIDDEN)))](sheet, labels)
    return np.where(hidden, np.int32(-1), labels)


def _some_labels(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    names = np.unique(labels[::2, ::2])
    chosen = sheet.generator.permutation(names)[: 1 + int(sheet.between(0, 0.5) * len(names))]
    return np.isin(labels, chosen[: max(1, len(names) - 1)])


def _an_area(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    clouds = _clouds(sheet, labels.shape, max(labels.shape) * float(sheet.generator.uniform(0.08, 0.4)))
    hidden: np.ndarray = clouds > np.quantile(clouds[::3, ::3], 1 - sheet.between(0.1, 0.6))
    return hidden


def _seams(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    seams = np.zeros(labels.shape, dtype=bool)
    seams[1:] |= labels[1:] != labels[:-1]
    seams[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    half = max(1, round(max(labels.shape) * sheet.between(0.004, 0.01)))
    picture = Image.fromarray(seams.astype(np.uint8) * 255)
    for _ in range(half):
        picture = picture.filter(ImageFilter.MaxFilter(3))
    return np.asarray(picture) > 0


def _all_but_a_few(sheet: Sheet, labels: np.ndarray) -> np.ndarray:
    names, counts = np.unique(labels, return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")[: int(sheet.generator.integers(2, 4))]]
    parts = sheet.components
    kept = sheet.things() & (sheet.generator.random(len(parts)) < 0.5)
    return ~(np.isin(labels, largest) | np.isin(labels, parts.labels[kept]))


HIDDEN: tuple[Callable[[Sheet, np.ndarray], np.ndarray], ...] = (_some_labels, _an_area, _seams, _all_but_a_few)

# a weight, and what is done one after another, each with a probability
WAYS: tuple[tuple[float, tuple[tuple[Callable[[Sheet, np.ndarray], np.ndarray], float], ...]], ...] = (
    (0.45, ((painted, 1.0), (ragged, 0.2), (partly_unlabelled, 0.15))),
    (0.25, ((lacking_small_things, 0.4), (smoothed, 0.5), (ragged, 1.0), (speckled, 0.6), (partly_unlabelled, 0.1))),
    (0.10, ((lacking_small_things, 0.2), (smoothed, 1.0))),
    (0.10, ((lacking_small_things, 0.2), (blocky, 1.0))),
    (0.10, ((painted, 0.4), (smoothed, 0.2), (partly_unlabelled, 1.0))),
)


def _components(labels: np.ndarray) -> Components:
    """The components of a map; what stands out of a band from side to side is one of its own."""
    parts = Components(labels)
    _, bottom, left, right = parts.edges.T
    apart = np.zeros(labels.shape, dtype=bool)
    for number in np.flatnonzero(left & right & ~bottom & (parts.labels >= 0) & (parts.areas < 0.4 * labels.size)):
        band = parts.numbers == number
        heights = band.sum(0)
        tall = heights > max(1.6 * float(np.median(heights)), 0.1 * len(labels))
        apart |= band & tall
    return Components(labels, apart) if apart.any() else parts

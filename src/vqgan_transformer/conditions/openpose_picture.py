"""Reads joints back from skeleton pictures as OpenPose and ControlNet's preprocessors draw them.

Such a picture shows each joint as a disc in one of 18 colours around the hue circle, and between two joints a thin
ellipse of one of the same colours, darkened to 0.6. Discs can hide each other and nothing says which joints belong to one
person, so the joints that are found are drawn again, and only a picture that is explained by them is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

__all__ = ["read_openpose_picture"]

_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of joints, numbered in OpenPose's order, in the order they are drawn; limb k has the colour of joint k."""

_DARKER = 0.6
_TOLERANCE = 24
"""How far a channel may be off; neighbouring colours differ by 85, or by 51 where they are dark."""

_UNEXPLAINED = 0.005
"""Share of what is drawn that may differ from the joints drawn again, by more than a pixel."""


_MOST_JOINTS = 1000
"""More spots than that are no skeletons, and take long to look at."""


def _wheel() -> np.ndarray:
    """The colours of the 18 joints: from red round the hue circle in steps of a third of a channel."""
    hues = np.arange(18) * 85
    channels = [np.clip(510 - np.abs((hues - peak + 765) % 1530 - 765), 0, 255) for peak in (0, 510, 1020)]
    return np.stack(channels, axis=-1)


COLOURS = _wheel()


@dataclass
class _Disc:
    """A joint that was found.

    Attributes:
        joint: its number in OpenPose's order.
        spot: x and y of its centre.
        body: the joints found so far that belong to the same person, by their number; shared by all of them.
    """

    joint: int
    spot: np.ndarray
    body: dict[int, _Disc] = field(default_factory=dict)


def read_openpose_picture(pixels: np.ndarray) -> np.ndarray:
    """The people in a skeleton picture.

    Args:
        pixels: uint8 `(H, W, 3)`, on black.

    Returns:
        float64 `(people, 18, 3)` in OpenPose's order; the third number is 1 for joints that are there, else 0.

    Raises:
        ValueError: for a picture that holds something else, or of which the joints cannot be told for certain.
    """
    rows, cols = np.nonzero(pixels.max(axis=-1) > 2 * _TOLERANCE)
    if not len(rows):
        return np.zeros((0, 18, 3))
    top, left = int(rows.min()), int(cols.min())
    colours = pixels[top : rows.max() + 1, left : cols.max() + 1].astype(np.int16)
    radius, discs = _discs(colours)
    _connect(discs, colours, radius)
    _adopt(discs)
    bodies = {id(disc.body): disc.body for disc in discs}.values()
    people = np.zeros((len(bodies), 18, 3))
    for person, body in zip(people, bodies, strict=True):
        for joint, disc in body.items():
            person[joint] = *disc.spot, 1
    # nobody knows who was drawn over whom
    orders = permutations(range(len(people))) if len(people) < 4 else [range(len(people))]
    drawings = (_draw(people[list(order)], radius, colours.shape[:2]) for order in orders)
    strange = min(_unexplained(colours, again) + _unexplained(again, colours) for again in drawings)
    if strange > _UNEXPLAINED:
        raise _refusal(f"{strange:.1%} of what is drawn cannot be told to be the body of one person or another")
    people[..., :2] += np.where(people[..., 2:] > 0, (left, top), 0)
    return people


def _refusal(reason: str) -> ValueError:
    return ValueError(
        f"keypoints cannot be read from this skeleton picture: {reason}. That is possible for pictures of bodies, without "
        "hands and faces, that are as the preprocessor drew them: not resized smoothly, not a JPEG, people not hiding "
        "each other's joints. Pass the numbers instead: pose detectors give them, as does OpenPose's json."
    )


def _near(colours: np.ndarray, colour: np.ndarray) -> np.ndarray:
    result: np.ndarray = (np.abs(colours - colour) <= _TOLERANCE).all(axis=-1)
    return result


def _discs(colours: np.ndarray) -> tuple[float, list[_Disc]]:
    """The radius of the discs, and their places."""
    spots = [(joint, part) for joint in range(18) for part in _parts(_near(colours, COLOURS[joint]))]
    if not spots:
        raise _refusal("it has none of the discs that stand for joints")
    if len(spots) > _MOST_JOINTS:
        raise _refusal(f"it has {len(spots)} spots in the colours of joints")
    area = float(np.percentile([len(part) for _, part in spots], 75))  # some are partly hidden, few run together
    radius = float(np.sqrt(area / np.pi))
    discs = []
    for joint in range(18):
        for part in _whole([part for other, part in spots if other == joint], radius):
            if len(part) > 1.3 * area:
                raise _refusal("discs of two people run together")
            if len(part) < 0.1 * area:  # an edge that has another disc's colour by chance
                continue
            spot = part.mean(axis=0) if len(part) > 0.9 * area else _centre(part, radius, colours)
            discs.append(_Disc(joint, spot[::-1] + 0.5))
            discs[-1].body[joint] = discs[-1]
    return radius, discs


def _whole(parts: list[np.ndarray], radius: float) -> list[np.ndarray]:
    """Parts that another disc cut one disc into, put together again: those that one disc can hold."""
    whole: list[np.ndarray] = []
    for part in sorted(parts, key=len, reverse=True):
        for place, other in enumerate(whole):
            both = np.concatenate([part, other])
            if np.ptp(both, axis=0).max() <= 2 * radius + 1:
                whole[place] = both
                break
        else:
            whole.append(part)
    return whole


def _parts(mask: np.ndarray) -> Iterator[np.ndarray]:
    """The connected parts of a mask, as rows and columns (n, 2)."""
    left = {(int(row), int(col)) for row, col in np.argwhere(mask)}
    while left:
        part = [left.pop()]
        for row, col in part:
            near = {(row + down, col + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            part += near
        yield np.array(part)


def _centre(part: np.ndarray, radius: float, colours: np.ndarray) -> np.ndarray:
    """Where the centre (row, column) of a disc lies that is partly hidden: the visible part lies in the disc, and no
    place in it is black.
    """  # noqa: D205
    reach = int(np.ceil(radius)) + 1
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.stack([rows, cols], axis=-1)[np.hypot(rows, cols) <= radius + 0.3]
    low, high = part.max(axis=0) - reach, part.min(axis=0) + reach
    candidates = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), axis=-1).reshape(-1, 2)
    held = np.hypot(*(part - candidates[:, None]).transpose(2, 0, 1)) <= radius + 0.3  # (candidates, part)
    places = candidates[:, None] + disc  # (candidates, disc, 2)
    inside = ((places >= 0) & (places < colours.shape[:2])).all(axis=-1)
    clipped = places.clip(0, np.array(colours.shape[:2]) - 1)
    black = (colours[clipped[..., 0], clipped[..., 1]].max(axis=-1) <= 2 * _TOLERANCE) & inside
    score = held.sum(axis=1) - black.sum(axis=1)
    result: np.ndarray = candidates[score == score.max()].mean(axis=0)
    return result


def _connect(discs: list[_Disc], colours: np.ndarray, radius: float) -> None:
    """Joins discs to people along the limbs that are drawn between them, those that are seen best first."""
    pairs = []
    for limb, (start, end) in enumerate(_LIMBS):
        for first in (disc for disc in discs if disc.joint == start):
            for second in (disc for disc in discs if disc.joint == end):
                seen = _seen(first.spot, second.spot, colours, np.trunc(_DARKER * COLOURS[limb]), radius)
                if seen >= 0:
                    pairs.append((-seen, float(np.hypot(*(first.spot - second.spot))), limb, first, second))
    used: set[tuple[int, int]] = set()
    for _, _, limb, first, second in sorted(pairs, key=lambda pair: pair[:3]):
        ends = (limb, id(first)), (limb, id(second))
        if used & {*ends}:
            continue
        if first.body is not second.body:
            if first.body.keys() & second.body.keys():
                continue
            first.body.update(second.body)
            for disc in list(second.body.values()):
                disc.body = first.body
        used |= {*ends}


def _adopt(discs: list[_Disc]) -> None:
    """Gives joints that no limb reaches, as their neighbour is hidden, to the one person who lacks them."""
    lone = [disc for disc in discs if len(disc.body) == 1]
    bodies = list({id(disc.body): disc.body for disc in discs if len(disc.body) > 1}.values())
    for disc in lone:
        lacking = [body for body in bodies if disc.joint not in body]
        if len(discs) > 1 and len(lacking) != 1:
            raise _refusal("it has joints of which it cannot be told whose they are")
        for body in lacking:
            body[disc.joint] = disc
            disc.body = body


def _seen(first: np.ndarray, second: np.ndarray, colours: np.ndarray, colour: np.ndarray, radius: float) -> float:
    """How much of the line between two discs has the colour of their limb; -1 if any of it is black."""
    length = np.hypot(*(second - first))
    steps = np.linspace(0, 1, max(2, int(np.ceil(length)) + 1))
    places = (first + (second - first) * steps[:, None]).astype(int).clip(0, np.array(colours.shape[1::-1]) - 1)
    along = colours[places[:, 1], places[:, 0]]
    if (along.max(axis=-1) <= 2 * _TOLERANCE).mean() > 0.03:
        return -1.0
    between = along[(steps * length > radius + 1) & ((1 - steps) * length > radius + 1)]
    # a limb that its discs hide is there if they touch
    return float(_near(between, colour).mean()) if len(between) > 2 else 0.75


def _draw(people: np.ndarray, radius: float, size: tuple[int, ...]) -> np.ndarray:
    """People (n, 18, 3) as OpenPose draws them: int16 (H, W, 3)."""
    canvas = np.zeros((*size, 3), dtype=np.int16)
    for person in people:
        for limb, (start, end) in enumerate(_LIMBS):
            if person[start, 2] and person[end, 2]:
                _ellipse(canvas, person[start, :2], person[end, :2], radius, _DARKER * COLOURS[limb])
        for joint, (x, y, there) in enumerate(person):
            if there:
                _ellipse(canvas, np.array((x - radius, y)), np.array((x + radius, y)), radius, COLOURS[joint])
    return canvas


def _ellipse(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, colour: np.ndarray) -> None:
    """Fills an ellipse whose long axis runs from one place (x, y) to another, and whose half width is given."""
    middle, half = (start + end) / 2, max(np.hypot(*(end - start)) / 2, 0.5)
    along = (end - start) / (2 * half)
    low = np.floor(middle - half - radius).clip(0, canvas.shape[1::-1]).astype(int)
    high = np.ceil(middle + half + radius).clip(0, canvas.shape[1::-1]).astype(int)
    x = np.arange(low[0], high[0]) + 0.5 - middle[0]
    y = (np.arange(low[1], high[1]) + 0.5 - middle[1])[:, None]
    inside = ((x * along[0] + y * along[1]) / half) ** 2 + ((y * along[0] - x * along[1]) / radius) ** 2 <= 1
    canvas[low[1] : high[1], low[0] : high[0]][inside] = colour.astype(np.int16)


def _unexplained(colours: np.ndarray, others: np.ndarray) -> float:
    """The share of what is drawn in one picture that has no place of its colour in another, within a pixel."""
    drawn = colours.max(axis=-1) > 2 * _TOLERANCE
    if not drawn.any():
        return 0.0
    padded = np.pad(others, ((1, 1), (1, 1), (0, 0)))
    height, width = drawn.shape
    explained = np.zeros(drawn.shape, dtype=bool)
    for down in range(3):
        for right in range(3):
            explained |= _near(colours, padded[down : down + height, right : right + width])
    return float(np.mean(~explained[drawn]))

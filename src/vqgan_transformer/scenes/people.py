"""People: jointed figures with the 17 keypoints of COCO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp

__all__ = ["Figure", "paint_person", "pose_figure", "visible_keypoints"]

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(11, 17)


@dataclass(frozen=True)
class Figure:
    """A posed figure.

    Attributes:
        joints: Keypoints x (right), y (up) and z (towards the viewer) in body heights, feet at y = 0; float64 (17, 3).
        facing: "front", "back", "left" or "right": where the nose points in the picture.
    """

    joints: Array
    facing: str


def _turn(turns: float) -> tuple[float, float]:
    """Sine and cosine of a number of turns by a rational formula: exact everywhere."""
    half = turns - round(turns)
    flip = abs(half) > 0.25
    if flip:
        half = half - (0.5 if half > 0 else -0.5)
    t = half * (3.0 + 4.0 * half * half * 2.1)  # about tan(pi * half), good enough: the pair is normalised below
    sine, cosine = 2 * t / (1 + t * t), (1 - t * t) / (1 + t * t)
    return (-sine, -cosine) if flip else (sine, cosine)


def pose_figure(dice: Dice) -> Figure:
    """A random pose: standing, walking, running, waving, arms raised or akimbo; seen from any of four sides."""
    facing = dice.pick(("front", "back", "left", "right"), (0.4, 0.2, 0.2, 0.2))
    action = dice.pick(("stand", "walk", "run", "wave", "cheer", "akimbo"), (0.25, 0.25, 0.12, 0.16, 0.1, 0.12))
    stride = {"walk": dice.uniform(0.05, 0.085), "run": dice.uniform(0.09, 0.14)}.get(action, dice.uniform(0.0, 0.02))
    lead = dice.pick((-1.0, 1.0))
    body = np.zeros((17, 3))  # sideways (their left is positive), up, forward
    for side, sign in ((0, 1.0), (1, -1.0)):
        swing = lead * sign
        hip, knee, ankle = LEFT_HIP + side, LEFT_KNEE + side, LEFT_ANKLE + side
        shoulder, elbow, wrist = LEFT_SHOULDER + side, LEFT_ELBOW + side, LEFT_WRIST + side
        body[hip] = sign * 0.058, 0.52, 0.0
        body[shoulder] = sign * 0.108, 0.805, 0.012 * (-swing if stride > 0.03 else 0)
        spread = dice.uniform(0.0, 0.022) if stride > 0.03 else dice.uniform(0.004, 0.03)
        thigh = swing * stride + dice.uniform(-0.008, 0.008)
        bend = 0.02 + (stride * (1.1 if swing < 0 else 0.25))
        body[knee] = _limb(body[hip], 0.245, thigh, sign * spread)
        body[ankle] = _limb(body[knee], 0.235, thigh - bend, sign * spread * 0.6)
        lift, out, fold, fold_out = _arm(dice, action, side, swing, stride)
        body[elbow] = _limb(body[shoulder], 0.165, lift, sign * out)
        body[wrist] = _limb(body[elbow], 0.15, fold, sign * fold_out)
    lean = 0.25 * stride
    turn_head = dice.uniform(-0.012, 0.012)
    body[NOSE] = turn_head, 0.905, 0.062
    body[LEFT_EYE], body[RIGHT_EYE] = (0.022 + turn_head * 0.8, 0.925, 0.052), (-0.022 + turn_head * 0.8, 0.925, 0.052)
    body[LEFT_EAR], body[RIGHT_EAR] = (0.045, 0.915, 0.0), (-0.045, 0.915, 0.0)
    body[:, 2] += lean * (body[:, 1] - 0.5)
    body[:, 1] -= body[[LEFT_ANKLE, RIGHT_ANKLE], 1].min() - 0.035
    joints = np.empty_like(body)
    joints[:, 1] = body[:, 1]
    # Seen from the front a person's left is on the viewer's right.
    across, towards = {
        "front": ((1.0, 0.0), (0.0, 1.0)),
        "back": ((-1.0, 0.0), (0.0, -1.0)),
        "left": ((0.22, -1.0), (1.0, 0.22)),
        "right": ((-0.22, 1.0), (-1.0, 0.22)),
    }[facing]
    joints[:, 0] = body[:, 0] * across[0] + body[:, 2] * across[1]
    joints[:, 2] = body[:, 0] * towards[0] + body[:, 2] * towards[1]
    return Figure(joints, facing)


def _limb(start: Array, length: float, forward: float, outward: float) -> tuple[float, float, float]:
    """End of a limb that hangs down, swung by so many turns forwards and outwards."""
    sine, cosine = _turn(forward)
    out_sine, out_cosine = _turn(outward)
    return start[0] + length * out_sine, start[1] - length * cosine * out_cosine, start[2] + length * sine * out_cosine


def _arm(dice: Dice, action: str, side: int, swing: float, stride: float) -> tuple[float, float, float, float]:
    """Turns of upper arm (forwards, outwards) and forearm (forwards, outwards)."""
    raised = action == "cheer" or (action == "wave" and side == (0 if swing > 0 else 1))
    if raised:
        return 0.02, dice.uniform(0.27, 0.38), 0.02, dice.uniform(0.40, 0.53)
    if action == "akimbo":
        return -0.02, dice.uniform(0.10, 0.14), 0.03, -dice.uniform(0.10, 0.14)
    if stride > 0.03:
        fold = 0.22 if action == "run" else 0.05
        return -swing * stride * 0.9, 0.03, -swing * stride * 0.9 + fold, 0.01
    return dice.uniform(-0.02, 0.04), dice.uniform(0.02, 0.07), dice.uniform(0.0, 0.06), dice.uniform(0.0, 0.05)


_SKIN = ((0.93, 0.76, 0.64), (0.80, 0.60, 0.45), (0.60, 0.42, 0.30), (0.40, 0.27, 0.19))
_HAIR = ((0.13, 0.09, 0.07), (0.32, 0.20, 0.11), (0.72, 0.56, 0.30), (0.45, 0.18, 0.09), (0.6, 0.6, 0.6))
# Clothes of two colours: warm ones on their left, cold ones on their right, and a light shirt between.
_LEFT = ((0.90, 0.14, 0.10), (0.96, 0.46, 0.06))
_RIGHT = ((0.12, 0.30, 0.90), (0.04, 0.62, 0.66))
_SHIRT = (0.93, 0.91, 0.85)
_SHOES = ((0.15, 0.12, 0.10), (0.36, 0.20, 0.13))
_GLEAM = np.float32(0.5)
"""Of its own colour, what a figure shows in any light, so that it can be told from the night."""


def paint_person(
    canvas: Canvas, dice: Dice, light: Light, figure: Figure, x: float, row: float, rows: float, depth: float
) -> tuple[Array, Array]:
    """Draw a figure of ``rows`` rows whose feet stand at a row.

    Sleeve and trouser leg are warm on its left and cold on its right, so that the sides can be told apart.

    Returns:
        Pixel positions of the keypoints, float32 (17, 2), and whether the figure leaves them in view, bool (17,).
    """
    points = np.empty((17, 2), np.float32)
    points[:, 0] = x + figure.joints[:, 0] * rows
    points[:, 1] = row - figure.joints[:, 1] * rows
    left, top = int(points[:, 0].min() - rows * 0.09) - 1, int(points[:, 1].min() - rows * 0.12) - 1
    wide, tall = int(points[:, 0].max() + rows * 0.09) + 2 - left, int(row + rows * 0.02) + 2 - top
    sprite = np.zeros((4, tall, wide), np.float32)
    owner = np.full((tall, wide), -1, np.int16)
    parts = _parts(dice, figure)
    for number, part in enumerate(parts):
        _draw_part(sprite, owner, number, part, rows, (x - left, row - top), light)
    canvas.paint_premultiplied(top, left, sprite, "person", depth)
    hidden = _self_hidden(parts, figure.facing, owner, points - np.asarray((left, top), np.float32))
    return points, ~hidden


@dataclass(frozen=True)
class _Part:
    """A rounded bar of a figure, in body heights.

    Attributes:
        order: Parts of higher order are drawn over lower ones.
        start: One end (x, y).
        end: The other end.
        radii: Half thickness at the two ends.
        albedo: Colour.
        keypoints: The keypoints that are seen when this part is seen at their place.
    """

    order: float
    start: Array
    end: Array
    radii: tuple[float, float]
    albedo: tuple[float, ...]
    keypoints: tuple[int, ...]


_FAR_SIDE = {"left": 1, "right": 0}  # which side of the body (0 is its left) a profile turns away


def _parts(dice: Dice, figure: Figure) -> list[_Part]:
    """The parts of a figure from back to front, in clothes of its own."""
    wardrobe = dice.stream("wardrobe")
    skin, hair = wardrobe.pick(_SKIN), wardrobe.pick(_HAIR)
    colours, shoes = (wardrobe.pick(_LEFT), wardrobe.pick(_RIGHT)), wardrobe.pick(_SHOES)
    spots = figure.joints[:, :2]
    toes = {"front": (0.0, -0.022), "back": (0.0, 0.008), "left": (-0.05, -0.016), "right": (0.05, -0.016)}
    parts = _trunk(figure, _SHIRT) + _head(figure, skin, hair)
    for side in (0, 1):
        cloth = colours[side]
        leg = tuple(0.8 * channel for channel in cloth)
        shoulder, elbow, wrist = LEFT_SHOULDER + side, LEFT_ELBOW + side, LEFT_WRIST + side
        hip, knee, ankle = LEFT_HIP + side, LEFT_KNEE + side, LEFT_ANKLE + side
        hand = spots[wrist] + (spots[wrist] - spots[elbow]) * 0.16
        forward = float(figure.joints[elbow, 2] + figure.joints[wrist, 2]) * 0.5
        far = _FAR_SIDE.get(figure.facing) == side
        arm = -0.5 if far else (0.5 if figure.facing in _FAR_SIDE or forward > -0.03 else -0.4)
        low = -0.3 if far else -0.2 + 0.1 * float(figure.joints[knee, 2])
        parts += [
            _Part(low - 0.02, spots[ankle], spots[ankle] + toes[figure.facing], (0.026, 0.024), shoes, (ankle,)),
            _Part(low - 0.01, spots[knee], spots[ankle], (0.042, 0.032), leg, (knee, ankle)),
            _Part(low, spots[hip], spots[knee], (0.056, 0.044), leg, (hip, knee)),
            _Part(arm, spots[wrist], hand, (0.025, 0.026), skin, (wrist,)),
            _Part(arm + 0.01, spots[elbow], spots[wrist], (0.034, 0.028), cloth, (elbow, wrist)),
            _Part(arm + 0.02, spots[shoulder], spots[elbow], (0.041, 0.035), cloth, (shoulder, elbow)),
        ]
    return sorted(parts, key=lambda part: part.order)


def _chest(figure: Figure) -> Array:
    """Middle of the chest (x, y)."""
    return _moved((figure.joints[LEFT_SHOULDER, :2] + figure.joints[RIGHT_SHOULDER, :2]) / 2, 0, -0.035)


def _moved(place: Array, right: float, up: float) -> Array:
    """A place (x, y) in body heights, moved."""
    result: Array = place + np.asarray((right, up))
    return result


def _trunk(figure: Figure, shirt: tuple[float, ...]) -> list[_Part]:
    """Chest to waist: three bars side by side."""
    joints = figure.joints
    chest = _chest(figure)
    waist = (joints[LEFT_HIP, :2] + joints[RIGHT_HIP, :2]) / 2 + np.asarray((0, 0.02))
    broad = 0.062 if figure.facing in _FAR_SIDE else 0.058
    half = float(abs(joints[LEFT_SHOULDER, 0] - joints[RIGHT_SHOULDER, 0])) / 2 * 0.62
    keypoints = LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP
    return [
        _Part(0.0, _moved(chest, offset, 0), _moved(waist, offset * 0.7, 0), (broad, broad * 0.9), shirt, keypoints)
        for offset in (-half, half, 0.0)
    ]


def _head(figure: Figure, skin: tuple[float, ...], hair: tuple[float, ...]) -> list[_Part]:
    """Neck, head and hair, which hides the face from behind."""
    joints = figure.joints
    head = (joints[LEFT_EAR, :2] + joints[RIGHT_EAR, :2]) / 2 + np.asarray((0, 0.005))
    face = NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR
    if figure.facing == "back":
        cap = _Part(0.2, _moved(head, 0, 0.016), _moved(head, 0, -0.004), (0.053, 0.049), hair, face)
    else:
        crown = _moved(head, -0.35 * float(joints[NOSE, 0] - head[0]), 0.036)
        cap = _Part(0.2, _moved(crown, -0.022, 0), _moved(crown, 0.022, 0), (0.030, 0.030), hair, face)
    return [
        _Part(0.05, _moved(_chest(figure), 0, 0.05), head, (0.026, 0.024), skin, ()),
        _Part(0.1, _moved(head, 0, 0.012), _moved(head, 0, -0.012), (0.050, 0.043), skin, face),
        cap,
    ]


def _draw_part(
    sprite: Array, owner: Array, number: int, part: _Part, rows: float, foot: tuple[float, float], light: Light
) -> None:
    """Draw a part of a figure of ``rows`` rows that stands at ``foot`` (x, y), and note whose pixels they are."""
    start, end = ((place * rows * (1, -1) + np.asarray(foot)).astype(np.float32) for place in (part.start, part.end))
    first, second = (max(radius * rows, 0.6) for radius in part.radii)
    reach = max(first, second) + 1.5
    low = np.minimum(start, end) - reach
    high = np.maximum(start, end) + reach
    top, bottom = max(0, int(low[1])), min(sprite.shape[1], int(high[1]) + 1)
    left, right = max(0, int(low[0])), min(sprite.shape[2], int(high[0]) + 1)
    if top >= bottom or left >= right:
        return
    down = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5) - start[1])[:, None]
    across = np.arange(left, right, dtype=np.float32) + np.float32(0.5) - start[0]
    along_x, along_y = end - start
    length = np.float32(along_x * along_x + along_y * along_y)
    along = clamp((across * along_x + down * along_y) / np.maximum(length, np.float32(1e-6)))
    off_x, off_y = across - along * along_x, down - along * along_y
    radius = np.float32(first) + along * np.float32(second - first)
    alpha = clamp(radius - np.sqrt(off_x * off_x + off_y * off_y) + np.float32(0.5))
    facing = np.float32(0.55) + (off_x * np.float32(light.side) * np.float32(0.34) - off_y * np.float32(0.12)) / radius
    albedo = planes(part.albedo)
    colour = np.maximum(light.on(albedo, clamp(facing, 0.08, 1.0)), albedo * _GLEAM)
    box = slice(top, bottom), slice(left, right)
    rest = np.float32(1) - alpha
    for plane, paint in zip(sprite[:3], colour, strict=True):
        plane[box] = plane[box] * rest + np.minimum(paint, np.float32(1)) * alpha
    sprite[3][box] = sprite[3][box] * rest + alpha
    np.copyto(owner[box], np.int16(number), where=alpha >= np.float32(0.5))


def _self_hidden(parts: list[_Part], facing: str, owner: Array, points: Array) -> Array:
    """Which keypoints are covered by another part of the same figure."""
    hidden = np.zeros(17, bool)
    for joint, (x, y) in enumerate(points):
        row, column = int(y), int(x)
        if 0 <= row < owner.shape[0] and 0 <= column < owner.shape[1]:
            number = int(owner[row, column])
            hidden[joint] = number >= 0 and joint not in parts[number].keypoints
    away = {"back": (NOSE, LEFT_EYE, RIGHT_EYE), "left": (RIGHT_EYE, RIGHT_EAR), "right": (LEFT_EYE, LEFT_EAR)}
    hidden[list(away.get(facing, ()))] = True
    return hidden


def visible_keypoints(canvas: Canvas, points: Array, clear: Array, depth: float) -> Array:
    """Keypoints (17, 3) with COCO visibility: 0 outside the picture, 1 hidden, 2 in view."""
    out = np.zeros((17, 3), np.float32)
    for joint, (x, y) in enumerate(points):
        if not (0 <= x < canvas.width and 0 <= y < canvas.height):
            continue
        nearer = canvas.depth[int(y), int(x)] > depth + 1e-6
        out[joint] = x, y, 1 if nearer or not clear[joint] else 2
    return out

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
_SHIRT = (
    (0.83, 0.16, 0.14), (0.95, 0.75, 0.15), (0.16, 0.38, 0.78), (0.92, 0.92, 0.90),
    (0.90, 0.45, 0.12), (0.55, 0.20, 0.55), (0.10, 0.55, 0.52), (0.93, 0.50, 0.62),
)  # fmt: skip
_TROUSERS = ((0.16, 0.20, 0.34), (0.24, 0.22, 0.22), (0.55, 0.45, 0.32), (0.36, 0.40, 0.46), (0.12, 0.12, 0.14))
_SHOES = ((0.15, 0.12, 0.10), (0.85, 0.85, 0.85), (0.45, 0.22, 0.14))


def paint_person(canvas: Canvas, dice: Dice, light: Light, figure: Figure, x: float, row: float, rows: float, depth: float) -> tuple[Array, Array]:
    """Draw a figure of ``rows`` rows whose feet stand at a row.

    Their right sleeve and trouser leg are a shade darker than the left, so that the sides can be told apart.

    Returns:
        Pixel positions of the keypoints, float32 (17, 2), and which of them the figure itself does not hide, bool (17,).
    """
    points = np.empty((17, 2), np.float32)
    points[:, 0] = x + figure.joints[:, 0] * rows
    points[:, 1] = row - figure.joints[:, 1] * rows
    left, top = int(points[:, 0].min() - rows * 0.09) - 1, int(points[:, 1].min() - rows * 0.12) - 1
    wide, tall = int(points[:, 0].max() + rows * 0.09) + 2 - left, int(row + rows * 0.02) + 2 - top
    sprite = np.zeros((4, tall, wide), np.float32)
    owner = np.full((tall, wide), -1, np.int16)
    for number, (first, second, thick_first, thick_second, albedo, _) in enumerate(_parts(dice, figure)):
        start = (_place(figure, first) * rows * (1, -1) + (x - left, row - top)).astype(np.float32)
        end = (_place(figure, second) * rows * (1, -1) + (x - left, row - top)).astype(np.float32)
        _capsule(sprite, owner, number, start, end, thick_first * rows, thick_second * rows, albedo, light)
    canvas.paint_premultiplied(top, left, sprite, "person", depth)
    hidden = _self_hidden(dice, figure, owner, points - np.float32((left, top)))
    return points, ~hidden


def _place(figure: Figure, joint: int | tuple[float, float]) -> Array:
    """Position of a keypoint, or a position given outright."""
    return np.asarray(joint if isinstance(joint, tuple) else figure.joints[joint, :2])


def _parts(dice: Dice, figure: Figure) -> list[tuple]:
    """Capsules from back to front: ends, radii in body heights, albedo, keypoints that lie on it."""
    wardrobe = dice.stream("wardrobe")
    skin, hair = wardrobe.pick(_SKIN), wardrobe.pick(_HAIR)
    shirt, trousers, shoes = wardrobe.pick(_SHIRT), wardrobe.pick(_TROUSERS), wardrobe.pick(_SHOES)
    bare_arms = wardrobe.chance(0.4)
    joints = figure.joints
    toe = {"front": (0.0, -0.022), "back": (0.0, 0.008), "left": (-0.05, -0.016), "right": (0.05, -0.016)}[figure.facing]
    parts = []
    for side in (0, 1):
        tint = 1.0 if side == 0 else 0.72
        cloth, leg = tuple(c * tint for c in shirt), tuple(c * tint for c in trousers)
        shoulder, elbow, wrist = LEFT_SHOULDER + side, LEFT_ELBOW + side, LEFT_WRIST + side
        hip, knee, ankle = LEFT_HIP + side, LEFT_KNEE + side, LEFT_ANKLE + side
        foot = (joints[ankle, 0] + toe[0], joints[ankle, 1] + toe[1])
        hand = tuple(joints[wrist, :2] + (joints[wrist, :2] - joints[elbow, :2]) * 0.16)
        forward = float(joints[elbow, 2] + joints[wrist, 2]) * 0.5
        behind = {"left": joints[LEFT_SHOULDER, 2] < joints[RIGHT_SHOULDER, 2], "right": joints[LEFT_SHOULDER, 2] < joints[RIGHT_SHOULDER, 2]}
        far = figure.facing in behind and (side == 0) == bool(behind[figure.facing])
        arm = -0.5 if far else (0.5 if figure.facing in ("left", "right") or forward > -0.03 else -0.4)
        legs = -0.3 if far else -0.2 + 0.1 * float(joints[knee, 2])
        parts += [
            (legs - 0.02, ankle, foot, 0.021, 0.019, shoes, (ankle,)),
            (legs - 0.01, knee, ankle, 0.034, 0.024, leg, (knee, ankle)),
            (legs, hip, knee, 0.052, 0.037, leg, (hip, knee)),
            (arm, wrist, hand, 0.018, 0.019, skin, (wrist,)),
            (arm + 0.01, elbow, wrist, 0.024, 0.019, skin if bare_arms else cloth, (elbow, wrist)),
            (arm + 0.02, shoulder, elbow, 0.033, 0.026, cloth, (shoulder, elbow)),
        ]
    chest = tuple((joints[LEFT_SHOULDER, :2] + joints[RIGHT_SHOULDER, :2]) / 2 - (0, 0.035))
    waist = tuple((joints[LEFT_HIP, :2] + joints[RIGHT_HIP, :2]) / 2 + (0, 0.02))
    broad = 0.062 if figure.facing in ("left", "right") else 0.058
    half = abs(joints[LEFT_SHOULDER, 0] - joints[RIGHT_SHOULDER, 0]) / 2 * 0.62
    torso = (LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP)
    for offset in (-half, half, 0.0):
        top, low = (chest[0] + offset, chest[1]), (waist[0] + offset * 0.7, waist[1])
        parts.append((0.0, top, low, broad, broad * 0.9, shirt, torso))
    head = tuple((joints[LEFT_EAR, :2] + joints[RIGHT_EAR, :2]) / 2 + (0, 0.005))
    nose_side = joints[NOSE, 0] - head[0]
    neck = (chest[0], chest[1] + 0.05)
    face = (NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR)
    parts.append((0.05, neck, head, 0.026, 0.024, skin, ()))
    parts.append((0.1, (head[0], head[1] + 0.012), (head[0], head[1] - 0.012), 0.050, 0.043, skin, face))
    if figure.facing == "back":
        parts.append((0.2, (head[0], head[1] + 0.016), (head[0], head[1] - 0.004), 0.053, 0.049, hair, face))
    else:
        shift = -0.35 * nose_side
        parts.append((0.2, (head[0] - 0.022 + shift, head[1] + 0.036), (head[0] + 0.022 + shift, head[1] + 0.036), 0.030, 0.030, hair, ()))
    parts.sort(key=lambda part: part[0])
    return [part[1:] for part in parts]


def _capsule(
    sprite: Array, owner: Array, number: int, start: Array, end: Array, first: float, second: float, albedo: tuple, light: Light
) -> None:
    """Draw a limb: a rounded bar between two points, rounder towards the light."""
    first, second = max(first, 0.6), max(second, 0.6)
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
    part = clamp((across * along_x + down * along_y) / np.maximum(length, np.float32(1e-6)))
    off_x, off_y = across - part * along_x, down - part * along_y
    radius = np.float32(first) + part * np.float32(second - first)
    alpha = clamp(radius - np.sqrt(off_x * off_x + off_y * off_y) + np.float32(0.5))
    facing = np.float32(0.55) + (off_x * np.float32(light.side) * np.float32(0.34) - off_y * np.float32(0.12)) / radius
    colour = light.on(planes(albedo), clamp(facing, 0.08, 1.0))
    box = slice(top, bottom), slice(left, right)
    rest = np.float32(1) - alpha
    for plane, paint in zip(sprite[:3], colour, strict=True):
        plane[box] = plane[box] * rest + np.minimum(paint, np.float32(1)) * alpha
    sprite[3][box] = sprite[3][box] * rest + alpha
    np.copyto(owner[box], np.int16(number), where=alpha >= np.float32(0.5))


def _self_hidden(dice: Dice, figure: Figure, owner: Array, points: Array) -> Array:
    """Which keypoints are covered by another part of the same figure."""
    parts = _parts(dice, figure)
    hidden = np.zeros(17, bool)
    for joint, (x, y) in enumerate(points):
        row, column = int(y), int(x)
        if 0 <= row < owner.shape[0] and 0 <= column < owner.shape[1]:
            number = int(owner[row, column])
            hidden[joint] = number >= 0 and joint not in parts[number][5]
    away = {"front": (), "back": (NOSE, LEFT_EYE, RIGHT_EYE), "left": (LEFT_EYE, LEFT_EAR), "right": (RIGHT_EYE, RIGHT_EAR)}
    if figure.facing in ("left", "right"):
        # The eye and the ear on the far side of the head.
        away[figure.facing] = (LEFT_EYE, LEFT_EAR) if figure.joints[LEFT_EAR, 2] < figure.joints[RIGHT_EAR, 2] else (RIGHT_EYE, RIGHT_EAR)
    hidden[list(away[figure.facing])] = True
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

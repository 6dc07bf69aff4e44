"""People: jointed figures with the 17 keypoints of COCO."""

from __future__ import annotations

import numpy as np

from .body import (
    LEFT_ANKLE,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_EAR,
    RIGHT_EYE,
    Figure,
    Part,
    draw_parts,
)
from .canvas import Canvas
from .clothes import dress, limb_parts, trunk_parts
from .faces import head_parts
from .light import Light
from .noise import Array, Dice

__all__ = ["Figure", "paint_person", "pose_figure", "visible_keypoints"]


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


def paint_person(
    canvas: Canvas,
    dice: Dice,
    light: Light,
    figure: Figure,
    x: float,
    row: float,
    rows: float,
    depth: float,
    season: str = "spring",
) -> tuple[Array, Array]:
    """Draw a figure of ``rows`` rows whose feet stand at a row, in clothes of a season.

    A stripe along sleeve and trouser leg is warm on its left and cool on its right, so that the sides can be told apart.

    Returns:
        Pixel positions of the keypoints, float32 (17, 2), and whether the figure leaves them in view, bool (17,).
    """
    points = np.empty((17, 2), np.float32)
    points[:, 0] = x + figure.joints[:, 0] * rows
    points[:, 1] = row - figure.joints[:, 1] * rows
    left, top = int(points[:, 0].min() - rows * 0.09) - 1, int(points[:, 1].min() - rows * 0.12) - 1
    wide, tall = int(points[:, 0].max() + rows * 0.09) + 2 - left, int(row + rows * 0.02) + 2 - top
    outfit = dress(dice.stream("wardrobe"), season)
    parts = trunk_parts(figure, outfit) + head_parts(figure, outfit)
    for side in (0, 1):
        parts += limb_parts(figure, outfit, side)
    parts.sort(key=lambda part: part.order)
    sprite, owner = draw_parts(parts, rows, (x - left, row - top), (tall, wide), light)
    canvas.paint_premultiplied(top, left, sprite, "person", depth)
    hidden = _self_hidden(parts, figure.facing, owner, points - np.asarray((left, top), np.float32))
    return points, ~hidden


def _self_hidden(parts: list[Part], facing: str, owner: Array, points: Array) -> Array:
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

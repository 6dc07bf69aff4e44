"""Clothes: what a figure wears in a season, and the parts of body, sleeves and legs that show it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .body import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    Colour,
    Figure,
    Part,
    along,
    moved,
    shaded,
)
from .noise import Array, Dice

__all__ = ["Outfit", "dress", "limb_parts", "trunk_parts"]


@dataclass(frozen=True)
class Outfit:
    """What a figure looks like.

    Attributes:
        skin: Colour of the skin.
        hair: Colour of the hair.
        long_hair: Whether it falls to the shoulders.
        top: Colour of jacket, shirt, pullover, dress or coat.
        front: Colour of what shows where the top is open in front.
        opening: Half width of that opening in body heights; 0 for a closed top.
        sleeve: How much of the arm sleeves cover: 1 to the elbow, 2 to the wrist.
        bottom: Colour of trousers.
        leg: How much of the leg trousers cover: 1 to the knee, 2 to the ankle.
        skirt: How much of the thigh the top covers, as a dress or a coat does.
        tucked: Whether the top ends at a belt.
        shoes: Colour of the shoes.
        boots: How much of the calf they cover.
        hat: Colour of a hat, or None.
        brim: Half width of its brim.
        scarf: Colour of a scarf, or None.
        stripes: Colours of the stripe along the outer side of limbs, of their left (warm) and right (cool).
    """

    skin: Colour
    hair: Colour
    long_hair: bool
    top: Colour
    front: Colour
    opening: float
    sleeve: float
    bottom: Colour
    leg: float
    skirt: float
    tucked: bool
    shoes: Colour
    boots: float
    hat: Colour | None
    brim: float
    scarf: Colour | None
    stripes: tuple[Colour, Colour]

    def on_side(self, side: int) -> Outfit:
        """What the left (0) is seen in, as if in the sun, or the right (1), as if in the shade."""
        tint, share = _TINTS[side]

        def tinted(colour: Colour) -> Colour:
            red, green, blue = (
                channel + (other - channel) * share for channel, other in zip(colour, tint, strict=True)
            )
            return red, green, blue

        return replace(
            self, skin=tinted(self.skin), top=tinted(self.top), bottom=tinted(self.bottom), shoes=tinted(self.shoes)
        )


_TINTS: tuple[tuple[Colour, float], ...] = (((1.0, 0.64, 0.34), 0.5), ((0.12, 0.30, 0.52), 0.5))
"""Of the left and of the right: a colour that is mixed in, and its share."""

_SKIN: tuple[Colour, ...] = ((0.95, 0.78, 0.66), (0.84, 0.64, 0.49), (0.64, 0.45, 0.33), (0.46, 0.31, 0.23))
_HAIR: tuple[Colour, ...] = (
    (0.13, 0.10, 0.09),
    (0.34, 0.21, 0.12),
    (0.78, 0.60, 0.32),
    (0.52, 0.22, 0.10),
    (0.62, 0.60, 0.58),
)
_WARM: tuple[Colour, ...] = ((0.90, 0.45, 0.17), (0.86, 0.34, 0.20))
_COOL: tuple[Colour, ...] = ((0.34, 0.63, 0.82), (0.27, 0.62, 0.67))
_STRIPE = 0.012
"""Half width of the stripe: a pixel and a half of a figure of 64."""
_LIGHT: tuple[Colour, ...] = ((0.93, 0.90, 0.82), (0.82, 0.85, 0.88), (0.94, 0.86, 0.62))
_SHOES: tuple[Colour, ...] = ((0.20, 0.16, 0.14), (0.42, 0.26, 0.16), (0.60, 0.56, 0.50))
_JACKETS: tuple[Colour, ...] = (
    (0.74, 0.16, 0.13),  # red
    (0.90, 0.71, 0.22),  # yellow
    (0.19, 0.37, 0.26),  # pine green
    (0.17, 0.23, 0.40),  # navy
    (0.46, 0.44, 0.26),  # olive
    (0.52, 0.34, 0.22),  # brown
)
_SHIRTS: tuple[Colour, ...] = (
    (0.92, 0.89, 0.82),  # cream
    (0.86, 0.56, 0.46),  # coral
    (0.56, 0.68, 0.52),  # sage
    (0.90, 0.77, 0.42),  # straw
    (0.40, 0.50, 0.64),  # faded blue
    (0.62, 0.26, 0.30),  # raspberry
)
_WOOL: tuple[Colour, ...] = (
    (0.58, 0.20, 0.19),  # wine
    (0.24, 0.30, 0.44),  # slate blue
    (0.66, 0.52, 0.36),  # camel
    (0.34, 0.36, 0.38),  # charcoal
    (0.28, 0.40, 0.32),  # loden
)
_KNITS: tuple[Colour, ...] = ((0.76, 0.24, 0.20), (0.90, 0.87, 0.80), (0.86, 0.64, 0.24), (0.26, 0.40, 0.50))
_STRAW: tuple[Colour, ...] = ((0.90, 0.80, 0.54), (0.92, 0.90, 0.84))
_TROUSERS: tuple[Colour, ...] = (
    (0.24, 0.32, 0.46),  # denim
    (0.60, 0.52, 0.38),  # khaki
    (0.30, 0.29, 0.30),  # charcoal
    (0.42, 0.33, 0.26),  # corduroy
)


@dataclass(frozen=True)
class _Wardrobe:
    """What is worn in a season: colours to choose from, and shares of those who wear it."""

    tops: tuple[Colour, ...]
    opened: float
    sleeves: tuple[float, ...]
    legs: tuple[float, ...]
    skirts: tuple[float, ...]
    boots: tuple[float, ...]
    hats: tuple[Colour, ...]
    hatted: float
    brim: float
    scarfed: float


_MILD = _Wardrobe(
    _JACKETS + _SHIRTS[:3], 0.5, (2.0, 2.0, 1.75), (2.0,), (0.0, 0.0, 0.0, 0.6), (0.0, 0.3), _KNITS, 0.12, 0.042, 0.1
)
_WARDROBES = {
    "spring": _MILD,
    "summer": _Wardrobe(
        _SHIRTS, 0.0, (0.7, 0.7, 1.0), (0.85, 1.0, 2.0), (0.0, 0.0, 0.7), (0.0,), _STRAW, 0.3, 0.082, 0.0
    ),
    "autumn": _MILD,
    "winter": _Wardrobe(
        _WOOL + _JACKETS[:4], 0.0, (2.0,), (2.0,), (0.0, 0.45, 0.65), (0.35, 0.5), _KNITS, 0.75, 0.044, 0.7
    ),
}


def dress(dice: Dice, season: str) -> Outfit:
    """Someone in the clothes of that season, which go together and are the same on both sides but for a stripe and a tint."""
    wardrobe = _WARDROBES[season]
    skirt = dice.pick(wardrobe.skirts)
    opened = dice.chance(wardrobe.opened)
    hat, scarf = dice.pick(wardrobe.hats), dice.pick(_KNITS)
    return Outfit(
        skin=dice.pick(_SKIN),
        hair=dice.pick(_HAIR),
        long_hair=dice.chance(0.4),
        top=dice.pick(wardrobe.tops),
        front=dice.pick(_LIGHT),
        opening=0.024 if opened else 0.0,
        sleeve=dice.pick(wardrobe.sleeves),
        bottom=dice.pick(_TROUSERS),
        leg=dice.pick(wardrobe.legs),
        skirt=skirt,
        tucked=not skirt and not opened and dice.chance(0.5),
        shoes=dice.pick(_SHOES),
        boots=dice.pick(wardrobe.boots),
        hat=hat if dice.chance(wardrobe.hatted) else None,
        brim=wardrobe.brim,
        scarf=scarf if dice.chance(wardrobe.scarfed) else None,
        stripes=(dice.pick(_WARM), dice.pick(_COOL)),
    )


def _chest(figure: Figure) -> Array:
    """Middle of the chest (x, y)."""
    return moved((figure.joints[LEFT_SHOULDER, :2] + figure.joints[RIGHT_SHOULDER, :2]) / 2, 0, -0.035)


def trunk_parts(figure: Figure, outfit: Outfit) -> list[Part]:
    """Neck and body from the shoulders to a hem or a belt."""
    joints, top = figure.joints[:, :2], outfit.top
    chest = _chest(figure)
    hips = (joints[LEFT_HIP] + joints[RIGHT_HIP]) / 2
    waist = moved(hips, 0, 0.03)
    profile = figure.ahead != 0
    broad = 0.060 if profile else 0.054
    half = abs(float(joints[LEFT_SHOULDER, 0] - joints[RIGHT_SHOULDER, 0])) / 2 * 0.62
    keypoints = LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP

    def across(order: float, place: Array, wide: float, radius: float, colour: Colour, cut: bool = False) -> Part:
        ends = moved(place, -wide, 0), moved(place, wide, 0)
        return Part(order, *ends, (radius, radius), colour, keypoints, 0.4, (cut, cut))

    # a profile shows one side
    tops = [outfit.on_side(side if figure.far_side is None else 1 - figure.far_side).top for side in (0, 1)]
    strips = [(half * (figure.outward(side) or 1 - 2 * side), 0.7, tops[side]) for side in (0, 1)]
    strips.append((0.0, 1.0, tops[0]) if profile else (0.0, 0.1, top))
    parts = [
        Part(
            0.0, moved(chest, right, 0), moved(waist, right * 0.72, 0), (broad, broad * 0.88), cloth, keypoints, rounded
        )
        for right, rounded, cloth in strips
    ]
    shoulders = moved(chest, 0.0, 0.046)
    for cloth, shoulder in zip(tops, (joints[LEFT_SHOULDER], joints[RIGHT_SHOULDER]), strict=True):
        parts.append(Part(0.0, moved(shoulder, 0, -0.002), shoulders, (0.036, 0.040), cloth, keypoints, 0.2))
    girth = half * 0.72 + broad * 0.88
    if outfit.tucked:
        parts += [
            across(0.01, moved(hips, 0, -0.004), girth - 0.049, 0.051, outfit.bottom),
            across(0.01, moved(hips, 0, 0.040), girth, 0.013, shaded(outfit.bottom, 0.6), True),
        ]
    elif not outfit.skirt:
        parts.append(across(0.01, moved(hips, 0, -0.008), girth, 0.020, shaded(top, 0.84), True))
    neck = moved(chest, 0.006 * figure.ahead, 0.050)
    parts.append(
        Part(0.05, neck, moved(neck, 0.008 * figure.ahead, 0.05), (0.027, 0.026), shaded(outfit.skin, 0.86), ())
    )
    if figure.facing == "front":
        if outfit.opening:
            low = moved(waist, 0, -0.02)
            parts.append(
                Part(
                    0.03, moved(chest, 0, 0.03), low, (outfit.opening,) * 2, outfit.front, keypoints, 0.2, (False, True)
                )
            )
        for right in (-1.0, 1.0):
            tip = moved(neck, right * 0.012, -0.032)
            parts.append(
                Part(0.06, moved(neck, right * 0.034, 0.012), tip, (0.012, 0.012), shaded(top, 0.78), keypoints)
            )
    else:
        parts.append(across(0.06, moved(neck, 0, 0.006), 0.016 if profile else 0.028, 0.017, shaded(top, 0.78)))
    if outfit.scarf is not None:
        parts.append(across(0.07, moved(neck, 0, 0.014), 0.024 if profile else 0.036, 0.020, outfit.scarf))
        tail = moved(neck, 0.02 if not profile else 0.03 * figure.ahead, 0.0)
        if figure.facing != "back":
            dark = shaded(outfit.scarf, 0.86)
            parts.append(Part(0.07, tail, moved(tail, 0.006, -0.10), (0.017, 0.019), dark, keypoints, 0.4))
    return parts


def limb_parts(figure: Figure, outfit: Outfit, side: int) -> list[Part]:
    """Leg and arm of one side (0 is their left), in cloth whose tint and stripe tell the sides apart."""
    seen = outfit.on_side(side)
    return _leg(figure, seen, side) + _arm(figure, seen, side)


def _clad(
    order: float,
    bones: tuple[Array, Array, Array],
    radii: tuple[float, float, float],
    cover: float,
    colours: tuple[Colour, Colour, Colour],
    outward: float,
    keypoints: tuple[int, int, int],
) -> list[Part]:
    """A limb of two bones, bare below what cloth covers of them (0 to 2); colours of skin, cloth and stripe."""
    skin, cloth, stripe = colours
    bare, clothes, stripes = [], [], []
    for bone in (1, 0):
        start, end, first, second = bones[bone], bones[bone + 1], radii[bone], radii[bone + 1]
        seen = keypoints[bone : bone + 2]
        share = min(1.0, max(0.0, cover - bone))
        if share < 1:
            bare.append(Part(order, start, end, (first * 0.92, second * 0.9), skin, seen))
        if share > 0:
            thick = first + (second - first) * share
            hem = share < 1 or cover in (1.0, 2.0)
            clothes.append(Part(order, start, along(start, end, share), (first, thick), cloth, seen, 1.0, (False, hem)))
            aside = outward * 0.45
            line = along(start, end, 0.0, aside * first), along(start, end, share, aside * thick)
            stripes.append(Part(order, *line, (_STRIPE, _STRIPE), stripe, seen, 0.6, (False, hem and share < 1)))
    return bare + clothes + stripes


def _band(
    order: float,
    bone: tuple[Array, Array],
    shares: tuple[float, float],
    radius: float,
    colour: Colour,
    keypoints: tuple[int, ...],
) -> Part:
    """A band around a bare limb, between two shares of its length."""
    ends = along(*bone, shares[0]), along(*bone, shares[1])
    return Part(order, *ends, (radius, radius), colour, keypoints, 1.0, (True, True))


def _leg(figure: Figure, outfit: Outfit, side: int) -> list[Part]:
    joints, stripe, skin = figure.joints[:, :2], outfit.stripes[side], outfit.skin
    outward, ahead = figure.outward(side), figure.ahead
    hip, knee, ankle = LEFT_HIP + side, LEFT_KNEE + side, LEFT_ANKLE + side
    order = -0.3 if figure.far_side == side else -0.2 + 0.1 * float(figure.joints[knee, 2])
    down = {"front": -0.020, "back": -0.006}.get(figure.facing, -0.014)
    heel, toe = moved(joints[ankle], -0.008 * ahead, down), moved(joints[ankle], 0.052 * ahead, down - 0.002)
    flat = 0.0 if ahead else 0.017
    sole = shaded(outfit.shoes, 0.45) if outfit.shoes[0] > 0.5 else (0.62, 0.58, 0.52)
    cloth = outfit.bottom
    shin, thigh = (joints[knee], joints[ankle]), (joints[hip], joints[knee])
    bones = joints[hip], joints[knee], joints[ankle]
    parts = _clad(order, bones, (0.054, 0.043, 0.037), outfit.leg, (skin, cloth, stripe), outward, (hip, knee, ankle))
    if outfit.leg < 1.5:  # socks carry the colour where no trousers do
        parts.append(_band(order, shin, (0.62, 1.0), 0.036, stripe, (knee, ankle)))
    if outfit.boots:
        shaft = along(*shin, 1 - outfit.boots)
        parts.append(Part(order, shaft, shin[1], (0.043, 0.036), outfit.shoes, (ankle,), 1.0, (True, False)))
    parts += [
        Part(order, heel, toe, (0.028, 0.022), outfit.shoes, (ankle,)),
        Part(
            order,
            moved(heel, -0.012 * ahead - flat, -0.020),
            moved(toe, 0.006 * ahead + flat, -0.017),
            (0.008,) * 2,
            sole,
            (),
        ),
    ]
    if outfit.skirt:
        hem = along(*thigh, outfit.skirt)
        line = moved(joints[hip], outward * 0.022, 0), moved(hem, outward * 0.036, 0.0)
        inner = (joints[LEFT_HIP] + joints[RIGHT_HIP]) / 2
        other = along(joints[LEFT_HIP + 1 - side], joints[LEFT_KNEE + 1 - side], outfit.skirt)
        fold = along(hem, joints[hip], 0.2)
        cloak = outfit.top
        parts += [
            Part(-0.05, inner, along(inner, hem, 0.97), (0.055, 0.060), cloak, (hip, knee), 0.1, (False, True)),
            Part(-0.05, joints[hip], hem, (0.056, 0.066), cloak, (hip, knee), 0.7, (False, True)),
            Part(-0.05, fold, along(fold, other, 0.5), (0.034, 0.034), cloak, (hip, knee), 0.1),
            Part(-0.04, *line, (_STRIPE, _STRIPE), stripe, (hip, knee), 0.6),
        ]
    return parts


def _arm(figure: Figure, outfit: Outfit, side: int) -> list[Part]:
    joints, stripe, skin = figure.joints[:, :2], outfit.stripes[side], outfit.skin
    outward = figure.outward(side)
    shoulder, elbow, wrist = LEFT_SHOULDER + side, LEFT_ELBOW + side, LEFT_WRIST + side
    forward = float(figure.joints[elbow, 2] + figure.joints[wrist, 2]) * 0.5
    order = -0.5 if figure.far_side == side else (0.5 if figure.ahead or forward > -0.03 else -0.4)
    lower = joints[elbow], joints[wrist]
    hand = along(*lower, 1.17)
    inward = -outward or (figure.ahead if figure.ahead else 1.0)
    thumb = along(*lower, 1.06, inward * 0.016), along(*lower, 1.2, inward * 0.030)
    parts = [
        Part(order, lower[1], hand, (0.023, 0.024), skin, (wrist,)),
        Part(order, *thumb, (0.012, 0.009), skin, (wrist,)),
    ]
    colours = skin, outfit.top, stripe
    bones = joints[shoulder], joints[elbow], joints[wrist]
    parts += _clad(order, bones, (0.037, 0.033, 0.028), outfit.sleeve, colours, outward, (shoulder, elbow, wrist))
    if outfit.sleeve < 1.5:  # a wristband carries the colour where no sleeve does
        parts.append(_band(order, lower, (0.72, 0.98), 0.029, stripe, (elbow, wrist)))
    return parts

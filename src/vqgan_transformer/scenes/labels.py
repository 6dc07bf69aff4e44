"""The labels that scenes are painted with, and what every other COCO-Stuff label is painted as."""

from __future__ import annotations

__all__ = ["LABELS", "LABEL_COLOURS", "LABEL_GROUPS"]

LABELS: dict[str, int] = {
    "person": 0,
    "bush": 96,
    "clouds": 105,
    "dirt": 110,
    "grass": 123,
    "gravel": 124,
    "hill": 126,
    "house": 127,
    "mountain": 134,
    "river": 147,
    "rock": 149,
    "sand": 153,
    "sea": 154,
    "sky-other": 156,
    "snow": 158,
    "tree": 168,
    "water-other": 177,
}
"""Painted label names and their COCO-Stuff ids (0 to 181: the official id less one)."""

LABEL_COLOURS: dict[str, tuple[int, int, int]] = {
    "person": (204, 51, 92),
    "bush": (86, 125, 46),
    "clouds": (226, 232, 240),
    "dirt": (139, 94, 60),
    "grass": (124, 179, 66),
    "gravel": (158, 148, 136),
    "hill": (150, 166, 90),
    "house": (178, 85, 62),
    "mountain": (112, 117, 138),
    "river": (64, 156, 196),
    "rock": (92, 89, 86),
    "sand": (232, 206, 142),
    "sea": (32, 96, 160),
    "sky-other": (135, 190, 245),
    "snow": (250, 250, 255),
    "tree": (34, 94, 52),
    "water-other": (48, 128, 180),
}
"""A colour for each painted label, for pictures of label maps: near to what it looks like, and all different."""

# For each painted label the other COCO-Stuff names that stand closest to it in a landscape: by what they are, how large
# they are and where they stand. Names within a row are separated by commas, since some contain spaces.
_DRAWN_AS: dict[str, str] = {
    "person": (
        "bicycle, motorcycle, traffic light, fire hydrant, street sign, stop sign, parking meter, bird, cat, "
        "dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses, "
        "handbag, tie, suitcase, skis, snowboard, kite, baseball bat, baseball glove, skateboard, tennis "
        "racket, teddy bear, clothes, cloth, towel, textile-other, banner"
    ),
    "bush": ("potted plant, broccoli, plant-other, vegetable, salad, flower, fruit, apple, orange, banana, carrot"),
    "clouds": "fog",
    "dirt": (
        "road, mud, ground-other, floor-wood, carpet, rug, mat, railroad, platform, straw, wood, table, desk, "
        "dining table, desk-stuff, cardboard, food-other, sandwich, hot dog, pizza, donut, cake"
    ),
    "grass": "leaves, moss, playingfield",
    "gravel": "pavement, floor-marble, floor-other, floor-stone, floor-tile, counter, plate, bowl",
    "hill": "blanket, pillow, bed, couch",
    "house": (
        "car, airplane, bus, train, truck, boat, bench, bridge, building-other, skyscraper, roof, tent, "
        "fence, railing, structural-other, cage, door, door-stuff, window, window-other, window-blind, "
        "wall-brick, wall-other, wall-panel, wall-tile, wall-wood, ceiling-other, ceiling-tile, chair, tv, "
        "laptop, keyboard, microwave, oven, toaster, refrigerator, blender, cabinet, cupboard, "
        "furniture-other, shelf, curtain, metal, net, plastic, paper, napkin"
    ),
    "mountain": "",
    "river": "",
    "rock": (
        "stone, stairs, wall-stone, wall-concrete, solid-other, surfboard, frisbee, sports ball, bottle, wine "
        "glass, cup, fork, knife, spoon, cell phone, remote, mouse, book, clock, vase, scissors, hair drier, "
        "toothbrush, hair brush"
    ),
    "sand": "",
    "sea": "",
    "sky-other": "light",
    "snow": "",
    "tree": "branch",
    "water-other": "waterdrops, mirror, mirror-stuff, sink, toilet",
}

LABEL_GROUPS: dict[str, str] = {
    name: painted
    for painted, others in _DRAWN_AS.items()
    for name in (painted, *filter(None, (other.strip() for other in others.split(","))))
}
"""For each of the 182 COCO-Stuff names, the painted label that a model trained on scenes draws it as."""

"""Procedural landscapes: exact, seeded, and annotated with what was painted."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.conditions.label_spaces import label_space
from vqgan_transformer.scenes import BIOMES, LABEL_GROUPS, LABELS, SEASONS, TIMES_OF_DAY, Scene, make_scene
from vqgan_transformer.scenes.body import Figure
from vqgan_transformer.scenes.canvas import Canvas
from vqgan_transformer.scenes.clothes import dress
from vqgan_transformer.scenes.houses import paint_house
from vqgan_transformer.scenes.light import light_of, season_colours
from vqgan_transformer.scenes.noise import Dice
from vqgan_transformer.scenes.people import paint_person, pose_figure
from vqgan_transformer.scenes.trees import Nursery

THINGS = ("house", "tree", "bush", "rock", "person")
EVERYTHING = ("image", "segmentation", "depth", "keypoints")
WATER = [LABELS[name] for name in ("sea", "river", "water-other")]


def equal(first: Scene, second: Scene) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in EVERYTHING)


def colour_of(scene: Scene, label: str) -> np.ndarray:
    return scene.image[scene.segmentation == LABELS[label]].astype(float).mean(0)


@pytest.mark.parametrize("biome", BIOMES)
def test_a_scene_is_what_it_says(biome):
    scene = make_scene(3, (96, 128), biome=biome, season="autumn", time_of_day="dusk", people=2)
    assert (scene.image.shape, scene.image.dtype) == ((96, 128, 3), np.uint8)
    assert (scene.segmentation.shape, scene.segmentation.dtype) == ((96, 128), np.uint8)
    assert (scene.depth.shape, scene.depth.dtype) == ((96, 128), np.float32)
    assert (scene.keypoints.shape, scene.keypoints.dtype) == ((2, 17, 3), np.float32)
    assert (scene.season, scene.time_of_day, scene.biome, scene.seed) == ("autumn", "dusk", biome, 3)
    assert set(np.unique(scene.segmentation)) <= set(LABELS.values())
    assert scene.depth.min() >= 0 and scene.depth.max() <= 1
    assert scene.image.std() > 20, "a scene is no flat colour"


def test_the_same_seed_gives_the_same_arrays_and_another_seed_does_not():
    assert equal(make_scene(5, (64, 96)), make_scene(5, (64, 96)))
    assert not np.array_equal(make_scene(5, (64, 96)).image, make_scene(6, (64, 96)).image)


def test_arrays_are_the_same_on_every_machine():
    # If scenes are changed on purpose, these digests change with them; otherwise a machine computes something else.
    digest = hashlib.sha256()
    for seed in range(8):
        scene = make_scene(seed, (80, 112), people=1)
        for name in EVERYTHING:
            digest.update(getattr(scene, name).tobytes())
    assert digest.hexdigest() == "fbcfa448a030787389b8aa8c0d667be4d627fb51ea5a60f30fd7d6d4e6b55aed"


def test_naming_what_was_drawn_changes_nothing():
    scene = make_scene(11, (64, 64))
    named = make_scene(11, (64, 64), season=scene.season, time_of_day=scene.time_of_day, biome=scene.biome)
    assert equal(scene, named)


@pytest.mark.parametrize("seed", range(4))
def test_a_larger_picture_shows_the_same_place(seed):
    small, large = (make_scene(seed, size, time_of_day="day") for size in ((64, 96), (256, 384)))
    shrunk = large.image.reshape(64, 4, 96, 4, 3).astype(float).mean((1, 3))
    agree = (large.segmentation[2::4, 2::4] == small.segmentation).mean()
    assert agree > 0.8
    assert np.corrcoef(shrunk.ravel(), small.image.ravel().astype(float))[0, 1] > 0.8


@pytest.mark.parametrize("size", [(32, 32), (32, 500), (400, 33), (97, 131)])
@pytest.mark.parametrize("seed", range(3))
def test_any_size_of_any_aspect(size, seed):
    scene = make_scene(seed, size, people=1)
    assert scene.image.shape[:2] == scene.segmentation.shape == scene.depth.shape == size


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.parametrize("hour", TIMES_OF_DAY)
def test_season_and_hour_show_in_the_picture(season, hour):
    def brightness(hour: str) -> float:
        scenes = [make_scene(seed, (64, 64), season=season, time_of_day=hour, biome="meadow") for seed in range(4)]
        assert {(scene.season, scene.time_of_day) for scene in scenes} == {(season, hour)}
        return float(np.mean([scene.image.mean() for scene in scenes]))

    assert brightness(hour) <= brightness("day")
    assert (brightness(hour) < 0.5 * brightness("day")) == (hour == "night")


def test_a_scene_is_of_a_class_of_the_built_in_checkpoint():
    classes = ImageSynthesisPipeline.from_pretrained("builtin:scenes").condition("class_label")
    for season in SEASONS:
        for hour in TIMES_OF_DAY:
            scene = make_scene(0, (32, 32), season=season, time_of_day=hour)
            assert classes.describe(classes.parse(scene.class_label)[0]) == f"{season} {hour}"


def test_labels_tell_what_was_painted():
    lake = make_scene(4, (128, 128), biome="lake", season="summer", time_of_day="day", people=0)
    red, green, blue = colour_of(lake, "sky-other")
    assert blue > green > red
    red, green, blue = colour_of(lake, "tree")
    assert green > red and green > blue
    winter = make_scene(4, (128, 128), biome="mountains", season="winter", time_of_day="day")
    assert colour_of(winter, "snow").min() > 150


def test_every_label_gets_painted():
    seen: set[int] = set()
    for seed in range(60):
        seen |= set(np.unique(make_scene(seed, (64, 64)).segmentation).tolist())
    assert seen == set(LABELS.values())


def test_most_of_a_scenes_labels_are_large_enough_to_learn():
    share = np.zeros(182)
    for seed in range(60):
        share += np.bincount(make_scene(seed, (64, 64)).segmentation.ravel(), minlength=182) / (60 * 64 * 64)
    for name in ("sky-other", "clouds", "tree", "grass", "snow", "mountain", "hill", "sand"):
        assert share[LABELS[name]] > 0.02, name


@pytest.mark.parametrize("seed", range(6))
def test_depth_orders_the_scene(seed):
    scene = make_scene(seed, (96, 96), people=1)
    sky = np.isin(scene.segmentation, [LABELS["sky-other"], LABELS["clouds"]])
    assert (scene.depth[sky] == 0).all()
    assert (scene.depth[~sky] > 0).all()
    flat = np.isin(scene.segmentation, [LABELS[name] for name in ("grass", "sand", "dirt", "gravel")] + WATER)
    for column in range(0, 96, 7):
        ground = scene.depth[flat[:, column], column]
        assert (np.diff(ground) > 0).all(), "ground comes nearer from row to row"


@pytest.mark.parametrize("seed", range(8))
def test_water_mirrors_what_stands_behind_it(seed):
    scene = make_scene(seed, (128, 128), biome="lake", season="autumn", time_of_day="day", people=0)
    wet = scene.segmentation == LABELS["water-other"]
    shore = int(np.flatnonzero(wet.sum(1) > 64)[0])
    below = scene.image[shore + 1 : shore + 9].astype(float)
    above = scene.image[shore - 8 : shore][::-1].astype(float)
    here = wet[shore + 1 : shore + 9]
    assert np.abs(below - above)[here].mean() < 0.75 * np.abs(below - above[:, ::-1])[here].mean() + 25


def test_people_stand_on_land_and_their_keypoints_lie_on_them():
    on_person = total = 0
    for seed in range(12):
        scene = make_scene(seed, (128, 128), people=2)
        assert len(scene.keypoints) == 2
        people = scene.segmentation == LABELS["person"]
        for person in scene.keypoints:
            for x, y, visibility in person:
                assert visibility in (0, 1, 2)
                if visibility == 0:
                    assert x == y == 0
                else:
                    assert 0 <= x < 128 and 0 <= y < 128
                if visibility == 2:
                    row, column = int(y), int(x)
                    around = people[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                    on_person, total = on_person + around.any(), total + 1
            if person[15, 2] and person[16, 2]:
                assert person[:5, 1].max() < person[15:, 1].min(), "heads are above feet"
    assert total > 200 and on_person / total > 0.98


def test_people_are_large_enough_to_show_their_limbs():
    heights = []
    for seed in range(24):
        for person in make_scene(seed, (128, 128), people=1).keypoints:
            inside = person[person[:, 2] > 0]
            heights.append(np.ptp(inside[:, 1]) / 128)
    assert np.median(heights) > 0.12


def warmth_along(image: np.ndarray, person: np.ndarray, limb: tuple[int, int]) -> float:
    """Red over blue, on average, of the pixels around the bone between two joints of a person (17, 3)."""
    start, end = person[list(limb), :2]
    row, column = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    place = np.stack((column, row), -1) - start
    share = np.clip(place @ (end - start) / max((end - start) @ (end - start), 1e-6), 0.1, 0.9)
    near = np.linalg.norm(place - share[..., None] * (end - start), axis=-1) < 0.035 * np.ptp(person[:, 1])
    colours = image[near].astype(float)
    return float((colours[:, 0] - colours[:, 2]).mean())


@pytest.mark.parametrize("hour", TIMES_OF_DAY)
def test_people_wear_a_warm_stripe_on_their_left_and_a_cool_one_on_their_right(hour):
    limbs = [((5, 7), (6, 8)), ((7, 9), (8, 10)), ((11, 13), (12, 14)), ((13, 15), (14, 16))]  # left, right
    warmer = []
    for seed in range(40):
        scene = make_scene(seed, (160, 160), people=1, time_of_day=hour)
        person = scene.keypoints[0]
        for left, right in limbs:
            if (person[[*left, *right], 2] == 2).all():
                warmer.append(warmth_along(scene.image, person, left) > warmth_along(scene.image, person, right))
    assert len(warmer) > 80 and np.mean(warmer) > 0.95


def figure(seed: int, season: str, facing: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray, Figure]:
    """A figure of 200 rows on white: picture, keypoints, which are in view, and its pose (one that faces there)."""
    dice = Dice(seed, "figure")
    poses = (pose_figure(dice.stream(f"pose{number}")) for number in range(64))
    pose = next(pose for pose in poses if pose.facing == (facing or pose.facing))
    canvas = Canvas(260, 260)
    canvas.image += 1
    light = light_of(Dice(0, "light"), season, "day")
    points, clear = paint_person(canvas, dice, light, pose, 130.0, 250.0, 200.0, 0.5, season)
    return canvas.pixels().astype(int), points, clear, pose


@pytest.mark.parametrize("facing", ["front", "left", "right"])
def test_eyes_are_darker_than_the_skin_around_them(facing):
    for seed in range(8):
        picture, points, clear, pose = figure(seed, "summer", facing)
        for x, y in points[1:3][clear[1:3]]:
            row, column = int(y), int(x - 2 * pose.ahead)
            assert picture[row, column].sum() < 0.7 * picture[row + 5, column].sum()


def test_clothes_are_those_of_the_season():
    def bare_forearms(season: str) -> float:
        return float(np.mean([dress(Dice(seed, "wardrobe"), season).sleeve <= 1 for seed in range(40)]))

    def hats(season: str) -> float:
        return float(np.mean([dress(Dice(seed, "wardrobe"), season).hat is not None for seed in range(40)]))

    assert bare_forearms("summer") == 1 and bare_forearms("winter") == 0
    assert hats("winter") > 0.5 > hats("spring")


def test_the_season_colours_what_does_not_grow():
    skies = {s: make_scene(4, (64, 64), biome="coast", season=s, time_of_day="day") for s in SEASONS}
    warmth = {season: np.subtract(*scene.image[:, :, ::2].mean((0, 1))) for season, scene in skies.items()}
    assert warmth["autumn"] > warmth["summer"] > warmth["spring"] > warmth["winter"]


def test_the_sun_rises_on_the_left_and_sets_on_the_right():
    def left_over_right(hour: str) -> float:
        skies = [make_scene(seed, (64, 64), time_of_day=hour, people=0).image[:20].astype(float) for seed in range(12)]
        return float(np.mean([sky[:, :24].mean() / sky[:, 40:].mean() for sky in skies]))

    assert left_over_right("dawn") > 1.1 * left_over_right("dusk")


@pytest.mark.parametrize("biome", BIOMES)
def test_nights_are_moonlit_and_blue(biome):
    for season in SEASONS:
        night = make_scene(2, (96, 96), biome=biome, season=season, time_of_day="night", people=0).image.astype(float)
        luminance = night @ (0.2126, 0.7152, 0.0722) / 255
        assert 0.14 < luminance.mean() < 0.36
        assert night[..., 2].mean() > night[..., 0].mean()


@pytest.mark.parametrize(("hour", "row", "column"), [("day", 0.16, 0.752), ("night", 0.16, 0.248)])
def test_sun_and_moon_shine_through_clouds_or_are_hidden_wholly(hour, row, column):
    discs = 0
    for seed in range(16):
        scene = make_scene(seed, (128, 128), biome="coast", season="summer", time_of_day=hour, people=0)
        y, x = int(row * 128), int(column * 128)
        if scene.segmentation[y, x] == LABELS["sky-other"]:
            disc = scene.image[y - 2 : y + 3, x - 2 : x + 3]
            discs += disc.mean() > 180
        else:
            assert hour == "day" and scene.segmentation[y, x] == LABELS["clouds"], "overcast"
    assert discs >= 10


def nursery(seed: int, snowy: bool, hour: str = "day") -> Nursery:
    colours, leaves = season_colours("winter")
    return Nursery(Dice(seed, "plants"), light_of(Dice(seed, "light"), "winter", hour), colours, leaves, snowy, 256)


@pytest.mark.parametrize("kind", ["conifer", "broadleaf", "bare", "bush"])
def test_plants_are_not_cut_off_by_the_edges_of_their_drawings(kind):
    for seed in range(4):
        for variant in range(3):
            alpha = nursery(seed, False).sprite(kind, variant, 80)[3]
            assert max(alpha[:, 0].max(), alpha[:, -1].max()) < 0.5
            assert kind == "conifer" or alpha[0].max() < 0.5


def test_the_tip_of_a_conifer_is_wide_enough_to_be_labelled():
    for variant in range(3):
        alpha = nursery(0, False).sprite("conifer", variant, 80)[3]
        assert (alpha >= 0.5).any(axis=1).all()
        assert (alpha[4:].sum(axis=1) >= 1.4).all()


@pytest.mark.parametrize("kind", ["conifer", "bare", "bush"])
def test_snow_lies_on_all_plants_of_a_snowy_scene_or_on_none(kind):
    green, white = (nursery(1, snowy).sprite(kind, 0, 80) for snowy in (False, True))
    assert np.array_equal(green[3], white[3])
    assert white[:3].sum() > 1.1 * green[:3].sum()


def test_single_trees_keep_their_tips_in_the_picture():
    for seed in range(12):
        scene = make_scene(seed, (128, 128), biome="meadow", season="summer", time_of_day="day", people=0)
        assert (scene.segmentation[0] != LABELS["tree"]).all()


def test_boxes_of_objects_are_tight_around_pixels_of_their_label():
    names = set()
    for seed in range(12):
        scene = make_scene(seed, (128, 128), people=1)
        for name, (left, top, right, bottom) in scene.objects:
            names.add(name)
            assert 0 <= left < right <= 128 and 0 <= top < bottom <= 128
            inside = scene.segmentation[top:bottom, left:right] == LABELS[name]
            assert inside.sum() >= 24 / 4
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    assert names == set(THINGS)


def block(rows: int, columns: int) -> np.ndarray:
    return np.ones((4, rows, columns), np.float32)


@pytest.mark.parametrize(("width", "seen"), [(8, ["tree", "rock"]), (9, ["rock"]), (3, ["tree", "rock"])])
def test_a_hidden_thing_is_no_object(width, seen):
    canvas = Canvas(32, 32)
    canvas.begin_thing()
    canvas.paint_premultiplied(4, 2, block(10, 12), "tree", 0.2)
    canvas.begin_thing()
    canvas.paint_premultiplied(0, 2, block(20, width), "rock", 0.4)
    things = canvas.things(share=0.3, least=4)
    assert [name for name, _ in things] == seen
    assert dict(things)["rock"] == (2, 0, 2 + width, 20)
    assert dict(things).get("tree", (2 + width, 4, 14, 14)) == (2 + width, 4, 14, 14)


def test_a_thing_outside_the_picture_is_no_object():
    canvas = Canvas(32, 32)
    for left in (-9, -5, 40):
        canvas.begin_thing()
        canvas.paint_premultiplied(4, left, block(10, 12), "tree", 0.2)
    assert canvas.things(share=0.3, least=4) == (("tree", (0, 4, 7, 14)),)


@pytest.mark.parametrize("hour", TIMES_OF_DAY)
def test_windows_of_houses_are_lit_after_sunset(hour):
    canvas = Canvas(96, 192)
    paint_house(canvas, Dice(0, "house"), light_of(Dice(0, "light"), "summer", hour), 96, 90, 80, 0.5, False)
    warm = (canvas.image[0] > 0.9) & (canvas.image[1] > 0.7) & (canvas.image[2] < 0.5)
    assert (warm.sum() > 100) == (hour in ("dusk", "night"))


def test_ids_are_those_of_coco_stuff():
    space = label_space("coco-stuff-182")
    assert all(space.id_of(name) == number for name, number in LABELS.items())


def test_every_coco_stuff_label_is_drawn_as_a_painted_one():
    assert set(LABEL_GROUPS) == set(label_space("coco-stuff-182").names)
    assert set(LABEL_GROUPS.values()) == set(LABELS)
    assert all(LABEL_GROUPS[name] == name for name in LABELS)
    assert LABEL_GROUPS["giraffe"] == "person" and LABEL_GROUPS["building-other"] == "house"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"season": "sumer"}, ValueError, "Did you mean 'summer'"),
        ({"time_of_day": "noon"}, ValueError, "dawn, day, dusk, night"),
        ({"biome": "lakes"}, ValueError, "Did you mean 'lake'"),
        ({"biome": 3}, ValueError, "biome must be one of"),
        ({"people": -1}, ValueError, "people must be between 0 and 16"),
        ({"people": 1.5}, TypeError, "people must be an integer"),
        ({"size": (16, 64)}, ValueError, "height in size must be between 32"),
        ({"size": (64, 100000)}, ValueError, "width in size"),
        ({"size": 64}, ValueError, "size must be \\(height, width\\)"),
        ({"size": (64, 64.0)}, TypeError, "width in size must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": "one"}, TypeError, "seed must be an integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_scene(**{"seed": 0, "size": (32, 32), **arguments})


def test_a_scene_is_quick():
    make_scene(0)
    began = time.process_time()
    for seed in range(6):
        make_scene(seed)
    assert (time.process_time() - began) / 6 < 0.2, "far above what a 256×256 scene takes on any machine"

"""What all conditions share, and the kinds other than segmentation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    KeypointsCondition,
    SegmentationCondition,
    Unconditional,
    VQGANConfig,
)
from vqgan_transformer.conditions.gaps import fill_gaps


def small_vqgan(channels: int) -> VQGAN:
    torch.manual_seed(0)
    config = VQGANConfig(
        in_channels=channels, out_channels=channels, channels=32, channel_multipliers=(1, 1), num_res_blocks=1,
        attention_levels=(), latent_channels=8, codebook_size=16, code_dim=4,
    )  # fmt: skip
    return VQGAN(config).eval()


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (
            lambda: SegmentationCondition(
                labels=("a", "b", "c"), palette=((0, 0, 0), (9, 9, 9), (255, 0, 0)), channels=(0, 1, 1),
                trained_labels=("a", "b", "c"), unknown=2, vqgan=small_vqgan(2),
            ),
            np.arange(16).reshape(4, 4) % 3,
        ),
        (lambda: SegmentationCondition(label_space="ade20k-151"), None),
        (lambda: DepthCondition(vqgan=small_vqgan(1)), np.arange(16.0).reshape(4, 4)),
        (lambda: KeypointsCondition(vqgan=small_vqgan(3)), {"people": [], "canvas_height": 4, "canvas_width": 4}),
        (lambda: ImageCondition(vqgan=small_vqgan(3)), np.zeros((4, 4, 3))),
        (lambda: ImageCondition(vqgan=small_vqgan(1)), np.eye(4, dtype=bool)),
        (lambda: ImageCondition(channels=1), None),
        (lambda: ClassCondition(labels=("spring", "autumn")), ["autumn"]),
        (lambda: ClassCondition(number_of_classes=10), 7),
        (lambda: CoordinatesCondition(64, downsample_factor=2), np.arange(16.0).reshape(4, 4) / 16),
        (lambda: CoordinatesCondition(None, downsample_factor=8), None),
        (lambda: Unconditional(token=3), None),
    ],
    ids=["segmentation", "segmentation-without-vqgan", "depth", "keypoints", "picture", "gray-picture",
         "gray-picture-without-vqgan", "class", "class-ids", "coordinates", "rows-and-columns", "unconditional"],
)  # fmt: skip
def test_a_saved_condition_comes_back_the_same(tmp_path, make, value):
    condition = make()
    loaded = type(condition).from_pretrained(condition.save_pretrained(tmp_path / "condition"))
    assert loaded.config == condition.config
    assert not loaded.training
    if value is not None:
        parsed = condition.parse(value)
        assert torch.equal(loaded.parse(value), parsed)
        assert torch.equal(loaded.encode(parsed), condition.encode(parsed))


def test_labels_are_scaled_to_the_nearest():
    condition = SegmentationCondition(labels=("a", "b", "c", "d"))
    labels = torch.tensor([[[0, 1], [2, 3]]])
    large = labels.repeat_interleave(3, 1).repeat_interleave(4, 2)
    assert torch.equal(condition.resize(labels, (6, 8)), large)
    assert torch.equal(condition.resize(large, (2, 2)), labels)
    random = torch.randint(4, (2, 7, 10), generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(random[:, None].double(), (5, 23), mode="nearest-exact")[:, 0].long()
    assert torch.equal(condition.resize(random, (5, 23)), expected)


def test_depth_is_scaled_smoothly():
    condition = DepthCondition()
    depth = condition.parse(np.arange(64.0).reshape(8, 8))
    assert condition.resize(depth, (16, 12)).shape == (1, 1, 16, 12)
    halved = condition.resize(depth, (4, 4))
    assert torch.allclose(halved[0, 0, 1:3, 1:3], torch.nn.functional.avg_pool2d(depth, 2)[0, 0, 1:3, 1:3], atol=1e-6)
    assert condition.resize(depth, (8, 8)) is depth


def test_maps_are_extended_by_their_edges():
    labels = torch.tensor([[[0, 1], [2, 3]]])
    expected = torch.tensor([[[0, 1, 1], [2, 3, 3], [2, 3, 3]]])
    assert torch.equal(SegmentationCondition(labels=tuple("abcd")).extend_to(labels, (3, 3)), expected)
    assert torch.equal(DepthCondition().extend_to(labels[:, None].float(), (3, 3)), expected[:, None].float())
    with pytest.raises(ValueError, match="smaller 1×2"):
        DepthCondition().extend_to(labels, (1, 2))


@pytest.mark.parametrize("condition", [ClassCondition(number_of_classes=5), Unconditional()])
def test_what_is_no_map_has_no_size(condition):
    ids = torch.tensor([0, 0])
    assert condition.resize(ids, (8, 8)) is ids
    assert condition.extend_to(ids, (8, 8)) is ids
    assert condition.encode(ids).tolist() == [[0], [0]]


# depth ----------------------------------------------------------------------------------------------------------------

DEPTH = np.array([[0.0, 5.0], [10.0, 20.0]])
SCALED = torch.tensor([[[[-1.0, -0.5], [0.0, 1.0]]]])


@pytest.mark.parametrize(
    "given",
    [
        DEPTH,
        DEPTH[None] * 1e-3 + 7,
        torch.from_numpy(DEPTH).half(),
        torch.from_numpy(DEPTH)[None, None],
        DEPTH.astype(np.uint16),
        Image.fromarray(DEPTH.astype(np.uint8)),
        Image.fromarray(DEPTH.astype(np.uint16)),
        Image.fromarray(DEPTH.astype(np.float32)),
        [DEPTH],
    ],
    ids=["float64", "another-unit", "half", "B1HW", "uint16", "L", "I;16", "F", "list"],
)
def test_depth_runs_from_far_to_near(given):
    parsed = DepthCondition().parse(given)
    assert parsed.dtype == torch.float32
    assert torch.allclose(parsed, SCALED, atol=1e-5)


def test_each_depth_map_has_its_own_scale():
    assert torch.equal(DepthCondition().parse(np.stack([DEPTH, DEPTH * 9])), SCALED.expand(2, -1, -1, -1))


def test_constant_depth_is_far():
    with pytest.warns(UserWarning, match="same everywhere"):
        assert DepthCondition().parse(np.full((2, 3), 4.0)).eq(-1).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.array([[0, np.nan]]), ValueError, "50.00% of the depth values are NaN or infinite"),
        (np.array([[-1e308, 1e308]]), ValueError, "cannot be scaled"),
        (np.array([[True]]), TypeError, "type bool"),
        (np.eye(3)[None].repeat(2, 0), ValueError, r"colour picture \(its channels differ by up to 1\)"),
        (np.zeros(4), ValueError, r"shape \(4,\)"),
        (np.zeros((2, 0)), ValueError, r"shape \(2, 0\)"),
        (Image.new("RGB", (4, 4), "red"), ValueError, "differ by up to 255"),
        ([DEPTH, DEPTH[:1]], ValueError, "different sizes"),
        (3.0, TypeError, "given as float"),
        ([], ValueError, "empty list"),
    ],
)
def test_depth_that_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        DepthCondition().parse(given)


def test_depth_is_encoded_by_its_vqgan():
    vqgan = small_vqgan(1).double()
    maps = torch.rand(2, 1, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(DepthCondition(vqgan=vqgan).encode(maps), vqgan.encode(maps))
    with pytest.raises(ValueError, match="one input channel, got 3"):
        DepthCondition(vqgan=small_vqgan(3))
    with pytest.raises(ValueError, match="no VQGAN"):
        DepthCondition().encode(maps)


def test_zeros_that_look_like_missing_readings_are_pointed_out():
    millimetres = np.array([[0, 1200, 2600], [0, 4300, 6400]], np.uint16)
    with pytest.warns(UserWarning, match=r"33.3% of the depth values are 0 and all others lie in 1200–6400.*invalid=0"):
        DepthCondition().parse(millimetres)


def test_gaps_become_membranes_between_readings():
    """The fill of a gap solves Laplace's equation: a ramp is continued as a ramp, and readings stay as they are."""
    ramp = np.add.outer(3 * np.arange(24.0), 2 * np.arange(40.0))
    known = np.ones(ramp.shape, bool)
    known[8:15, 5:30] = False
    filled = fill_gaps(np.where(known, ramp, np.nan), known)
    assert np.array_equal(filled[known], ramp[known])
    assert np.abs(filled - ramp).max() < 1


METRES = np.linspace(1, 9, 400).reshape(20, 20)


@pytest.mark.parametrize("near", ["large", "small"])
@pytest.mark.parametrize(
    ("scale", "mark"), [(1, -1), (1, -9999), (1000, 65535), (1000, 32767), (1, 1e30)], ids=lambda value: f"{value:g}"
)
def test_values_that_mark_holes_are_pointed_out(scale, mark, near):
    holes = np.random.default_rng(0).random(METRES.shape) < 0.05
    depth = np.where(holes, mark, scale * METRES)
    told = (
        pytest.raises(ValueError, match=f"invalid={mark}")
        if near == "small" and mark < 0
        else pytest.warns(
            UserWarning, match=f"are {mark:.10g} and all others .*pass invalid={mark:.10g}".replace("+", ".")
        )
    )
    with told:
        DepthCondition().parse(depth, near=near)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DepthCondition().parse(depth, near=near, invalid=mark)
        DepthCondition().parse(METRES - 5, near="large")  # relative depth has values below 0, too


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_what_is_filled_in_lies_between_the_readings(share):
    random = np.random.default_rng(0)
    values = random.normal(size=(37, 50))
    known = random.random(values.shape) < share
    filled = fill_gaps(np.where(known, values, np.inf), known)
    assert np.array_equal(filled[known], values[known])
    assert values[known].min() <= filled.min() <= filled.max() <= values[known].max()


def test_a_gap_takes_after_the_readings_next_to_it():
    """The sky above a street, where a laser scanner has no reading, is as far as what is seen below it."""
    inverse = np.linspace(0, 1, 64)[:, None].repeat(96, axis=1)
    known = np.arange(64)[:, None].repeat(96, axis=1) >= 20
    assert fill_gaps(inverse, known)[:20].max() < inverse[24, 0]
    with pytest.raises(ValueError, match="no reading"):
        fill_gaps(inverse, np.zeros_like(known))


# pictures, drawn or given ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "channels"), [(KeypointsCondition, 3), (ImageCondition, 3), (ImageCondition, 1)], ids=str
)
def test_pictures_are_encoded_by_their_vqgan(make, channels):
    vqgan = small_vqgan(channels).double()
    condition = make(vqgan=vqgan)
    pictures = torch.rand(2, channels, 6, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(condition.encode(pictures), vqgan.encode(pictures.double()))
    assert (condition.vocab_size, condition.downsample_factor) == (16, 2)
    with pytest.raises(ValueError, match="no VQGAN"):
        make().encode(pictures)


def test_vqgans_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="three input channels, got 1"):
        KeypointsCondition(vqgan=small_vqgan(1))
    with pytest.raises(ValueError, match=r"2 input channels|3 \(colour\) or 1 \(gray\), got 2"):
        ImageCondition(vqgan=small_vqgan(2))
    with pytest.raises(ValueError, match="has 1 input channels, but channels=3"):
        ImageCondition(vqgan=small_vqgan(1), channels=3)


# classes --------------------------------------------------------------------------------------------------------------

SEASONS = ("spring", "summer, high season", "autumn, fall", "winter", "fall")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, [3]),
        ("Winter", [3]),
        ("high season", [1]),
        ("autumn, fall", [2]),
        (np.int64(2), [2]),
        (np.array([0, 3]), [0, 3]),
        (torch.tensor([1, 1]), [1, 1]),
        (torch.tensor(1), [1]),
        (["winter", 0], [3, 0]),
    ],
)
def test_classes_by_id_and_name(given, expected):
    condition = ClassCondition(labels=SEASONS)
    parsed = condition.parse(given)
    assert parsed.tolist() == expected
    assert condition.encode(parsed).tolist() == [[label] for label in expected]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (5, ValueError, "classes 0–4"),
        (-1, ValueError, "class_label -1 is out of range"),
        ("wintre", ValueError, "no class 'wintre'. Did you mean 'winter'"),
        ("SPRINGS", ValueError, r"no class 'SPRINGS'. Did you mean 'spring'\?"),
        ("sumer season", ValueError, r"Did you mean 'high season'\?"),
        ("fall", ValueError, "pass one of the ids 2, 4"),
        (True, TypeError, "got True"),
        (torch.tensor([True]), TypeError, "got True"),
        (1.0, TypeError, "got 1.0"),
        (np.zeros((2, 2), int), ValueError, r"shape \(2, 2\)"),
        ([], ValueError, "empty"),
    ],
)
def test_classes_that_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        ClassCondition(labels=SEASONS).parse(given)


def test_classes_without_names():
    with pytest.raises(ValueError, match="no names: pass an id from 0 to 9"):
        ClassCondition(number_of_classes=10).parse("winter")
    with pytest.raises(ValueError, match="labels= or number_of_classes="):
        ClassCondition()
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        ClassCondition(("a", "b"), number_of_classes=3)


# coordinates and nothing ----------------------------------------------------------------------------------------------


def test_coordinates_of_a_whole_picture():
    condition = CoordinatesCondition(1024, downsample_factor=16)
    tokens = condition.encode(condition.default((256, 256)))
    assert tokens.dtype == torch.int64
    assert tokens.shape == (1, 16, 16)
    assert (tokens.min(), tokens.max()) == (30, 994)
    assert tokens[0, :3, 0].tolist() == [30, 94, 158]


def test_a_part_of_a_larger_picture_keeps_its_coordinates():
    condition = CoordinatesCondition(512, downsample_factor=4)
    whole = condition.default((32, 48))
    part = condition.parse(whole[0, 0, 8:24, 16:32].numpy())
    assert torch.equal(condition.encode(part), condition.encode(whole)[:, 2:6, 4:8])


def test_coordinates_are_rounded_half_to_even():
    condition = CoordinatesCondition(8, downsample_factor=1)
    assert condition.encode(torch.tensor([[[[0.0625, 0.1875, 0.3125, 0.999]]]])).tolist() == [[[0, 2, 2, 7]]]


def test_rows_and_columns_of_a_whole_picture_are_those_of_the_middles_of_pixels():
    condition = CoordinatesCondition(None)
    whole = condition.default((2, 4))
    assert whole.tolist() == [[[[0.25] * 4, [0.75] * 4], [[0.125, 0.375, 0.625, 0.875]] * 2]]
    assert condition.aligned_input == ("values", 2)
    part = condition.parse(whole[0, :, 1:, 2:].numpy())
    assert torch.equal(part, whole[:, :, 1:, 2:])


def test_rows_and_columns_are_no_tokens():
    condition = CoordinatesCondition(None, downsample_factor=2)
    with pytest.raises(ValueError, match="give the condition a codebook_size"):
        condition.encode(condition.default((4, 4)))
    with pytest.raises(ValueError, match=r"\(2, H, W\) or \(B, 2, H, W\), got \(4, 4\)"):
        condition.parse(np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.array([[0.0, 1.0]]), ValueError, r"in \[0, 1\).*; got 0–1"),
        (np.array([[0.0, np.nan]]), ValueError, "got nan"),
        (np.array([[0, 1]]), TypeError, "torch.int64"),
        ((256, 256), TypeError, "got tuple"),
        (np.zeros((1, 2, 4, 4)), ValueError, r"\(1, 2, 4, 4\)"),
    ],
)
def test_coordinates_that_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        CoordinatesCondition(64).parse(given)


def test_nothing_to_pass():
    condition = Unconditional(token=3)
    assert condition.encode(condition.default((64, 64))).tolist() == [[3]]
    assert condition.vocab_size == 4
    with pytest.raises(ValueError, match="takes no condition, got 5"):
        condition.parse(5)


def test_only_conditions_without_input_have_a_default():
    assert SegmentationCondition(labels=("a",)).default((8, 8)) is None
    assert ClassCondition(number_of_classes=2).default((8, 8)) is None


def test_every_kind_can_be_looked_at():
    depth = DepthCondition()
    ramp = depth.show(depth.parse(np.linspace(0, 1, 12).reshape(3, 4)))[0]
    assert (ramp.size, ramp.getpixel((0, 0)), ramp.getpixel((3, 2))) == ((4, 3), (0, 0, 0), (255, 255, 255))
    coordinates = CoordinatesCondition(codebook_size=8)
    assert coordinates.show(coordinates.default((2, 2)))[0].getpixel((0, 1)) == (128, 128, 128)
    coordinates = CoordinatesCondition(None)
    assert coordinates.show(coordinates.default((2, 2)))[0].getpixel((0, 1)) == (191, 64, 0)
    labels = SegmentationCondition(labels=("sky", "sea"))
    sky, sea = (labels.show(torch.tensor([[[0, 1]]]))[0].getpixel((x, 0)) for x in (0, 1))
    assert sky != sea
    season = ClassCondition(labels=("spring", "autumn"))
    assert [season.describe(one) for one in season.parse([1, "spring"])] == ["autumn", "spring"]
    (card,) = season.show(season.parse("autumn"), size=(40, 80))
    assert card.size == (80, 40)
    assert card.getextrema()[0] != (255, 255)  # there is something on it


def test_seeds_choose_classes_by_their_weights_evenly(tmp_path):
    classes = ClassCondition(("dawn", "day", "dusk", "night"), chosen_by_seed=True, weights=(1, 7, 1, 1))
    assert classes.describe(classes.chosen_by([0])[0]) == "day"
    for start in (0, 123, 10**18):
        counts = classes.chosen_by(range(start, start + 40)).bincount(minlength=4)
        assert (counts - torch.tensor([4, 28, 4, 4])).abs().max() <= 2
    classes.save_pretrained(tmp_path)
    again = ClassCondition.from_pretrained(tmp_path)
    assert again.config == classes.config and torch.equal(again.chosen_by(range(9)), classes.chosen_by(range(9)))
    assert (ClassCondition(3 * ("a",), chosen_by_seed=True, weights=(0, 1, 0)).chosen_by(range(50)) == 1).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": (1, 2, 3)}, "3 weights for 2 classes"),
        ({"weights": (1, -1)}, "at least 0"),
        ({"weights": (0, 0)}, "at least 0"),
        ({"weights": (1, 2), "chosen_by_seed": False}, "chosen_by_seed=True"),
        ({"colours": (((0, 0, 0), (1, 1, 1)),)}, "1 colours for 2 classes"),
        ({"colours": 2 * (((0, 0, 0.5), (1, 1, 0.4)),)}, "lowest and the highest"),
    ],
)
def test_weights_and_colours_of_classes_are_checked(changes, said):
    with pytest.raises(ValueError, match=said):
        ClassCondition(("a", "b"), **{"chosen_by_seed": True, **changes})


def test_unlabelled_pixels_of_another_label_space_are_refused_with_the_way_to_read_them():
    condition = SegmentationCondition(label_space="coco-stuff-182")
    labels = np.array([[0, 3, 3], [3, 10, 10]], np.uint8)  # 0 is unlabelled in ADE20K's own files
    with pytest.raises(ValueError, match="unlabelled=0 leaves them open, or fills them from around"):
        condition.parse(labels, label_space="ade20k-151")


def test_a_label_space_is_not_asked_for_where_it_was_given():
    condition = SegmentationCondition(label_space="coco-stuff-182", trained_labels=("grass",))
    with pytest.warns(UserWarning, match="100% of the pixels.*not trained on: ") as told:
        condition.parse(np.full((2, 2), 2), label_space="ade20k-150")
    assert not any("label_space=" in str(warning.message) for warning in told)

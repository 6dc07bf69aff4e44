"""What all conditions share, and the kinds other than segmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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


def test_depth_is_encoded_by_its_vqgan():
    vqgan = small_vqgan(1).double()
    maps = torch.rand(2, 1, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(DepthCondition(vqgan=vqgan).encode(maps), vqgan.encode(maps))
    with pytest.raises(ValueError, match="one input channel, got 3"):
        DepthCondition(vqgan=small_vqgan(3))
    with pytest.raises(ValueError, match="no VQGAN"):
        DepthCondition().encode(maps)


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

"""Label maps are drawn as people and segmenters draw them, for a share of a training's samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from training_data import short_gpt_training, tokenizer, write_scenes
from vqgan_transformer import GPTTraining, SegmentationCondition, train_cond_gpt
from vqgan_transformer.conditions import crude_maps
from vqgan_transformer.conditions.crude_maps import crude_map
from vqgan_transformer.conditions.depth import DepthCondition
from vqgan_transformer.conditions.label_components import Components
from vqgan_transformer.scenes import LABELS, make_scene
from vqgan_transformer.training import token_cache
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.samples import CENTRE, Samples

LABELLED = SegmentationCondition(labels=("sky", "ground", "wall"))


def scene(seed: int, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    """The label map of a scene, int64 (H, W)."""
    return make_scene(seed, size).segmentation.astype(np.int64)


def house_on_a_meadow() -> np.ndarray:
    """Sky 0 over grass 1, and on the grass a house 2 with a pointed roof, of which a chimney 3 stands alone."""
    labels = np.zeros((120, 160), np.int64)
    labels[60:] = 1
    for row in range(30, 50):
        labels[row, 80 - (row - 29) : 80 + (row - 29)] = 2
    labels[50:80, 65:95] = 2
    labels[20:24, 20:24] = 3
    return labels


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [scene(seed) for seed in range(6)]


def test_the_same_generator_draws_the_same_map_and_another_one_another(scenes):
    before = scenes[0].copy()
    first, again, other = (crude_map(scenes[0], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(scenes[0], before), "the true map stays as it is"


@pytest.mark.parametrize("size", [(128, 96), (24, 32), (5, 7), (1, 1), (300, 700)])
def test_a_crude_map_has_the_size_and_labels_of_the_true_one_or_none(size):
    labels = scene(3, (160, 160))[: size[0], : size[1]] if max(size) <= 160 else scene(3, size)
    labels[: size[0] // 4] = -1
    for seed in range(30):
        crude = crude_map(labels, np.random.default_rng(seed))
        assert crude.shape == labels.shape and crude.dtype == np.int64
        assert {*np.unique(crude)} <= {*np.unique(labels), -1}


def test_something_stays_labelled_and_a_map_without_labels_stays_so(scenes):
    assert all((crude_map(scenes[1], np.random.default_rng(seed)) >= 0).any() for seed in range(60))
    nothing = np.full((20, 30), -1)
    assert np.array_equal(crude_map(nothing, np.random.default_rng(0)), nothing)


def agreement(step, strength: float, scenes: list[np.ndarray]) -> float:
    """Share of places at which maps of one degree have the true label, over scenes and generators."""
    shares = []
    for seed, labels in enumerate(scenes * 3):
        small, generator = labels.astype(np.int32), np.random.default_rng(seed)
        sheet = crude_maps.Sheet(small, Components(small), None, generator, strength, 0.2)
        shares.append(np.mean(step(sheet, small) == small))
    return float(np.mean(shares))


@pytest.mark.parametrize(
    ("step", "least"),
    [
        (crude_maps.painted, 0.7), (crude_maps.smoothed, 0.8), (crude_maps.blocky, 0.8), (crude_maps.ragged, 0.85),
        (crude_maps.speckled, 0.9), (crude_maps.lacking_small_things, 0.9), (crude_maps.partly_unlabelled, 0.3),
    ],
)  # fmt: skip
def test_each_way_of_drawing_keeps_most_of_the_map_and_less_the_cruder_it_is(step, least, scenes):
    slight, strong = agreement(step, 0.0, scenes), agreement(step, 1.0, scenes)
    assert least < strong < slight < 1


def test_crude_maps_keep_half_to_nearly_all_of_the_true_ones(scenes):
    shares = [
        np.mean(crude_map(labels, np.random.default_rng(seed)) == labels) for seed in range(20) for labels in scenes
    ]
    assert 0.75 < np.mean(shares) < 0.95 and np.mean(np.array(shares) < 0.5) < 0.1


@pytest.mark.parametrize("shape", dict.fromkeys(crude_maps.SHAPES))
def test_things_keep_their_place_and_about_their_size(shape):
    small = house_on_a_meadow().astype(np.int32)
    true, parts = np.argwhere(small == 2), Components(small)
    house = parts[int(parts.numbers[60, 80])]
    for seed in range(20):
        sheet = crude_maps.Sheet(small, parts, None, np.random.default_rng(seed), 1.0, 0.2)
        picture = Image.new("I", (160, 120))
        shape(ImageDraw.Draw(picture), house, sheet)
        drawn = np.argwhere(np.asarray(picture) == 2)
        assert np.abs(drawn.mean(0) - true.mean(0)).max() < 12
        assert 0.15 < len(drawn) / len(true) < 2.5


def test_a_winding_path_is_never_drawn_as_its_box():
    small = np.zeros((100, 100), np.int32)
    for row in range(100):
        small[row, max(0, row - 8) : row + 1] = 1
    for seed in range(40):
        sheet = crude_maps.Sheet(small, Components(small), (1,), np.random.default_rng(seed), 0.5, 0.2)
        assert (crude_maps.painted(sheet, small) == 1).mean() < 0.35


def test_what_a_missing_thing_leaves_is_filled_from_beside_it_so_that_the_horizon_goes_on():
    labels = house_on_a_meadow()
    without = crude_maps.without(labels, labels >= 2)
    assert (without[:60] == 0).all() and (without[60:] == 1).all()


def test_named_things_alone_are_drawn_as_shapes():
    labels = house_on_a_meadow()
    small = labels.astype(np.int32)
    sheet = crude_maps.Sheet(small, Components(small), (3,), np.random.default_rng(0), 1.0, 0.2)
    assert sheet.components.labels[sheet.things()].tolist() == [3]


def test_a_tree_that_stands_out_of_a_forest_is_a_thing():
    labels = np.zeros((100, 100), np.int32)
    labels[50:] = 1
    labels[40:52] = 2  # a forest from side to side
    labels[5:52, 60:68] = 2
    parts = crude_maps._components(labels)
    sheet = crude_maps.Sheet(labels, parts, None, np.random.default_rng(0), 1.0, 0.1)
    assert sheet.things()[parts.numbers[20, 64]]
    assert parts.numbers[45, 20] != parts.numbers[45, 64]


def test_components_hang_together_beside_above_and_below():
    labels = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0]])
    parts = Components(labels)
    assert len(parts) == 3 and sorted(parts.areas.tolist()) == [2, 4, 10]
    upper = parts[int(parts.numbers[0, 1])]
    assert (upper.label, upper.top, upper.bottom, upper.left, upper.right) == (1, 0, 2, 1, 2)
    assert [side.tolist() for side in upper.extents] == [[1, 2, 2], [2, 2, 2]]
    rows, columns = upper.places(np.random.default_rng(0), 50)
    assert {*zip(rows.tolist(), columns.tolist(), strict=True)} == {(0, 1), (0, 2), (1, 2), (2, 2)}


def drawn(tmp_path, share: float, **changes) -> Samples:
    path = tmp_path / "scenes"
    source = open_data(path if path.exists() else write_scenes(path), ("image", "segmentation", "depth"))
    conditions = (LABELLED, DepthCondition())
    return Samples(source, short_gpt_training(), conditions, as_tokens=False, crude_maps=share, **changes)


def test_so_many_maps_are_drawn_crudely_and_pictures_and_other_kinds_stay_as_they_are(tmp_path):
    exact, crude, half = (drawn(tmp_path, share) for share in (0.0, 1.0, 0.5))
    changed = {1.0: 0, 0.5: 0}
    for epoch in range(40):
        for index in range(len(exact)):
            true = exact[epoch, index]
            for share, samples in ((1.0, crude), (0.5, half)):
                sample = samples[epoch, index]
                assert torch.equal(sample["image"], true["image"]) and torch.equal(sample["depth"], true["depth"])
                changed[share] += not torch.equal(sample["segmentation"], true["segmentation"])
    assert changed[1.0] > 100 and 0.35 < changed[0.5] / changed[1.0] < 0.65


def test_a_map_is_drawn_by_seed_epoch_and_sample_alone_and_that_of_validation_not_at_all(tmp_path):
    crude, exact = drawn(tmp_path, 1.0, variants=2), drawn(tmp_path, 0.0)
    assert torch.equal(crude[1, 3]["segmentation"], crude[3, 3]["segmentation"])
    later = drawn(tmp_path, 1.0)
    later[0, 5]
    assert torch.equal(later[1, 3]["segmentation"], crude[1, 3]["segmentation"])
    assert all(torch.equal(crude[CENTRE, k]["segmentation"], exact[CENTRE, k]["segmentation"]) for k in range(8))


def test_maps_that_become_tokens_have_a_label_everywhere():
    labels = torch.from_numpy(scene(0))
    names = [str(label) for label in range(max(LABELS.values()) + 1)]
    tokenised = SegmentationCondition(labels=names, vqgan=tokenizer(len(names)))
    opened = [tokenised.drawn_crudely(labels, np.random.default_rng(seed)) for seed in range(40)]
    assert all(int(crude.min()) >= 0 for crude in opened)


def test_a_cache_of_tokens_is_made_anew_where_the_share_changes_and_no_other_is(tmp_path):
    config = fitting_config(tokenizer(), (LABELLED,), short_gpt_training(), conditioning="aligned", condition_width=8)
    keys = [token_cache.cache_key(drawn(tmp_path, share), tokenizer(), config, 2) for share in (0.0, 0.5, 1.0)]
    assert "crude_maps" not in keys[0] and keys[0] != keys[1] != keys[2]


def test_a_resumed_training_on_crude_maps_equals_an_uninterrupted_one(tmp_path):
    vqgan, scenes = tokenizer(), write_scenes(tmp_path / "scenes")
    training = short_gpt_training(crude_maps=0.7, token_variants=0, checkpoints_total_limit=None)
    config = fitting_config(
        vqgan, (LABELLED,), training, conditioning="aligned", condition_width=8, n_layer=1, n_head=2, n_embd=16
    )
    options = {"vqgan": vqgan, "condition": [LABELLED], "config": config, "progress": False}
    whole = train_cond_gpt(scenes, tmp_path / "run", training=training, **options)
    (tmp_path / "run/checkpoints/step_00000006").rename(tmp_path / "taken away")
    resumed = train_cond_gpt(scenes, tmp_path / "run", training=training, resume=True, **options)
    exact = train_cond_gpt(scenes, tmp_path / "exact", training=training.but(crude_maps=0.0), **options)
    weights = [[*pipe.gpt.parameters()] for pipe in (whole, resumed, exact)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_a_share_lies_between_none_and_all():
    with pytest.raises(ValueError, match=r"crude_maps must lie in \[0, 1\], got 1.5"):
        GPTTraining(crude_maps=1.5)

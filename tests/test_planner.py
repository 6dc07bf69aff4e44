"""Where nothing says what is where, a coarse label map is drawn first, and the picture follows it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aligned_models import aligned_gpt
from test_aligned_pipeline import LABELS, segmentation
from vqgan_transformer import (
    ClassCondition,
    CondGPT,
    DepthCondition,
    ImageSynthesisPipeline,
    SegmentationCondition,
    train_planner,
)
from vqgan_transformer.conditions.label_scaling import scaled_smoothly
from vqgan_transformer.errors import CheckpointError, DataError
from vqgan_transformer.pipeline.planner import LabelPlanner, in_order, planner_config
from vqgan_transformer.sampler.seeds import plan_seed
from vqgan_transformer.training.callbacks import Callbacks
from vqgan_transformer.training.planner_samples import coarse_plan
from vqgan_transformer.training.planner_training import planner_recipe

CLASSES = ClassCondition(labels=("day", "dusk", "night"), chosen_by_seed=True)
TINY = {"n_layer": 1, "n_head": 2, "n_embd": 16, "window": (4, 4), "rows_above": 3, "columns_beside": 2}
SIZE = (16, 24)


def tiny_planner(whole=(CLASSES,), labels=None, **changes) -> LabelPlanner:
    torch.manual_seed(0)
    planner = LabelPlanner(planner_config(labels or segmentation(), whole, **(TINY | changes))).double().eval()
    with torch.no_grad():
        for parameter in planner.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return planner


def pipeline(vqgan, planner: LabelPlanner | None) -> ImageSynthesisPipeline:
    conditions = (segmentation(), DepthCondition(), CLASSES)
    return ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=conditions, planner=planner)


@pytest.fixture
def pipe(vqgan) -> ImageSynthesisPipeline:
    return pipeline(vqgan, tiny_planner())


def paint(pipe, **arguments):
    return pipe(progress=False, output_type="tokens", **({"seed": 0} | arguments))


def plans(out) -> torch.Tensor:
    return out.conditions["segmentation"]


def test_a_picture_of_a_class_follows_its_plan_as_a_map_that_is_given(pipe):
    out = paint(pipe, class_label="dusk", size=SIZE)
    assert plans(out).shape == (1, *SIZE)
    assert set(plans(out).flatten().tolist()) <= set(range(len(LABELS)))
    again = paint(pipe, class_label="dusk", segmentation=plans(out))
    assert torch.equal(out.tokens, again.tokens)
    guided = {"guidance_scale": {"segmentation": 3.0}}
    pipe.sampler = pipe.sampler.with_settings(**guided)
    assert not torch.equal(paint(pipe, class_label="dusk", size=SIZE).tokens, out.tokens)


def test_a_plan_is_of_the_class_that_the_seed_chooses(pipe):
    out = paint(pipe, size=SIZE, seed=5)
    named = paint(pipe, size=SIZE, seed=5, class_label=int(out.conditions["class_label"]))
    assert torch.equal(plans(out), plans(named))


@pytest.mark.parametrize(
    "given",
    [
        {"plan": False, "size": SIZE},
        {"plan": False, "size": SIZE, "class_label": "day"},
        {"segmentation": np.zeros(SIZE, dtype=int)},
        {"depth": np.random.default_rng(0).random(SIZE)},
        {"image": np.zeros((*SIZE, 3), dtype=np.uint8), "mask": np.eye(*SIZE)},
    ],
)
def test_nothing_is_planned_where_something_says_what_is_where(pipe, vqgan, given):
    out = paint(pipe, **given)
    plan = given.pop("plan", None)
    assert torch.equal(out.tokens, paint(pipeline(vqgan, None), **given).tokens)
    assert ("segmentation" in out.conditions) == ("segmentation" in given)
    assert plan in (None, False)


def test_a_plan_depends_on_its_own_seed_alone(pipe):
    together = paint(pipe, size=SIZE, num_images=3, seed=[3, 9, 4])
    for index, seed in enumerate((3, 9, 4)):
        alone = paint(pipe, size=SIZE, seed=seed)
        assert torch.equal(plans(together)[index], plans(alone)[0])
        assert torch.equal(together.tokens[index], alone.tokens[0])
    assert not torch.equal(plans(together)[0], plans(together)[1])
    assert torch.equal(plans(paint(pipe, size=SIZE, seed=3, temperature=0.5))[0], plans(together)[0])


def test_the_noise_of_a_plan_is_not_that_of_the_tokens():
    assert len({plan_seed(seed) for seed in range(100)} | set(range(100))) == 200
    assert all(0 <= plan_seed(seed) < 2**64 for seed in (0, 2**64 - 1))


def test_a_streamed_picture_has_the_plan_of_a_painted_one(pipe):
    painted = pipe(class_label="night", size=SIZE, seed=1, progress=False, output_type="np").images[0]
    strips = pipe.stream(class_label="night", size=SIZE, seed=1, strip=2)
    assert np.abs(np.concatenate(list(strips)).astype(int) - painted).max() <= 1 or painted.dtype != np.uint8
    bare = np.concatenate(list(pipe.stream(class_label="night", size=SIZE, seed=1, strip=2, plan=False)))
    assert np.abs(bare.astype(int) - painted).max() > 1


def test_the_likelihood_of_a_picture_knows_no_plan(pipe, vqgan):
    image = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    scores = [each.log_likelihood(image, class_label="day") for each in (pipe, pipeline(vqgan, None))]
    assert torch.equal(*scores)


@pytest.mark.parametrize(("size", "grid"), [((64, 64), (4, 4)), ((64, 128), (4, 8)), ((400, 100), (4, 4))])
def test_cells_are_about_square(size, grid):
    assert tiny_planner().grid(size) == grid


def test_plans_are_scaled_with_round_borders():
    cells = torch.randint(0, 5, (2, 4, 6), generator=torch.Generator().manual_seed(0))
    weights = F.interpolate(F.one_hot(cells).permute(0, 3, 1, 2).double(), (37, 50), mode="bilinear")
    chosen = weights.gather(1, scaled_smoothly(cells, (37, 50))[:, None])[:, 0]
    assert (chosen - weights.amax(1)).abs().max() < 1e-6


SKY, TREE, GRASS = range(3)


def orders() -> torch.Tensor:
    """Sky lies below nothing but itself and trees."""
    below = torch.ones(5, 5, dtype=torch.bool)
    below[[GRASS, 3, 4], SKY] = False
    return below


def test_a_planner_knows_what_lay_below_what():
    plans = torch.tensor([[[SKY, TREE], [TREE, SKY], [GRASS, GRASS]]]).repeat(300, 1, 1)
    plans[0] = torch.tensor([[GRASS, SKY], [SKY, GRASS], [GRASS, GRASS]])  # by mistake
    planner = tiny_planner()
    assert planner.below.all()
    planner.learn_order(plans)
    assert planner.below[SKY].tolist() == [True, True, True, False, False]
    assert planner.below[TREE].tolist() == [True, True, True, False, False]
    assert planner.below[GRASS].tolist() == [False, False, True, False, False]


def test_cells_that_lie_below_what_they_cannot_are_changed_and_no_others():
    plan = torch.full((6, 5), GRASS)
    plan[:3] = SKY
    plan[0, 2] = TREE
    strayed = plan.clone()
    strayed[1, 1] = strayed[0, 4] = GRASS  # in the sky
    strayed[4, 3] = SKY  # in the ground
    assert torch.equal(in_order(torch.stack((plan, strayed)), orders()), torch.stack((plan, plan)))


@pytest.mark.parametrize("seed", range(5))
def test_any_plan_is_put_in_order(seed):
    plans = torch.randint(0, 5, (4, 8, 6), generator=torch.Generator().manual_seed(seed))
    ordered = in_order(plans, orders())
    pairs = orders()[ordered[:, :, None], ordered[:, None]]  # (B, upper row, lower row, columns)
    upper, lower = torch.triu_indices(8, 8, 1)
    assert pairs[:, upper, lower].all()
    assert torch.equal(in_order(plans, torch.ones_like(orders())), plans)


def test_a_planner_is_saved_with_its_pipeline(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["planner"][1] == "LabelPlanner"
    loaded = ImageSynthesisPipeline.from_pretrained(tmp_path)
    assert torch.equal(plans(paint(loaded, size=SIZE)), plans(paint(pipe, size=SIZE)))
    assert "planner" in repr(loaded)
    # the GPT of the pipeline is still the one of its class
    assert CondGPT.from_pretrained(tmp_path).config == pipe.gpt.config
    with pytest.raises(CheckpointError, match=r"LabelPlanner\.from_pretrained"):
        CondGPT.from_pretrained(tmp_path / "planner")


def test_a_planner_that_does_not_fit_is_refused(vqgan, gpt):
    two = SegmentationCondition(labels=("sky", "sea"))
    with pytest.raises(ValueError, match="maps of 2 labels"):
        pipeline(vqgan, tiny_planner(labels=two))
    with pytest.raises(ValueError, match="reads class_label"):
        pipeline(vqgan, tiny_planner(whole=(ClassCondition(number_of_classes=7),)))
    with pytest.raises(ValueError, match="aligned GPT"):
        ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, conditions=(CLASSES,), planner=tiny_planner())
    with pytest.raises(ValueError, match="not depth"):
        planner_config(segmentation(), (DepthCondition(),))
    with pytest.raises(ValueError, match="class_label is none"):
        planner_config(CLASSES)


def test_a_cell_has_the_label_of_most_of_it_and_people_are_filled_from_around():
    labels = torch.zeros(8, 8, dtype=torch.int64)
    labels[4:] = LABELS.index("grass")
    labels[2:4, :4] = LABELS.index("tree")
    labels[:, 6:] = LABELS.index("person")
    labels[7, 4:6] = LABELS.index("fern")  # which is drawn as grass
    plan = coarse_plan(segmentation(), labels, (4, 4))
    assert plan.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [2, 2, 2, 2], [2, 2, 2, 2]]
    wide = torch.cat((labels[:, :1].expand(-1, 4) * 0 + 3, labels, labels[:, :1].expand(-1, 4) * 0 + 3), 1)
    assert torch.equal(coarse_plan(segmentation(), wide, (4, 4)), plan)  # the middle
    with pytest.raises(ValueError, match="nothing but people"):
        coarse_plan(segmentation(), torch.full((8, 8), LABELS.index("person")), (4, 4))


def places(count: int = 24) -> list[dict]:
    """Sky above what the class says: grass by day, water at dusk, trees at night; the horizon anywhere."""
    samples = []
    for index in range(count):
        labels = np.zeros((16, 16), dtype=np.int64)
        labels[4 * (1 + index // 3 % 3) :] = (2, 3, 1)[index % 3]
        samples.append({"segmentation": labels, "class_label": index % 3})
    return samples


def train(folder, **options) -> LabelPlanner:
    recipe = planner_recipe(
        max_steps=options.pop("max_steps", 40), batch_size=8, checkpoint_every=10, learning_rate=0.01
    )
    config = planner_config(segmentation(), (CLASSES,), **TINY)
    return train_planner(
        places(), folder, condition=(segmentation(), CLASSES), config=config, training=recipe, progress=False, **options
    )


def test_a_planner_learns_what_goes_with_a_class(tmp_path):
    planner = train(tmp_path / "run", max_steps=80)
    ground = {}
    for label in range(3):
        told = {"class_label": torch.full((8,), label)} | planner.places(8, (4, 4))
        cells = planner.cells(told, (4, 4), range(8))
        assert (cells[:, 0] == 0).float().mean() > 0.9  # sky at the top
        ground[label] = cells[:, -1].flatten().mode().values.item()
    assert ground == {0: 2, 1: 3, 2: 1}
    assert not planner.below[1:, 0].any()
    assert (tmp_path / "run" / "pictures").is_dir()


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(tmp_path):
    straight = train(tmp_path / "straight", max_steps=12)
    train(tmp_path / "stopped", max_steps=12, callbacks=Callbacks(on_step=lambda step, scalars: step == 5))
    resumed = train(tmp_path / "stopped", max_steps=12, resume=True)
    for name, values in straight.state_dict().items():
        assert torch.equal(values, resumed.state_dict()[name])


def test_a_map_that_cannot_be_reduced_is_named(tmp_path):
    samples = places(3)
    samples[1]["segmentation"][:] = LABELS.index("person")
    with pytest.raises(DataError, match="nothing but people"):
        train_planner(samples, tmp_path, condition=(segmentation(), CLASSES), progress=False)

"""Drawing grids with an aligned GPT: the same tokens as a plain loop that reads the whole grid anew for every token."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from aligned_models import CODES, CONDITIONS, aligned_gpt, random_conditions, random_grid
from vqgan_transformer import SlidingWindowSampler
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.sampler.draw import filter_logits, place_noise
from vqgan_transformer.sampler.schedule import neighbourhoods


@torch.no_grad()
def painted_plainly(gpt, conditions, size, seeds, *, comparisons=(), tokens=None, keep=None, top_k=100):
    """One picture, place and forward pass after another; ``comparisons`` are (scale, kinds that are left out)."""
    grids = []
    for index, seed in enumerate(seeds):
        own = {name: given[index : index + 1] for name, given in conditions.items()}
        grid = torch.zeros(1, *size, dtype=torch.long)
        for row in range(size[0]):
            for col in range(size[1]):
                if keep is not None and keep[index, row, col]:
                    grid[0, row, col] = tokens[index, row, col]
                    continue
                full = gpt(grid, own)[0, row, col]
                logits = full
                for scale, kinds in comparisons:
                    poorer = {name: given for name, given in own.items() if name not in kinds}
                    logits = logits + (scale - 1) * (full - gpt(grid, poorer)[0, row, col])
                logits = filter_logits(logits, temperature=1.0, top_k=top_k, top_p=1.0)
                grid[0, row, col] = (logits + torch.from_numpy(place_noise(seed, row, col, CODES))).argmax()
        grids.append(grid)
    return torch.cat(grids)


@pytest.mark.parametrize(("rows_above", "columns_beside"), [(1, 1), (2, 3), (4, 4)])
@pytest.mark.parametrize("size", [(4, 7), (2, 9), (7, 2), (1, 5), (5, 1)], ids=str)
def test_it_paints_what_the_plain_loop_paints(size, rows_above, columns_beside):
    gpt, conditions = aligned_gpt(rows_above, columns_beside), random_conditions(*size, batch=2)
    drawn = SlidingWindowSampler(top_k=9)(gpt, conditions, seed=3)
    assert torch.equal(drawn, painted_plainly(gpt, conditions, size, [3, 4], top_k=9))


GUIDANCE = {
    "by all": (2.5, [(2.5, {"segmentation", "depth", "class_label"})]),
    "by one": ({"segmentation": 3.0}, [(3.0, {"segmentation"})]),
    "by two": ({"segmentation": 3.0, "class_label": 1.5}, [(3.0, {"segmentation"}), (1.5, {"class_label"})]),
    "by one that is absent": ({"known": 2.0}, []),
    "by none": ({"depth": 1.0}, []),
}


@pytest.mark.parametrize(("scale", "comparisons"), GUIDANCE.values(), ids=GUIDANCE)
def test_guidance_is_by_all_kinds_or_by_each(scale, comparisons):
    gpt, conditions = aligned_gpt(), random_conditions(4, 5, batch=2)
    drawn = SlidingWindowSampler(guidance_scale=scale)(gpt, conditions, seed=[7, 1])
    assert torch.equal(drawn, painted_plainly(gpt, conditions, (4, 5), [7, 1], comparisons=comparisons))


def test_what_guidance_compares_with_knows_what_is_always_known():
    kinds = [replace(kind, always_known=kind.name == "depth") for kind in CONDITIONS]
    gpt, conditions = aligned_gpt(conditions=tuple(kinds)), random_conditions(4, 5, batch=2)
    drawn = SlidingWindowSampler(guidance_scale=2.5)(gpt, conditions, seed=[7, 1])
    comparisons = [(2.5, {"segmentation", "class_label"})]
    assert torch.equal(drawn, painted_plainly(gpt, conditions, (4, 5), [7, 1], comparisons=comparisons))


def strengthened(kind: str, amount: float):
    """A model whose weights make all that it reads of a kind count so much more than nothing of it."""
    gpt = aligned_gpt()
    reader = gpt.aligned.encoder.readers[kind]
    with torch.no_grad():
        if kind == "segmentation":  # rows of the table: unknown or label, then pixels of a patch
            rows = reader.table.view(6, -1, reader.table.shape[1])
            rows[1:] = rows[:1] + amount * (rows[1:] - rows[:1])
        elif kind == "class_label":
            reader.weight[1:] = reader.weight[:1] + amount * (reader.weight[1:] - reader.weight[:1])
        else:  # a map that is known everywhere: the channel that tells what is unknown is zero
            unknown = reader.conv.weight[:, -1].sum((1, 2)) * (1 - amount)
            reader.conv.weight *= amount
            reader.conv.bias += unknown
    return gpt


@pytest.mark.parametrize("kind", ["segmentation", "depth", "class_label"])
def test_a_condition_of_some_strength_moves_what_is_read_of_it_away_from_nothing(kind):
    conditions = random_conditions(4, 5, batch=2)
    conditions["depth"] = conditions["depth"].nan_to_num(0.5)
    drawn = SlidingWindowSampler(condition_strength={kind: 2.5})(aligned_gpt(), conditions, seed=[7, 1])
    assert torch.equal(drawn, painted_plainly(strengthened(kind, 2.5), conditions, (4, 5), [7, 1]))
    assert not torch.equal(drawn, painted_plainly(aligned_gpt(), conditions, (4, 5), [7, 1]))


@pytest.mark.parametrize("kind", ["segmentation", "depth", "class_label"])
def test_a_condition_without_strength_is_an_absent_one(kind):
    gpt, tokens, conditions = aligned_gpt(), random_grid(4, 5), random_conditions(4, 5)
    poorer = {name: given for name, given in conditions.items() if name != kind}
    torch.testing.assert_close(gpt(tokens, conditions, strength={kind: 0}), gpt(tokens, poorer))
    assert torch.equal(gpt(tokens, conditions, strength={kind: 1}), gpt(tokens, conditions))
    sampler = SlidingWindowSampler(condition_strength={kind: 0})
    likelihood = SlidingWindowSampler().token_log_likelihood(gpt, poorer, tokens)
    torch.testing.assert_close(sampler.token_log_likelihood(gpt, conditions, tokens), likelihood)


def test_without_conditions_the_seeds_say_how_many_pictures():
    gpt = aligned_gpt()
    drawn = SlidingWindowSampler(guidance_scale=2.0)(gpt, {}, (4, 5), seed=[7, 1])
    assert torch.equal(drawn, painted_plainly(gpt, {}, (4, 5), [7, 1]))
    assert SlidingWindowSampler()(gpt, {}, (4, 5)).shape == (1, 4, 5)


KEEP = {
    "nothing": torch.zeros(2, 5, 6, dtype=torch.bool),
    "all around a hole": torch.ones(2, 5, 6, dtype=torch.bool).index_fill_(2, torch.tensor([2, 3]), False),
    "scattered": torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0)) < 0.5,
    "all": torch.ones(2, 5, 6, dtype=torch.bool),
}


@pytest.mark.parametrize("keep", KEEP.values(), ids=KEEP)
def test_tokens_that_stay_are_known_on_all_sides(keep):
    gpt, tokens = aligned_gpt(), random_grid(5, 6, batch=2)
    conditions = random_conditions(5, 6, batch=2, kinds=["segmentation"])
    known = conditions | {"known": tokens.where(keep, -1)}
    drawn = SlidingWindowSampler(guidance_scale=2.0)(gpt, conditions, tokens=tokens, keep=keep, seed=5)
    comparisons = [(2.0, {"segmentation"})]
    plain = painted_plainly(gpt, known, (5, 6), [5, 6], comparisons=comparisons, tokens=tokens, keep=keep)
    assert torch.equal(drawn, plain)
    assert torch.equal(drawn[keep], tokens[keep])


def test_a_model_that_reads_no_known_tokens_sees_those_before():
    gpt = aligned_gpt(conditions=(ConditionInput("segmentation", "labels", 5),))
    tokens, conditions = random_grid(5, 6), random_conditions(5, 6, kinds=["segmentation"])
    keep = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    drawn = SlidingWindowSampler()(gpt, conditions, tokens=tokens, keep=keep)
    assert torch.equal(drawn, painted_plainly(gpt, conditions, (5, 6), [0], tokens=tokens, keep=keep))


def test_a_picture_does_not_depend_on_what_is_drawn_beside_it():
    gpt, conditions = aligned_gpt(), random_conditions(6, 5, batch=3)
    alone = {name: given[1:2] for name, given in conditions.items()}
    sampler = SlidingWindowSampler(guidance_scale={"depth": 2.0})
    together = sampler(gpt, conditions, seed=[4, 8, 1])
    assert torch.equal(together[1:2], sampler(gpt, alone, seed=8))
    other = random_conditions(3, 9)
    both = sampler(gpt, [alone, other], [None, (3, 9)], seed=[8, 2])
    assert torch.equal(both[0], together[1:2])
    assert torch.equal(both[1], sampler(gpt, other, seed=2))


@pytest.mark.parametrize("size", [(5, 6), (27, 8)], ids=str)
@torch.no_grad()
def test_the_likelihood_is_that_of_each_token_given_those_before(size):
    gpt, tokens, conditions = aligned_gpt(), random_grid(*size), random_conditions(*size)
    found = SlidingWindowSampler(top_k=1).token_log_likelihood(gpt, conditions, tokens)
    expected = gpt(tokens, conditions).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    assert torch.allclose(found, expected, atol=1e-12)
    cut = {name: given if given.ndim == 1 else given[..., : 4 * 4, :] for name, given in conditions.items()}
    assert not torch.allclose(found[:, :4], SlidingWindowSampler().token_log_likelihood(gpt, cut, tokens[:, :4]))


@torch.no_grad()
def test_the_likelihood_does_not_know_the_tokens_it_is_about():
    gpt, tokens, conditions = aligned_gpt(), random_grid(5, 6), random_conditions(5, 6)
    changed = tokens.clone()
    changed[0, 4, 5] = (changed[0, 4, 5] + 1) % CODES
    likelihood = [SlidingWindowSampler().token_log_likelihood(gpt, conditions, grid) for grid in (tokens, changed)]
    assert torch.equal(likelihood[0].flatten()[:-1], likelihood[1].flatten()[:-1])


@torch.no_grad()
def test_guided_likelihoods_are_of_guided_logits():
    gpt, tokens, conditions = aligned_gpt(), random_grid(4, 5), random_conditions(4, 5)
    found = SlidingWindowSampler(guidance_scale={"depth": 3.0}).token_log_likelihood(gpt, conditions, tokens)
    poorer = gpt(tokens, {name: given for name, given in conditions.items() if name != "depth"})
    guided = poorer + 3.0 * (gpt(tokens, conditions) - poorer)
    assert torch.allclose(found, guided.log_softmax(-1).gather(-1, tokens[..., None])[..., 0], atol=1e-12)


def test_lines_hold_every_place_once_and_what_a_place_sees_is_there():
    beside, size = 3, (6, 11)
    step_of = {place[:2]: step for step, line in enumerate(neighbourhoods(size, beside)) for place in line}
    assert len(step_of) == 66
    assert max(step_of.values()) + 1 == beside * 5 + 11
    for (row, col), step in step_of.items():
        seen = [(row, col - 1), (row - 1, min(col + beside, size[1] - 1) - 1)]  # tokens that visible positions read
        assert all(step_of[place] < step for place in seen if place in step_of)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"stride": 4}, ValueError, "stride and centre"),
        ({"centre": (7, 7)}, ValueError, "stride and centre"),
        ({"guidance_scale": {"segmentaton": 2.0}}, ValueError, "'segmentation'"),
        ({"condition_strength": {"segmentaton": 2.0}}, ValueError, "'segmentation'"),
    ],
)
def test_settings_of_other_models_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        SlidingWindowSampler(**settings)(aligned_gpt(), random_conditions(4, 4))


def test_the_forms_of_a_condition_are_not_confused(gpt):
    with pytest.raises(TypeError, match="dictionary"):
        SlidingWindowSampler()(aligned_gpt(), torch.zeros(1, 4, 4, dtype=torch.long))
    with pytest.raises(TypeError, match="as tokens"):
        SlidingWindowSampler()(gpt, random_conditions(4, 4))
    with pytest.raises(TypeError, match="one condition"):
        SlidingWindowSampler(guidance_scale={"segmentation": 2.0})(gpt, torch.zeros(1, 4, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="reads its condition as tokens"):
        SlidingWindowSampler(condition_strength={"depth": 2.0})(gpt, torch.zeros(1, 4, 4, dtype=torch.long))


def test_all_kinds_that_these_tests_know_are_covered():
    assert {one.form for one in CONDITIONS} == {"labels", "values", "class", "tokens"}


@pytest.mark.parametrize("setting", ["guidance_scale", "condition_strength"])
def test_numbers_by_kind_start_from_0(setting):
    for number in (-1.0, float("inf")):
        with pytest.raises(ValueError, match=setting):
            SlidingWindowSampler(**{setting: {"depth": number}})
    with pytest.raises(TypeError, match=setting):
        SlidingWindowSampler(**{setting: {"depth": "2"}})
    with pytest.raises(TypeError, match=r"such as \{'keypoints': 1.5\}, got 2.0"):
        SlidingWindowSampler(condition_strength=2.0)


@pytest.mark.parametrize("setting", ["guidance_scale", "condition_strength"])
def test_numbers_by_kind_are_saved(setting, tmp_path):
    saved = SlidingWindowSampler(**{setting: {"depth": 2.0}}).save_pretrained(tmp_path)
    assert getattr(SlidingWindowSampler.from_pretrained(saved).config, setting) == {"depth": 2.0}

"""CondGPT: causality, the cache, corruption in training, errors."""

from __future__ import annotations

import pytest
import torch

from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.gpt.attention import visibility


def random_tokens(*shape):
    return torch.randint(24, shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_logits_score_each_token_from_the_condition_and_what_came_before(gpt):
    tokens, condition = random_tokens(1, 4, 4), random_tokens(1, 4, 4)
    before = gpt(tokens, condition)
    changed = tokens.clone()
    changed[0, 2, 1] = (changed[0, 2, 1] + 1) % 24
    after = gpt(changed, condition)
    same = (before == after).all(-1).flatten()
    assert same.tolist() == [True] * 10 + [False] * 6  # raster places 0..9 do not see place 9


def test_a_condition_reaches_every_logit(gpt):
    tokens, condition = random_tokens(1, 4, 4), random_tokens(1, 4, 4)
    other = condition.clone()
    other[0, 3, 3] = (other[0, 3, 3] + 1) % 24
    assert (gpt(tokens, condition) != gpt(tokens, other)).any(-1).all()


@pytest.mark.parametrize("n_unmasked", [0, 1, 5, 16])
@pytest.mark.parametrize("chunks", [[15], [0, 1, 14], [1] * 15, [4, 0, 3]], ids=str)
def test_start_and_extend_give_the_logits_of_the_whole(gpt, chunks, n_unmasked):
    model = CondGPT(CondGPTConfig(24, 32, 2, 2, 16, window=(4, 4), n_unmasked=n_unmasked)).double().eval()
    model.load_state_dict(gpt.state_dict())
    tokens, condition = random_tokens(2, 16), random_tokens(2, 4, 4)
    whole = model(tokens, condition)
    cache, read = model.start(condition), 0
    for count in chunks:
        logits = model.extend(cache, tokens[:, read : read + count])
        read += count
        assert torch.allclose(logits, whole[:, read], atol=1e-12)


def test_rows_of_a_cache_go_on_by_themselves(gpt):
    tokens, condition = random_tokens(3, 16), random_tokens(3, 16)
    cache = gpt.start(condition)
    gpt.extend(cache, tokens[:, :5])
    part = cache.copy([1, 2, 1], capacity=30)
    rows = [1, 2, 1]
    assert torch.allclose(gpt.extend(part, tokens[rows, 5:9]), gpt(tokens, condition)[rows, 9], atol=1e-12)
    assert cache.length == 21


@pytest.mark.parametrize("position", ["learned", "rope2d"])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_caches_of_different_lengths_are_extended_together(gpt, steps, position):
    model = CondGPT(CondGPTConfig(24, 32, 2, 2, 16, window=(4, 4), position=position)).double().eval()
    model.load_state_dict(gpt.state_dict(), strict=False)
    tokens, condition = random_tokens(4, 16), random_tokens(4, 16)
    whole = model(tokens, condition)
    caches = [model.start(condition[rows]) for rows in (slice(0, 1), slice(1, 3), slice(3, 4))]
    lengths = [2, 0, 7]
    for cache, rows, length in zip(caches, (slice(0, 1), slice(1, 3), slice(3, 4)), lengths, strict=True):
        model.extend(cache, tokens[rows, :length])
    place = torch.tensor([2, 0, 0, 7])
    new = torch.stack([row[start : start + steps] for row, start in zip(tokens, place.tolist(), strict=True)])
    assert torch.allclose(model.extend(caches, new), whole[torch.arange(4), place + steps], atol=1e-12)


def test_grids_and_sequences_are_read_alike(gpt):
    tokens, condition = random_tokens(2, 4, 4), random_tokens(2, 4, 4)
    flat = gpt(tokens.flatten(1), condition.flatten(1))
    assert torch.equal(gpt(tokens, condition).flatten(1, 2), flat)


def test_visibility_is_causal_but_for_the_condition():
    seen = visibility(queries=4, keys=4, n_unmasked=2).int().tolist()
    assert seen == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert visibility(queries=2, keys=4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_dropout_is_active_in_training_only(gpt):
    model = CondGPT(
        CondGPTConfig(24, 32, 2, 2, 16, (4, 4), embedding_dropout=0.3, residual_dropout=0.3, attention_dropout=0.3)
    ).double()
    model.load_state_dict(gpt.state_dict())
    tokens, condition = random_tokens(1, 16), random_tokens(1, 16)
    assert torch.equal(model.eval()(tokens, condition), gpt(tokens, condition))
    assert not torch.equal(model.train()(tokens, condition), model(tokens, condition))


def test_only_the_weights_of_linear_layers_decay(gpt):
    decayed, others = gpt.parameter_groups(weight_decay=0.1)
    names = {id(parameter): name for name, parameter in gpt.named_parameters()}
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert {names[id(p)].rsplit(".", 2)[-2] for p in decayed["params"]} == {"qkv", "out", "0", "2", "head"}
    assert all(name.endswith("weight") for name in (names[id(p)] for p in decayed["params"]))
    assert len(decayed["params"]) + len(others["params"]) == len(names)


def test_the_papers_s_flckr_model_has_305_million_parameters():
    with torch.device("meta"):
        gpt = CondGPT(CondGPTConfig(vocab_size=1024, block_size=512, n_layer=24, n_head=16, n_embd=1024))
    assert sum(p.numel() for p in gpt.parameters()) == pytest.approx(304.9e6, rel=2e-4)


def test_a_sequence_longer_than_the_block_is_refused(gpt):
    with pytest.raises(ValueError, match="block_size is 32"):
        gpt(random_tokens(1, 18), random_tokens(1, 16))


def test_a_full_cache_is_refused(gpt):
    cache = gpt.start(random_tokens(1, 16))
    with pytest.raises(ValueError, match="no room"):
        gpt.extend(cache, random_tokens(1, 16))


def test_batches_that_differ_are_refused(gpt):
    with pytest.raises(ValueError, match="2 and 1"):
        gpt(random_tokens(2, 16), random_tokens(1, 16))


def test_one_token_for_each_image_needs_no_axis_of_its_own():
    torch.manual_seed(0)
    gpt = CondGPT(CondGPTConfig(24, 17, 1, 1, 8, window=(4, 4), condition_vocab_size=6, null_token=5)).eval()
    tokens, classes = random_tokens(2, 4, 4), torch.tensor([1, 3])
    for read in (
        gpt,
        lambda tokens, classes: gpt(tokens, gpt.null_condition(classes)),
        lambda tokens, classes: SlidingWindowSampler(guidance_scale=2.0)(gpt, classes, (5, 6), seed=1),
        lambda tokens, classes: SlidingWindowSampler().token_log_likelihood(gpt, classes, tokens),
    ):
        assert torch.equal(read(tokens, classes), read(tokens, classes[:, None]))


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        (torch.zeros(2, 1), TypeError, "float32"),
        (torch.zeros(2, 1, dtype=torch.bool), TypeError, "bool"),
        ([1, 2], TypeError, "list"),
        (torch.tensor(1), ValueError, r"got \(\)"),
        (torch.zeros(2, 0, dtype=torch.long), ValueError, "at least one token"),
    ],
    ids=str,
)
def test_what_is_no_condition_is_refused_in_words(gpt, condition, error, message):
    for read in (lambda: gpt(random_tokens(2, 16), condition), lambda: gpt.start(condition)):
        with pytest.raises(error, match=message):
            read()


def test_visible_image_tokens_are_refused():
    model = CondGPT(CondGPTConfig(24, 32, 1, 1, 8, window=(4, 4), n_unmasked=4))
    with pytest.raises(ValueError, match="n_unmasked"):
        model(random_tokens(1, 16), random_tokens(1, 1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_head": 3}, "multiple of n_head"),
        ({"block_size": 100}, "block_size of 256"),
        ({"window": (0, 4)}, "window"),
        ({"pkeep": 0.0}, "pkeep"),
        ({"null_token": 64}, "null_token"),
        ({"residual_dropout": 1.0}, "residual_dropout"),
        ({"n_layer": 0}, "n_layer"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CondGPTConfig(**({"vocab_size": 64, "block_size": 512} | fields))

"""CondGPT in the aligned form: what a place sees of tokens and conditions, whole grids and one line after another."""

from __future__ import annotations

import math

import pytest
import torch

from aligned_models import CODES, CONDITIONS, FACTOR, aligned_gpt, logits_place_by_place, random_conditions, random_grid
from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.gpt.condition_encoder import _ValueReader
from vqgan_transformer.gpt.local_attention import Tiles
from vqgan_transformer.gpt.positions import Rotation
from vqgan_transformer.training.sample_dropout import SampleDropout

NEIGHBOURHOODS = [(1, 1), (2, 3), (4, 1)]


def changed(grid, place):
    """A grid with another token at one place of the first picture."""
    other = grid.clone()
    other[0][place] = (other[0][place] + 1) % CODES
    return other


@torch.no_grad()
def drawn_line_by_line(gpt, tokens, conditions):
    """Logits of given tokens as the sampler gets them."""
    decoder = gpt.start_grid(conditions, size=tuple(tokens.shape[1:]), batch=len(tokens))
    logits = torch.full((*tokens.shape, CODES), torch.nan, dtype=torch.float64)
    while decoder.step < decoder.steps:
        rows, cols = decoder.places
        left = tokens[:, rows, (cols - 1).clamp(min=0)]
        logits[:, rows, cols] = decoder.decode(left)
    return logits


@pytest.mark.parametrize(("rows_above", "columns_beside"), NEIGHBOURHOODS)
@torch.no_grad()
def test_logits_are_those_of_the_neighbourhood_computed_place_by_place(rows_above, columns_beside):
    gpt = aligned_gpt(rows_above, columns_beside)
    tokens, conditions = random_grid(4, 5), random_conditions(4, 5)
    assert torch.allclose(gpt(tokens, conditions)[0], logits_place_by_place(gpt, tokens[0], conditions), atol=1e-12)


@pytest.mark.parametrize("size", [(25, 26), (9, 40), (40, 3), (6, 7)], ids=str)
@torch.no_grad()
def test_grids_read_in_tiles_have_the_logits_of_grids_read_at_once(size, monkeypatch):
    gpt = aligned_gpt(3, 2)
    tokens, conditions = random_grid(*size, batch=2), random_conditions(*size, batch=2)
    in_tiles = gpt(tokens, conditions)
    monkeypatch.setattr("vqgan_transformer.gpt.local_attention.BAND", 99)
    monkeypatch.setattr("vqgan_transformer.gpt.local_attention.NARROW", 99)
    assert torch.allclose(gpt(tokens, conditions), in_tiles, atol=1e-12)


@pytest.mark.parametrize(("rows_above", "columns_beside"), NEIGHBOURHOODS)
@pytest.mark.parametrize(
    ("size", "batch"), [((7, 9), 2), ((30, 5), 1), ((1, 6), 1), ((6, 1), 3), ((4, 33), 1)], ids=str
)
def test_lines_drawn_one_after_another_give_the_logits_of_the_whole(size, batch, rows_above, columns_beside):
    gpt = aligned_gpt(rows_above, columns_beside, feed_forward="swiglu", norm="rms")
    tokens, conditions = random_grid(*size, batch), random_conditions(*size, batch)
    with torch.no_grad():
        whole = gpt(tokens, conditions)
    assert torch.allclose(drawn_line_by_line(gpt, tokens, conditions), whole, atol=1e-12)


def test_each_place_is_due_once_and_lines_are_few():
    gpt = aligned_gpt(4, 4)
    decoder, places = gpt.start_grid({}, size=(9, 30)), []
    assert decoder.steps == 4 * 8 + 30
    while decoder.step < decoder.steps:
        rows, cols = decoder.places
        places += zip(rows.tolist(), cols.tolist(), strict=True)
        decoder.decode(torch.zeros(1, len(rows), dtype=torch.long))
    assert sorted(places) == [(row, col) for row in range(9) for col in range(30)]
    with pytest.raises(ValueError, match="complete"):
        decoder.decode(torch.zeros(1, 1, dtype=torch.long))


def test_what_is_remembered_does_not_grow_with_the_height():
    gpt = aligned_gpt(2, 3)
    low, high, wide = (gpt.start_grid({}, size=size).bytes for size in ((20, 30), (400, 30), (20, 60)))
    assert low == high < wide < 2 * low


@torch.no_grad()
def test_a_place_sees_the_token_above_but_no_later_one():
    gpt = aligned_gpt(1, 1, n_layer=1, condition_layers=(0,))
    tokens, conditions = random_grid(4, 6), random_conditions(4, 6)
    differs = (gpt(tokens, conditions) != gpt(changed(tokens, (1, 2)), conditions)).any(-1)[0]
    # its position is one to the right; that one is seen from there, from its right, and from three places below
    assert differs.nonzero().tolist() == [[1, 3], [1, 4], [2, 2], [2, 3], [2, 4]]


@torch.no_grad()
def test_the_end_of_a_row_says_nothing_to_the_beginning_of_the_next():
    gpt = aligned_gpt(1, 1, n_layer=1, condition_layers=(0,))
    tokens, conditions = random_grid(3, 6), random_conditions(3, 6)
    assert torch.equal(gpt(tokens, conditions), gpt(changed(tokens, (1, 5)), conditions))


@torch.no_grad()
def test_translated_surroundings_give_translated_logits():
    """Positions are relative: where a place lies in a picture plays no part but through the border."""
    gpt = aligned_gpt(2, 2)
    tokens, conditions = random_grid(40, 40), random_conditions(40, 40)
    part = {
        name: given if given.ndim == 1 else given[..., 11 * FACTOR :, 7 * FACTOR :]
        for name, given in conditions.items()
    }
    whole, cut = gpt(tokens, conditions)[:, 11:, 7:], gpt(tokens[:, 11:, 7:], part)
    assert torch.allclose(whole[:, 15:, 15:], cut[:, 15:, 15:], atol=1e-9)
    assert not torch.allclose(whole, cut, atol=1e-3)


@torch.no_grad()
def test_each_pixel_of_a_map_reaches_its_surroundings_and_nothing_further():
    gpt = aligned_gpt()
    encoder, conditions = gpt.aligned.encoder, random_conditions(12, 12)
    before = encoder(conditions, (12, 12), 1)
    conditions["segmentation"][0, 6 * FACTOR + 1, 5 * FACTOR + 3] = -1
    conditions["segmentation"][0, 6 * FACTOR + 2, 5 * FACTOR + 3] = 4
    rows, cols = (before != encoder(conditions, (12, 12), 1)).any(-1)[0].nonzero().T
    assert rows.min() >= 6 - encoder.reach and rows.max() <= 6 + encoder.reach
    assert cols.min() >= 5 - encoder.reach and cols.max() <= 5 + encoder.reach
    assert (6, 5) in zip(rows.tolist(), cols.tolist(), strict=True)


@torch.no_grad()
def test_numbers_are_read_with_their_waves():
    torch.manual_seed(0)
    reader = _ValueReader(2, octaves=3, patch=1, width=5)
    place = 0.3, 0.8
    numbers = [*place]
    for octave in range(3):
        for wave in (math.sin, math.cos):
            numbers += [wave(2**octave * math.pi * number) for number in place]
    weight, bias = reader.conv.weight[:, :, 0, 0], reader.conv.bias
    expected = weight @ torch.tensor([*numbers, 0.0]) + bias
    torch.testing.assert_close(reader(torch.tensor(place).view(1, 2, 1, 1))[0, :, 0, 0], expected)
    torch.testing.assert_close(reader(torch.full((1, 2, 1, 1), torch.nan)), reader.unknown())


@torch.no_grad()
def test_a_picture_is_encoded_in_bands_as_in_the_whole(monkeypatch):
    gpt = aligned_gpt()
    kinds = [one.name for one in CONDITIONS]
    conditions = random_conditions(23, 5, batch=2, kinds=kinds)
    whole = gpt.aligned.encoder(conditions, (23, 5), 2)
    monkeypatch.setattr("vqgan_transformer.gpt.condition_encoder.ROWS_AT_ONCE", 4)
    assert torch.allclose(gpt.aligned.encoder.in_bands(conditions, (23, 5), 2), whole, atol=1e-12)


@pytest.mark.parametrize("kind", [one.name for one in CONDITIONS])
@torch.no_grad()
def test_every_kind_matters_and_a_dropped_one_is_an_absent_one(kind):
    gpt, tokens = aligned_gpt(), random_grid(4, 5, batch=2)
    conditions = random_conditions(4, 5, batch=2, kinds=[one.name for one in CONDITIONS])
    absent = {name: given for name, given in conditions.items() if name != kind}
    given, without = gpt(tokens, conditions), gpt(tokens, absent)
    assert not torch.allclose(given, without, atol=1e-3)
    dropped = gpt(tokens, gpt.drop_condition(conditions, {kind: torch.tensor([True, False])}))
    assert torch.allclose(dropped[0], without[0], atol=1e-12)
    assert torch.equal(dropped[1], given[1])


@torch.no_grad()
def test_all_kinds_can_be_dropped_at_once():
    gpt, tokens, conditions = aligned_gpt(), random_grid(4, 5, batch=2), random_conditions(4, 5, batch=2)
    dropped = gpt(tokens, gpt.drop_condition(conditions, torch.tensor([True, False])))
    assert torch.allclose(dropped[0], gpt(tokens, {})[0], atol=1e-12)
    assert torch.equal(dropped[1], gpt(tokens, conditions)[1])


def test_every_weight_learns():
    gpt = aligned_gpt().train()
    conditions = random_conditions(5, 6, batch=2, kinds=[one.name for one in CONDITIONS])
    gpt(random_grid(5, 6, batch=2), conditions).logsumexp(-1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in gpt.parameters())


@pytest.mark.parametrize("size", [(6, 7), (30, 12)], ids=["one tile", "several"])
def test_what_dropout_takes_belongs_to_samples_not_to_batches(size):
    gpt = aligned_gpt(attention_dropout=0.3, residual_dropout=0.2, embedding_dropout=0.1).train()
    dropout, tokens, conditions = SampleDropout(gpt), random_grid(*size, batch=3), random_conditions(*size, batch=3)
    assert len(dropout.layers) == 1 + 3 * 3
    dropout.keys = torch.tensor([5, 6, 7])
    whole = gpt(tokens, conditions)
    dropout.keys = torch.tensor([7, 5])
    part = gpt(tokens[[2, 0]], {name: values[[2, 0]] for name, values in conditions.items()})
    torch.testing.assert_close(part, whole[[2, 0]], rtol=1e-10, atol=1e-10)
    assert not torch.allclose(whole, gpt.eval()(tokens, conditions))


def test_weights_that_dropout_leaves_are_right_on_average():
    attention = aligned_gpt(attention_dropout=0.3).blocks[0].attention
    x, config = torch.randn(1, 5, 6, 16, dtype=torch.float64), aligned_gpt(attention_dropout=0.3).config
    turn = Rotation(torch.ones(5, 6, 1, 1, 4), torch.zeros(5, 6, 1, 1, 4))  # none
    seen = {"rotation": turn, "over": Tiles.of((5, 6), config, torch.device("cpu"))}
    expected = attention(x, **seen)
    torch.manual_seed(0)
    attention.train()
    found = attention(x.expand(4000, -1, -1, -1), **seen)
    error = (found.mean(0) - expected[0]) / (found.std(0) / 4000**0.5)
    assert error.square().mean().sqrt() < 1.3


def test_an_aligned_gpt_is_saved_and_loaded(tmp_path):
    gpt, tokens, conditions = aligned_gpt(), random_grid(4, 5), random_conditions(4, 5)
    loaded = CondGPT.from_pretrained(gpt.save_pretrained(tmp_path))
    assert loaded.config == gpt.config
    assert torch.equal(loaded(tokens, conditions), gpt(tokens, conditions))


@pytest.mark.parametrize(
    ("conditions", "error", "message"),
    [
        ({"segmentaton": torch.zeros(1, 16, 20, dtype=torch.long)}, ValueError, "'segmentation'"),
        ({"segmentation": torch.zeros(1, 16, 24, dtype=torch.long)}, ValueError, r"grid of \(4, 6\) tokens"),
        ({"segmentation": torch.zeros(1, 16, 18, dtype=torch.long)}, ValueError, "multiples of 4"),
        ({"segmentation": torch.zeros(1, 16, 20)}, TypeError, "int64"),
        ({"depth": torch.zeros(1, 16, 20)}, ValueError, r"\(B, 1, H, W\)"),
        ({"depth": torch.zeros(1, 1, 16, 20, dtype=torch.long)}, TypeError, "float32"),
        ({"class_label": torch.zeros(1, 1, dtype=torch.long)}, ValueError, r"\(B,\)"),
        ({"class_label": torch.zeros(2, dtype=torch.long)}, ValueError, "batches of 1 and 2"),
        (torch.zeros(1, 16, dtype=torch.long), TypeError, "dictionary"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(conditions, error, message):
    with pytest.raises(error, match=message):
        aligned_gpt()(random_grid(4, 5), conditions)


def test_ids_out_of_range_are_refused_before_anything_is_drawn():
    with pytest.raises(ValueError, match=r"0–2, and -1"):
        SlidingWindowSampler()(aligned_gpt(), {"class_label": torch.tensor([3])}, size=(4, 4))
    with pytest.raises(ValueError, match="size="):
        aligned_gpt().start_grid({"class_label": torch.tensor([1])})


def test_each_form_says_how_it_is_drawn(gpt):
    with pytest.raises(TypeError, match="start_grid"):
        aligned_gpt().start({"class_label": torch.tensor([1])})
    with pytest.raises(TypeError, match="start_grid"):
        aligned_gpt().extend([], torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(TypeError, match="start and extend"):
        gpt.start_grid({}, size=(4, 4))


ALIGNED = {
    "vocab_size": 64, "conditioning": "aligned", "position": "rope2d", "attention": "local", "downsample_factor": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position": "learned"}, 'position="rope2d"'),
        ({"attention": "full"}, 'attention="local"'),
        ({"block_size": 512}, "block_size"),
        ({"null_token": 3}, "null_token"),
        ({"downsample_factor": None}, "downsample_factor"),
        ({"downsample_factor": 1}, "downsample_factor"),
        ({"columns_beside": 0}, "columns_beside"),
        ({"conditions": (ConditionInput("known", "tokens", 65),)}, "at most 64"),
        ({"conditions": (ConditionInput("depth", "values", 1),) * 2}, "once"),
        ({"condition_layers": (12,)}, "condition_layers"),
        ({"condition_layers": ()}, "condition_layers"),
        ({"condition_width": 5}, "even"),
        ({"conditioning": "prefix", "block_size": 512}, "local attention"),
        ({"conditioning": "prefix", "attention": "full"}, "block_size"),
    ],
)
def test_configs_that_contradict_themselves_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CondGPTConfig(**(ALIGNED | fields))


@pytest.mark.parametrize(("form", "octaves"), [("labels", 1), ("values", 17), ("values", -1)])
def test_waves_are_for_numbers(form, octaves):
    with pytest.raises(ValueError, match="octaves are for values"):
        ConditionInput("coordinates", form, 2, octaves=octaves)

"""Released generators of other programs, and each way for conditions to enter a GPT, against the obvious loop."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import generators
from generators import CODES, FACTOR, FORMS, PICTURES, WINDOW, condition_for, made
from test_released_models import write_hollow
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline, SlidingWindowSampler
from vqgan_transformer.checkpoints import formats
from vqgan_transformer.checkpoints.formats.opened import Opened
from vqgan_transformer.checkpoints.formats.rar import TOKENIZER
from vqgan_transformer.errors import CheckpointError
from vqgan_transformer.gpt.conditioning import Comparison
from vqgan_transformer.gpt.picture_encoder import published_name
from vqgan_transformer.sampler.draw import filter_logits, guide, place_noise
from vqgan_transformer.sampler.guidance import Guidance
from vqgan_transformer.sampler.schedule import window_origin
from vqgan_transformer.storage.weights import build_on_meta

PRECISIONS = [pytest.param(torch.float32, 1e-3, id="float32"), pytest.param(torch.float64, 1e-6, id="float64")]
CONTROL = {"controlar_seg": "segmentation", "controlar_depth_mr": "depth"}


def farthest(name, what, found):
    """The largest difference to samples of what the program gives, as a share of its largest number."""
    expected = generators.case(name)["expected"][what]
    values = found.flatten()[expected["at"]].double().numpy()
    return np.abs(values - np.array(expected["values"])).max() / expected["largest"]


def tokens_of(name):
    return torch.tensor(generators.case(name)["tokens"])


@pytest.mark.parametrize("name", ["ibq_ar", "rar"])
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_class_models_give_their_programs_logits(name, dtype, tolerance, tmp_path):
    gpt = CondGPT.from_pretrained(generators.write(name, tmp_path), dtype=dtype)
    label = torch.tensor(generators.case(name)["class_label"])[:, None]
    assert farthest(name, "logits", gpt(tokens_of(name), label)) < tolerance
    assert farthest(name, "null_logits", gpt(tokens_of(name), gpt.null_condition(label))) < tolerance


@pytest.mark.parametrize("name", CONTROL)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_controlar_gives_its_programs_logits(name, dtype, tolerance, tmp_path):
    pytest.importorskip("transformers")
    gpt, given, kind = load(name, tmp_path, dtype), generators.inputs(name, dtype), CONTROL[name]
    condition = {kind: given["picture"], "text": given["caption"], "text_mask": given["mask"]}
    found = {
        "control_features": gpt.control_features(kind, given["picture"]),
        "logits": gpt(tokens_of(name), condition),
        "logits_strength_06": gpt(tokens_of(name), condition, strength={kind: 0.6}),
        "null_logits": gpt(tokens_of(name), {"text_mask": given["mask"]}),
        "logits_without_words": gpt(tokens_of(name), {kind: given["picture"]}),
    }
    for what in generators.case(name)["expected"]:
        assert farthest(name, what, found[what]) < tolerance, what
    dropped = gpt.null_condition(condition)
    assert torch.allclose(gpt(tokens_of(name), dropped), found["null_logits"])


def load(name, folder, dtype=torch.float64):
    return CondGPT.from_pretrained(generators.write(name, folder), dtype=dtype, n_head=4)


def test_the_published_guidance_of_rar_is_a_setting_of_the_sampler(tmp_path):
    expected = generators.case("rar")["expected"]["guidance_of_4_power_2_75"]["values"]
    settings = SlidingWindowSampler(guidance_scale=4.0, guidance_schedule=2.75).config
    growth = Guidance((Comparison(4.0, frozenset()),), settings.guidance_schedule).growth(k / 64 for k in range(64))
    np.testing.assert_allclose(1 + 3 * growth[:, 0].numpy(), expected, rtol=1e-12)


def test_one_file_of_ibq_is_a_pipeline(tmp_path):
    pipe = ImageSynthesisPipeline.from_pretrained(generators.write("ibq_ar", tmp_path))
    assert pipe.vqgan.config.quantizer == "inner_product"
    assert pipe.gpt.config.window == (8, 8) and pipe.gpt.config.null_token == 12
    [picture] = pipe(class_label=3, size=(32, 32), guidance_scale=2.0, seed=0, progress=False, output_type="np").images
    assert picture.shape == (32, 32, 3)
    alone = VQGAN.from_pretrained(tmp_path / "AR_B.ckpt")
    assert torch.equal(alone.state_dict()["to_codes.weight"], pipe.vqgan.state_dict()["to_codes.weight"])


def test_rar_asks_for_its_tokenizer_and_needs_no_yaml(tmp_path):
    path = generators.write("rar", tmp_path)
    with pytest.raises(CheckpointError, match=TOKENIZER):
        ImageSynthesisPipeline.from_pretrained(path)
    (tmp_path / "config.yaml").unlink()
    assert CondGPT.from_pretrained(path).config == CondGPT.from_pretrained(path, n_head=4).config
    with pytest.raises(CheckpointError, match="query_norm"):
        CondGPT.from_pretrained(path, n_head=2)


def test_controlar_asks_which_kind_of_picture_it_follows(tmp_path):
    pytest.importorskip("transformers")
    path = generators.write("controlar_seg", tmp_path)
    path.rename(tmp_path / "mine.safetensors")
    with pytest.raises(CheckpointError, match="condition_type="):
        CondGPT.from_pretrained(tmp_path / "mine.safetensors", n_head=4)
    with pytest.raises(ValueError, match="Did you mean 'depth'"):
        CondGPT.from_pretrained(tmp_path / "mine.safetensors", n_head=4, condition_type="dept")
    gpt = CondGPT.from_pretrained(tmp_path / "mine.safetensors", n_head=4, condition_type="hed")
    assert gpt.conditioning.names == ("hed", "text")
    assert gpt.config.picture_encoder.resize == "bicubic"


def test_names_of_both_versions_of_transformers_are_read_and_the_older_ones_written(tmp_path):
    pytest.importorskip("transformers")
    gpt = load("controlar_seg", tmp_path)
    state = gpt.state_dict()
    assert any(".attention.attention.query." in name for name in state)
    newer = {name: tensor for name, tensor in gpt.named_parameters()} | {
        name: tensor for name, tensor in state.items() if "encoder.model" not in name
    }
    other = copy.deepcopy(gpt)
    other.load_state_dict({name: 2 * tensor for name, tensor in newer.items()})
    assert all(torch.equal(tensor, 2 * state[name]) for name, tensor in other.state_dict().items())
    assert published_name("layer.0.attention.o_proj.bias") == "layer.0.attention.output.dense.bias"


@pytest.mark.parametrize("fields", [*FORMS.values(), PICTURES], ids=[*FORMS, "pictures by number in a table"])
@pytest.mark.parametrize("chunks", [[15], [0, 1, 14], [4, 0, 3]], ids=str)
@torch.no_grad()
def test_start_and_extend_give_the_logits_of_the_whole(fields, chunks):
    gpt = whole_form(fields)
    tokens, condition = torch.randint(CODES, (2, *WINDOW)), condition_for(gpt, WINDOW, 2)
    whole, cache, read = gpt(tokens, condition).flatten(1, 2), gpt.start(condition), 0
    for count in chunks:
        logits = gpt.extend(cache, tokens.flatten(1)[:, read : read + count])
        read += count
        assert torch.allclose(logits, whole[:, read], atol=1e-12)


def whole_form(fields):
    if "picture_encoder" in fields:
        pytest.importorskip("transformers")
    return made(fields)


@torch.no_grad()
def drawn_plainly(gpt, condition, size, seeds, *, scale, tokens=None, keep=None):
    """Raster order, the whole window of each place read anew."""
    (rows, cols), conditioning = gpt.window_for(size), gpt.conditioning
    painted = torch.zeros(len(seeds), *size, dtype=torch.long)
    if keep is not None:
        condition = conditioning.with_known(condition, tokens, keep)
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = window_origin(i, size[0], rows), window_origin(j, size[1], cols)
            local = conditioning.window(condition, top, left, (rows, cols))
            seen = painted[:, top : top + rows, left : left + cols]
            logits = gpt(seen, local)[:, i - top, j - left]
            if scale != 1:
                null = conditioning.without(local, [name for name in conditioning.names if name != "known"])
                logits = guide(logits, gpt(seen, null)[:, i - top, j - left], scale)
            logits = filter_logits(logits, temperature=1.0, top_k=10, top_p=1.0)
            noise = torch.stack([torch.from_numpy(place_noise(seed, i, j, CODES)) for seed in seeds])
            drawn = (logits + noise).argmax(-1)
            painted[:, i, j] = drawn if keep is None else tokens[:, i, j].where(keep[:, i, j], drawn)
    return painted


@pytest.mark.parametrize("fields", [*FORMS.values(), PICTURES], ids=[*FORMS, "pictures by number in a table"])
@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("size", [(4, 4), (5, 7)], ids=str)
def test_windows_slide_over_pictures_as_in_a_plain_loop(fields, scale, size):
    gpt = whole_form(fields)
    condition = condition_for(gpt, size, 2)
    found = SlidingWindowSampler(top_k=10, guidance_scale=scale)(gpt, condition, size, seed=[3, 8])
    assert torch.equal(found, drawn_plainly(gpt, condition, size, [3, 8], scale=scale))


def test_known_tokens_are_seen_on_all_sides_in_windows_too():
    gpt = made(FORMS["features before several blocks"])
    size, tokens = (5, 6), torch.randint(CODES, (1, 5, 6))
    condition, keep = condition_for(gpt, size, 1), torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(1)) < 0.4
    found = SlidingWindowSampler(top_k=10)(gpt, condition, size, seed=4, tokens=tokens, keep=keep)
    expected = drawn_plainly(gpt, condition, size, [4], scale=1, tokens=tokens, keep=keep)
    assert torch.equal(found, expected)
    without = SlidingWindowSampler(top_k=10)(gpt, condition, size, seed=4)
    assert not torch.equal(found[~keep], without[~keep])


@pytest.mark.parametrize("fields", FORMS.values(), ids=FORMS)
@torch.no_grad()
def test_likelihoods_are_those_of_each_token_in_its_window(fields):
    gpt, size = made(fields), (5, 6)
    condition, tokens = condition_for(gpt, size, 2), torch.randint(CODES, (2, *size))
    found = SlidingWindowSampler(guidance_scale=1.5).token_log_likelihood(gpt, condition, tokens)
    for i, j in [(0, 0), (1, 5), (3, 2), (4, 5)]:
        top, left = window_origin(i, 5, 4), window_origin(j, 6, 4)
        local = gpt.conditioning.window(condition, top, left, WINDOW)
        seen = tokens[:, top : top + 4, left : left + 4]
        null = gpt.conditioning.without(local, [name for name in gpt.conditioning.names if name != "known"])
        logits = guide(gpt(seen, local), gpt(seen, null), 1.5)[:, i - top, j - left]
        assert torch.allclose(found[:, i, j], logits.log_softmax(-1)[[0, 1], tokens[:, i, j]], atol=1e-12)


def test_pictures_of_several_sizes_and_conditions_are_drawn_at_once():
    gpt = made(FORMS["features before several blocks"])
    conditions = [condition_for(gpt, (5, 7), 2), {"class_label": torch.tensor([2])}, condition_for(gpt, (4, 4), 1)]
    sizes, sampler = [(5, 7), (6, 4), (4, 4)], SlidingWindowSampler(guidance_scale=2.0)
    together = sampler(gpt, conditions, sizes, seed=0)
    for condition, size, seed, drawn in zip(conditions, sizes, (0, 2, 3), together, strict=True):
        assert torch.equal(sampler(gpt, condition, size, seed=seed), drawn)


def test_a_table_lets_a_window_have_any_shape_that_it_holds():
    gpt = whole_form(PICTURES)
    assert gpt.window_for((2, 8)) == (2, 8)
    assert gpt.window_for((3, 6)) == WINDOW  # more than it holds: a window slides
    condition = condition_for(gpt, (2, 7), 1)
    found = SlidingWindowSampler(top_k=10)(gpt, condition, (2, 7), seed=1)
    assert torch.equal(found, drawn_plainly(gpt, condition, (2, 7), [1], scale=1))


@torch.no_grad()
def test_a_caption_that_is_masked_away_or_unknown_counts_for_nothing():
    gpt = made(FORMS["embeddings in front"])
    tokens, condition = torch.randint(CODES, (2, *WINDOW)), condition_for(gpt, WINDOW, 2)
    other = {**condition, "text": condition["text"].clone()}
    other["text"][0, :1] += 1  # invisible
    assert torch.equal(gpt(tokens, other), gpt(tokens, condition))
    none = gpt.drop_condition(condition, torch.tensor([True, False]))
    assert torch.allclose(gpt(tokens, none)[0], gpt(tokens, {"text_mask": condition["text_mask"]})[0])
    assert torch.allclose(gpt(tokens, none)[1], gpt(tokens, condition)[1])


def test_the_strength_of_a_caption_goes_from_none_to_all_of_it():
    gpt = made(FORMS["embeddings in front"])
    tokens, condition = torch.randint(CODES, (2, *WINDOW)), condition_for(gpt, WINDOW, 2)
    none = gpt(tokens, {"text_mask": condition["text_mask"]})
    half, full = (gpt(tokens, condition, strength={"text": strength}) for strength in (0.5, 1.0))
    torch.testing.assert_close(gpt(tokens, condition, strength={"text": 0.0}), none)
    assert torch.equal(full, gpt(tokens, condition))
    # in between, each embedding is projected, and then mixed with that of the empty caption
    caption = gpt.get_submodule("aligned.caption")
    seen, empty = caption.project(condition["text"]), caption.project(caption.empty)
    caption.register_forward_hook(lambda *_: (seen + empty) / 2)
    torch.testing.assert_close(half, gpt(tokens, condition))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"text": torch.zeros(1, 4, 6)}, ValueError, r"\(B, 5, 6\)"),
        ({"text": torch.zeros(1, 5, 6, dtype=torch.long)}, TypeError, "float32"),
        ({"text_mask": torch.ones(1, 5)}, TypeError, "bool"),
        ({"text_mask": torch.ones(1, 4, dtype=torch.bool)}, ValueError, r"\(B, 5\)"),
        ({"txt": torch.zeros(1, 5, 6)}, ValueError, "Did you mean 'text'"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(given, error, message):
    gpt = made(FORMS["embeddings in front"])
    with pytest.raises(error, match=message):
        gpt(torch.zeros(1, *WINDOW, dtype=torch.long), given)
    with pytest.raises(error, match=message):
        SlidingWindowSampler()(gpt, given, WINDOW)


@pytest.mark.parametrize("fields", [*FORMS.values(), PICTURES], ids=[*FORMS, "pictures by number in a table"])
def test_a_gpt_learns_from_what_enters_in_each_way(fields):
    """Conditions say which of two token grids is meant; nothing else does."""
    if "picture_encoder" in fields:
        pytest.importorskip("transformers")
    torch.manual_seed(1)
    gpt = CondGPT(made(fields).config).train()
    condition = condition_for(gpt, WINDOW, 2)
    if isinstance(condition, torch.Tensor):
        condition = torch.tensor([[0], [1]])
    condition = (
        {name: given.float() if given.is_floating_point() else given for name, given in condition.items()}
        if isinstance(condition, dict)
        else condition
    )
    tokens = torch.tensor([3, 17])[:, None, None].expand(2, *WINDOW)
    optimizer = torch.optim.AdamW(gpt.parameter_groups(), lr=0.01)
    first = None
    for _ in range(60):
        logits = gpt(tokens, gpt.drop_condition(condition, torch.tensor([False, False])))
        loss = torch.nn.functional.cross_entropy(logits[:, 0, 0], tokens[:, 0, 0])
        first = first if first is not None else float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2 < first
    assert all(parameter.grad is not None for parameter in gpt.modulator.parameters()) if gpt.modulator else True


def test_control_pictures_are_those_of_the_window():
    gpt = whole_form(PICTURES)
    condition = condition_for(gpt, (6, 6), 1)
    local = gpt.conditioning.window(condition, 2, 1, WINDOW)
    assert torch.equal(local["depth"], condition["depth"][..., 2 * FACTOR : 6 * FACTOR, FACTOR : 5 * FACTOR])


PUBLISHED = {
    "rar_b.bin": generators.rar_shapes(24, 768, 3072),
    "rar_l.bin": generators.rar_shapes(24, 1024, 4096),
    "rar_xl.bin": generators.rar_shapes(32, 1280, 5120),
    "rar_xxl.bin": generators.rar_shapes(40, 1408, 6144),
    "AR_B.ckpt": generators.ibq_ar_shapes(16, 1024, 2816),
    "AR_L.ckpt": generators.ibq_ar_shapes(20, 1280, 3584),
    "AR_XL.ckpt": generators.ibq_ar_shapes(24, 1536, 4096),
    "AR_XXL.ckpt": generators.ibq_ar_shapes(30, 1920, 5120),
    "seg_cocostuff.safetensors": generators.controlar_shapes(384, 1024),
    "depth_base.safetensors": generators.controlar_shapes(768, 1024),
    "depth_MR.safetensors": generators.controlar_shapes(384, 2304),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_size_fits_key_for_key(name, tmp_path):
    if name.endswith("safetensors"):
        pytest.importorskip("transformers")
    path = tmp_path / f"{name.partition('.')[0]}.safetensors"
    write_hollow(path, PUBLISHED[name])
    opened, family = formats.identify(Opened(path))
    config, tensors = family.readers["CondGPT"](opened)
    with build_on_meta(len(tensors), str(path)):
        gpt = CondGPT(config)
    assert {key: tuple(tensor.shape) for key, tensor in gpt.state_dict().items()} == {
        key: tensor.shape for key, tensor in tensors.items()
    }

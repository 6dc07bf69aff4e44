"""The recipe of the built-in checkpoint: what scenes are written with, and how earlier weights grow."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import train_builtin
from scene_folder import drawing, layout
from warm_start import grown_generator, grown_tokenizer, mean_of_weights

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig, LayoutCondition, VQGANConfig
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.scenes import make_scene

TOKENIZER = VQGANConfig(
    channels=8, channel_multipliers=(1, 1), patch_size=2, num_res_blocks=1, attention_levels=(), mid_attention=False,
    norm="channel", latent_channels=8, codebook_size=12, code_dim=4, normalize_codes=True,
)  # fmt: skip
GENERATOR = CondGPTConfig(
    vocab_size=12, block_size=None, n_layer=1, n_head=2, n_embd=16, window=(4, 4), conditioning="aligned", attention="local",
    position="rope2d", rows_above=2, columns_beside=2, downsample_factor=4, condition_width=8,
    conditions=(ConditionInput("segmentation", "labels", 3), ConditionInput("known", "tokens", 12)),
)  # fmt: skip


def pictures() -> list[torch.Tensor]:
    return list(torch.rand(4, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)


def test_the_layout_of_a_scene_names_its_regions_and_the_things_in_it() -> None:
    scene = make_scene(204, (128, 128), people=2)
    boxes = layout(scene)
    names = [name for name, *_ in boxes]
    assert names.count("person") == sum(name == "person" for name, _ in scene.objects) > 0
    assert "sky" in names
    condition = LayoutCondition(labels=sorted(train_builtin.NAMES.values()))
    assert condition.parse(boxes).shape == (1, len(boxes), 5)  # every box lies in the picture


def test_a_drawing_is_white_lines_on_black_and_always_the_same() -> None:
    scene = make_scene(204, (256, 256))
    first, again = (drawing(scene, np.random.default_rng(3)) for _ in range(2))
    assert set(np.unique(first)) == {0, 255} and 0.005 < (first > 0).mean() < 0.3
    assert np.array_equal(first, again)


def test_a_tokenizer_with_more_codes_decodes_the_earlier_tokens_as_before_and_loses_less() -> None:
    torch.manual_seed(0)
    vqgan = VQGAN(TOKENIZER).eval()
    grown = grown_tokenizer(vqgan, 40, pictures())
    tokens = torch.arange(12).view(1, 3, 4)
    assert torch.equal(grown.decode(tokens), vqgan.decode(tokens))
    assert grown.codebook_size == 40 and torch.equal(vqgan.decode(tokens), VQGAN.decode(vqgan, tokens))

    def distance(model: VQGAN) -> float:
        latents = torch.cat([model.quantizer.comparable(model.encode_to_latents(x)) for x in pictures()])
        return float((latents - model.quantizer.lookup(model.quantizer.tokens(latents))).square().mean())

    with torch.no_grad():
        assert distance(grown) < distance(vqgan)


def test_a_generator_with_more_codes_and_kinds_begins_with_all_that_the_earlier_one_knows() -> None:
    torch.manual_seed(0)
    vqgan, gpt = VQGAN(TOKENIZER).eval(), CondGPT(GENERATOR).eval()
    wider = grown_tokenizer(vqgan, 20, pictures())
    conditions = ConditionInput("layout", "labels", 5), *GENERATOR.conditions
    config = replace(GENERATOR, vocab_size=20, conditions=tuple(
        replace(kind, size=20) if kind.form == "tokens" else kind for kind in conditions
    ))  # fmt: skip
    grown = grown_generator(gpt, wider, config).eval()
    tokens = torch.randint(12, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    given = {
        "segmentation": torch.randint(3, (2, 16, 16), generator=torch.Generator().manual_seed(2)),
        "known": torch.where(torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(3)) < 0.5, tokens, -1),
    }
    with torch.no_grad():
        before, now = gpt(tokens, given), grown(tokens, given)
    assert torch.allclose(now[..., :12], before, atol=1e-5)


def test_a_generator_that_reads_coordinates_in_waves_begins_as_the_one_that_reads_two_numbers() -> None:
    torch.manual_seed(0)
    plain, known = ConditionInput("coordinates", "values", 2), ConditionInput("known", "tokens", 12)
    vqgan, gpt = VQGAN(TOKENIZER).eval(), CondGPT(replace(GENERATOR, conditions=(plain, known))).eval()
    config = replace(GENERATOR, conditions=(replace(plain, octaves=3), known))
    grown = grown_generator(gpt, vqgan, config).eval()
    tokens = torch.randint(12, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    given = {"coordinates": torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(2))}
    for conditions in (given, {}):
        torch.testing.assert_close(grown(tokens, conditions), gpt(tokens, conditions))


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_mean_of_two_generators_has_the_mean_of_their_weights(share: float) -> None:
    torch.manual_seed(0)
    first, second = CondGPT(GENERATOR), CondGPT(GENERATOR)
    mean = mean_of_weights(first, second, share).state_dict()
    for name, weight in first.state_dict().items():
        assert torch.allclose(mean[name], (1 - share) * weight + share * second.state_dict()[name], atol=1e-6)


def test_lengths_of_trainings_are_told_for_all_or_for_some() -> None:
    assert set(train_builtin.lengths(["7"]).values()) == {7}
    assert train_builtin.lengths(["gpt=5"]) == {**train_builtin.STEPS, "gpt": 5}
    with pytest.raises(SystemExit, match="gtp"):
        train_builtin.lengths(["gtp=5"])

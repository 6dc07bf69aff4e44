"""The options of CondGPT beside the paper's form: norm, feed-forward part, rotary positions, tables, biases."""

from __future__ import annotations

import math

import pytest
import torch

from vqgan_transformer import CondGPT, CondGPTConfig
from vqgan_transformer.gpt.positions import rotate, rotation

LLAMAGEN = CondGPTConfig(
    vocab_size=24, block_size=20, n_layer=2, n_head=2, n_embd=16, window=(4, 5), norm="rms", feed_forward="swiglu",
    feed_forward_width=24, bias=False, position="rope2d", condition_vocab_size=7, null_token=6,
)  # fmt: skip


def random_tokens(below, *shape):
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(sum(shape)))


def made(config: CondGPTConfig) -> CondGPT:
    """A GPT in float64 with weights far from their small start."""
    torch.manual_seed(0)
    gpt = CondGPT(config).double().eval()
    with torch.no_grad():
        for parameter in gpt.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return gpt


def llamagen(weights: dict[str, torch.Tensor], tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """LlamaGen's class-to-image GPT of two layers and two heads on a grid of 4×5, written down step by step.

    Rotations are products of complex numbers here.
    """

    def rms(x, name):
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weights[name]

    turns = torch.zeros(20, 4, dtype=torch.complex128)  # position 0 is the class: it is multiplied by zero
    for place in range(19):
        row, col = divmod(place, 5)
        for pair, (index, frequency) in enumerate([(row, 1.0), (row, 0.01), (col, 1.0), (col, 0.01)]):
            turns[place + 1, pair] = complex(math.cos(index * frequency), math.sin(index * frequency))
    x = torch.cat((weights["condition_embedding.weight"][labels], weights["token_embedding.weight"][tokens[:, :-1]]), 1)
    for layer in ("blocks.0.", "blocks.1."):
        normed = rms(x, f"{layer}norm1.weight")
        query, key, value = (normed @ weights[f"{layer}attention.qkv.weight"].T).split(16, dim=-1)
        heads = []
        for head in (slice(0, 8), slice(8, 16)):
            q, k = (
                torch.view_as_real(torch.view_as_complex(part[..., head].unflatten(-1, (4, 2)).contiguous()) * turns)
                for part in (query, key)
            )
            scores = q.flatten(-2) @ k.flatten(-2).mT / math.sqrt(8)
            scores = scores.masked_fill(torch.ones(20, 20).triu(1).bool(), -math.inf)
            heads.append(scores.softmax(-1) @ value[..., head])
        x = x + torch.cat(heads, -1) @ weights[f"{layer}attention.out.weight"].T
        normed = rms(x, f"{layer}norm2.weight")
        gate, up = (normed @ weights[f"{layer}mlp.gate_and_value.weight"].T).split(24, dim=-1)
        x = x + (gate * torch.sigmoid(gate) * up) @ weights[f"{layer}mlp.out.weight"].T
    return rms(x, "norm_out.weight") @ weights["head.weight"].T


def test_rms_norm_swiglu_rotary_positions_and_a_table_of_classes_make_a_llamagen():
    gpt = made(LLAMAGEN)
    tokens, labels = random_tokens(24, 3, 20), random_tokens(7, 3, 1)
    assert torch.allclose(gpt(tokens, labels), llamagen(gpt.state_dict(), tokens, labels), atol=1e-12)


OPTIONS = {
    "llamagen": {"norm": "rms", "feed_forward": "swiglu", "bias": False, "position": "rope2d"},
    "rope2d": {"position": "rope2d"},
    "unmasked": {"position": "rope2d", "n_unmasked": 3},
    "table of conditions": {"condition_vocab_size": 5},
}


@pytest.mark.parametrize("chunks", [[15], [0, 1, 14], [4, 0, 3]], ids=str)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_start_and_extend_give_the_logits_of_the_whole(options, chunks):
    gpt = made(CondGPTConfig(24, 32, 2, 2, 16, window=(4, 4), **options))
    tokens, condition = random_tokens(24, 2, 16), random_tokens(5, 2, 3)
    whole, cache, read = gpt(tokens, condition), gpt.start(condition), 0
    for count in chunks:
        logits = gpt.extend(cache, tokens[:, read : read + count])
        read += count
        assert torch.allclose(logits, whole[:, read], atol=1e-12)


def test_scores_of_rotated_vectors_depend_on_the_difference_of_places_only():
    query, key = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()

    def score(query_at, key_at):
        rows, cols = (torch.tensor([here, there]) for here, there in zip(query_at, key_at, strict=True))
        turn = rotation(rows, cols, 8, torch.float64)
        turned = rotate(torch.stack((query, key)), turn)
        return float(turned[0] @ turned[1])

    assert score((5, 9), (3, 2)) == pytest.approx(score((105, 1009), (103, 1002)), abs=1e-9)
    assert score((5, 9), (3, 2)) != pytest.approx(score((5, 9), (2, 2)), abs=1e-3)
    assert score((5, 9), (3, 2)) != pytest.approx(score((5, 9), (3, 3)), abs=1e-3)


def test_a_gpt_without_bias_has_none_in_its_linear_layers():
    names = [name for name in made(LLAMAGEN).state_dict() if name.endswith("bias")]
    assert not names
    names = [name for name in made(CondGPTConfig(24, 32, 1, 2, 16, (4, 4), bias=False)).state_dict() if "bias" in name]
    assert names == ["blocks.0.norm1.bias", "blocks.0.norm2.bias", "norm_out.bias"]


def test_llamagen_b_has_111_million_parameters():
    config = CondGPTConfig(
        16384, 256, 12, 12, 768, norm="rms", feed_forward="swiglu", bias=False, position="rope2d",
        condition_vocab_size=1001, null_token=1000,
    )  # fmt: skip
    with torch.device("meta"):
        gpt = CondGPT(config)
    assert config.hidden_width == 2048
    assert sum(p.numel() for p in gpt.parameters()) == pytest.approx(110.9e6, rel=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"norm": "batch"}, "'layer', 'rms'"),
        ({"feed_forward": "relu"}, "'gelu', 'swiglu'"),
        ({"position": "sine"}, "'learned', 'rope2d'"),
        ({"position": "rope2d", "n_head": 8, "n_embd": 16}, "multiple of 4, got 2"),
        ({"feed_forward_width": 0}, "feed_forward_width"),
        ({"condition_vocab_size": 0}, "condition_vocab_size"),
        ({"condition_vocab_size": 10, "null_token": 10}, "null_token must lie in 0..9"),
    ],
)
def test_options_that_contradict_each_other_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CondGPTConfig(**({"vocab_size": 64, "block_size": 512} | fields))

"""Tiny aligned models, conditions for them, and what they compute written down place by place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vqgan_transformer import CondGPT, CondGPTConfig
from vqgan_transformer.gpt import ConditionInput

CODES = 24
FACTOR = 4
CONDITIONS = (
    ConditionInput("segmentation", "labels", 5),
    ConditionInput("depth", "values", 1),
    ConditionInput("class_label", "class", 3),
    ConditionInput("known", "tokens", CODES),
)


def aligned_gpt(rows_above: int = 2, columns_beside: int = 2, **options) -> CondGPT:
    """A GPT of three narrow layers in float64, with weights far from their small start."""
    defaults: dict = {"n_layer": 3, "n_head": 2, "n_embd": 16, "window": (8, 8), "condition_layers": (0, 2)}
    defaults["conditions"] = CONDITIONS
    config = CondGPTConfig(
        CODES, conditioning="aligned", position="rope2d", attention="local", rows_above=rows_above,
        columns_beside=columns_beside, downsample_factor=FACTOR, condition_width=8,
        condition_depth=1, **(defaults | options),
    )  # fmt: skip
    torch.manual_seed(0)
    gpt = CondGPT(config).double().eval()
    with torch.no_grad():
        for parameter in gpt.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return gpt


def random_grid(height: int, width: int, batch: int = 1, below: int = CODES) -> Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(below, (batch, height, width), generator=generator)


def random_conditions(height: int, width: int, batch: int = 1, kinds=("segmentation", "depth", "class_label")) -> dict:
    """Conditions of a token grid, unknown here and there."""
    generator = torch.Generator().manual_seed(height + width)
    pixels = height * FACTOR, width * FACTOR
    depth = torch.randn(batch, 1, *pixels, generator=generator, dtype=torch.float64)
    made = {
        "segmentation": torch.randint(-1, 5, (batch, *pixels), generator=generator),
        "depth": depth.where(depth < 1, torch.nan),
        "class_label": torch.randint(0, 3, (batch,), generator=generator),
        "known": torch.randint(-1, CODES, (batch, height, width), generator=generator),
    }
    return {kind: made[kind] for kind in kinds}


def logits_place_by_place(gpt: CondGPT, tokens: Tensor, conditions: dict) -> Tensor:
    """An aligned model's logits for one grid (h, w), by loops over places, heads and neighbours.

    Takes from the model its weights and the condition's features; positions are turned as complex numbers.
    """
    config, weights = gpt.config, gpt.state_dict()
    height, width = tokens.shape
    features = gpt.aligned.encoder(conditions, (height, width), 1)[0]
    frequencies = [10_000 ** (-4 * k / config.head_width) for k in range(config.head_width // 4)]

    def linear(name: str, x: Tensor) -> Tensor:
        return weights[f"{name}.weight"] @ x + weights.get(f"{name}.bias", 0)

    def norm(name: str, x: Tensor) -> Tensor:
        scaled = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def turned(x: Tensor, row: int, col: int) -> Tensor:
        angles = [row * f for f in frequencies] + [col * f for f in frequencies]
        turn = torch.tensor([complex(math.cos(angle), math.sin(angle)) for angle in angles])
        return torch.view_as_real(
            torch.view_as_complex(x.reshape(-1, 2).contiguous()) * turn.to(torch.complex128)
        ).flatten()

    places = [(row, col) for row in range(height) for col in range(width)]
    hidden = {
        (row, col): weights["token_embedding.weight"][tokens[row, col - 1]] if col else weights["aligned.row_start"]
        for row, col in places
    }
    for layer in range(config.n_layer):
        name, size = f"blocks.{layer}", config.head_width
        if layer in config.condition_layers:
            hidden = {at: x + linear(f"aligned.injections.{layer}", features[at]) for at, x in hidden.items()}
        parts = {at: linear(f"{name}.attention.qkv", norm(f"{name}.norm1", x)).chunk(3) for at, x in hidden.items()}
        for row, col in places:
            seen = [
                (i, j)
                for i, j in places
                if (i, j) <= (row, col) and row - i <= config.rows_above and abs(col - j) <= config.columns_beside
            ]
            attended = []
            for head in range(config.n_head):
                part = slice(head * size, (head + 1) * size)
                query = turned(parts[row, col][0][part], row, col)
                scores = torch.stack([query @ turned(parts[at][1][part], *at) / math.sqrt(size) for at in seen])
                values = torch.stack([parts[at][2][part] for at in seen])
                attended.append(scores.softmax(0) @ values)
            x = hidden[row, col] + linear(f"{name}.attention.out", torch.cat(attended))
            inner = linear(f"{name}.mlp.0", norm(f"{name}.norm2", x))
            hidden[row, col] = x + linear(f"{name}.mlp.2", inner * (1 + torch.erf(inner / math.sqrt(2))) / 2)
    return torch.stack([linear("head", norm("norm_out", hidden[at])) for at in places]).view(height, width, -1)

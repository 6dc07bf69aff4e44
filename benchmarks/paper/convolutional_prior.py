"""A prior of causal convolutions over token grids: gated as PixelCNN (van den Oord et al. 2016), with PixelSNAIL's attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ConvolutionalPrior"]


class ConvolutionalPrior(nn.Module):
    """Token grids -> logits of each token from those before it in raster order.

    One stack sees the rows above, the other the row itself; neither has a blind spot.

    Args:
        codes: of the grid.
        width: channels.
        layers: of gated convolutions.
        labels: number of labels of a condition, a grid as large; 0 for none.
        attention: one causal attention over all places in the middle, as each block of PixelSNAIL has (Chen et al. 2018).
    """

    def __init__(self, codes: int, width: int, layers: int, labels: int = 0, attention: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, width)
        self.position = nn.Parameter(torch.zeros(1, width, 16, 16))
        self.labels = nn.Embedding(labels, width) if labels else None
        self.spread = nn.Conv2d(width, width, 3, padding=1) if labels else None
        self.layers = nn.ModuleList(_GatedLayer(width) for _ in range(layers))
        self.attention = _Attention(width) if attention else None
        self.head = nn.Conv2d(width, codes, 1)

    def forward(self, tokens: Tensor, labels: Tensor | None = None) -> Tensor:
        """int64 (B, h, w), and labels alike -> (B, h, w, codes)."""
        seen = self.embedding(tokens).movedim(-1, 1)  # B C h w
        above = F.pad(seen, (0, 0, 1, 0))[:, :, :-1] + self.position
        beside = F.pad(seen, (1, 0))[..., :-1] + self.position
        condition: Tensor | float = 0.0
        if self.labels is not None and self.spread is not None and labels is not None:
            condition = self.spread(self.labels(labels).movedim(-1, 1))
        for number, layer in enumerate(self.layers):
            above, beside = layer(above, beside, condition)
            if self.attention is not None and number == len(self.layers) // 2:
                beside = self.attention(beside, seen)
        return self.head(F.elu(beside)).movedim(1, -1)


class _GatedLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(width, 2 * width, (2, 3))
        self.beside = nn.Conv2d(width, 2 * width, (1, 2))
        self.between = nn.Conv2d(2 * width, 2 * width, 1)
        self.condition = nn.Conv2d(width, 4 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, above: Tensor, beside: Tensor, condition: Tensor | float) -> tuple[Tensor, Tensor]:
        of_above, of_beside = (
            self.condition(condition).chunk(2, 1) if isinstance(condition, Tensor) else (condition, condition)
        )
        rows = self.above(F.pad(F.elu(above), (1, 1, 1, 0)))
        row = self.beside(F.pad(F.elu(beside), (1, 0))) + self.between(rows)
        return above + _gate(rows + of_above), beside + self.out(self.drop(_gate(row + of_beside)))


class _Attention(nn.Module):
    """From each place to all before it; the first sees a learned nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Conv2d(width, width, 1), nn.Conv2d(2 * width, width, 1)
        self.value, self.out = nn.Conv2d(2 * width, width, 1), nn.Conv2d(width, width, 1)
        self.nothing = nn.Parameter(torch.zeros(2, 1, 1, width))

    def forward(self, features: Tensor, seen: Tensor) -> Tensor:
        height, width = features.shape[2:]
        both = torch.cat((features, seen), 1)
        query, key, value = (
            part.flatten(2).transpose(1, 2) for part in (self.query(features), self.key(both), self.value(both))
        )  # B N C
        key, value = (
            torch.cat((nothing.expand(len(key), -1, -1), part), 1)
            for nothing, part in zip(self.nothing, (key, value), strict=True)
        )
        places = torch.arange(height * width, device=features.device)
        before = torch.arange(-1, height * width, device=features.device)[None] < places[:, None]  # N, 1 + N
        heads = [part.unflatten(2, (4, -1)).transpose(1, 2) for part in (query, key, value)]  # B 4 N C/4
        looked = F.scaled_dot_product_attention(*heads, attn_mask=before)
        return features + self.out(looked.transpose(1, 2).flatten(2).transpose(1, 2).unflatten(2, (height, width)))


def _gate(both: Tensor) -> Tensor:
    values, gates = both.chunk(2, 1)
    return values.tanh() * gates.sigmoid()

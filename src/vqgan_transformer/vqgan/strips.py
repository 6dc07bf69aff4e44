"""Encoding and decoding a picture piece by piece, so that it never stands in memory whole.

Pixels depend on the tokens of some rows and columns around them, and tokens on pixels likewise (:func:`decoder_reach`,
:func:`encoder_reach`). A tile is worked on together with what it depends on, and cut. Where all operations are local
(``norm="channel"``, no attention), that is what the whole picture would have there.

Group normalisation takes statistics over the whole picture: a first pass over all tiles collects those of a decoder
(:func:`whole_statistics`), the second uses them in every tile. A decoder's attention sees the tile and what it reaches,
instead of the whole picture. Encoders with either are not for tiles: their tokens would be others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from .autoencoder import AttentionBlock
from .model import VQGAN, VQGANConfig

__all__ = ["SIDE", "decode_strip", "decoder_reach", "encode_tiles", "encoder_reach", "is_local", "whole_statistics"]

SIDE = 64
"""Tokens along a side of a tile: with the surroundings that a paper VQGAN depends on, twice the area."""

Statistics = dict[str, tuple[Tensor, Tensor]]
"""Mean and variance of each group, by the name of the normalisation: (B, groups) each."""

Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]


def is_local(part: nn.Module) -> bool:
    """Whether an encoder or decoder consists of local operations only."""
    return not any(isinstance(module, nn.GroupNorm | AttentionBlock) for module in part.modules())


def decoder_reach(config: VQGANConfig) -> int:
    """Tokens on each side of a token's cell that its pixels depend on, attention and statistics aside."""
    pixels = 1  # the last convolution sees one pixel further
    for level, blocks in enumerate(config.decoder_blocks):  # from the highest resolution down
        if level > 0:
            pixels = -(-(pixels + 1) // 2)  # the convolution after doubling, then pixels of twice the size
        pixels += 2 * blocks  # two convolutions each
    return pixels + 2 * 2 + 1  # the core's two blocks, and the first convolution


def encoder_reach(config: VQGANConfig) -> int:
    """Tokens' cells on each side of a token's own whose pixels it depends on, attention and statistics aside."""
    pixels = 1 + 2 * 2  # the last convolution, and the core's two blocks
    for level, blocks in reversed(list(enumerate(config.encoder_blocks))):  # from the lowest resolution up
        pixels += 2 * blocks
        if level > 0:
            pixels = 2 * pixels + 1  # halving looks at a cell's two pixels and the one after them
    return -(-(pixels + 1) // (1 << (len(config.widths) - 1)))  # the first convolution


class Span(NamedTuple):
    """Some rows or columns of tokens, and what is taken along on both sides."""

    start: int
    stop: int
    before: int
    after: int

    @property
    def own(self) -> slice:
        """The tokens in the whole picture."""
        return slice(self.start, self.stop)

    @property
    def length(self) -> int:
        """Of the tokens with what is taken along."""
        return self.before + self.stop - self.start + self.after

    def taken(self, unit: int = 1) -> slice:
        """The tokens with what is taken along, in the whole picture, in rows of which a token has ``unit``."""
        return slice((self.start - self.before) * unit, (self.stop + self.after) * unit)

    def inside(self, unit: int = 1) -> slice:
        """The tokens in what is taken."""
        return slice(self.before * unit, (self.before + self.stop - self.start) * unit)


def _span(start: int, stop: int, length: int, reach: int) -> Span:
    stop = min(stop, length)
    return Span(start, stop, min(start, reach), min(length - stop, reach))


def _spans(length: int, step: int, reach: int) -> list[Span]:
    return [_span(start, start + step, length, reach) for start in range(0, length, step)]


def encode_tiles(vqgan: VQGAN, maps: Tensor, prepare: Callable[[Tensor], Tensor]) -> Tensor:
    """The tokens of maps, encoded tile by tile by an encoder of local operations.

    Args:
        vqgan: the encoder.
        maps: (B, ..., H, W), H and W multiples of f.
        prepare: makes of a part of the maps, (B, ..., h, w), what the encoder reads, (B, in_channels, h, w).

    Returns:
        int64 (B, H/f, W/f), as ``vqgan.encode(prepare(maps))``.
    """
    factor, reach = vqgan.downsample_factor, encoder_reach(vqgan.config)
    height, width = (side // factor for side in maps.shape[-2:])
    tokens = torch.empty(len(maps), height, width, dtype=torch.int64, device=vqgan.to_codes.weight.device)
    for rows in _spans(height, SIDE, reach):
        for columns in _spans(width, SIDE, reach):
            tile = vqgan.encode(prepare(maps[..., rows.taken(factor), columns.taken(factor)]))
            tokens[:, rows.own, columns.own] = tile[:, rows.inside(), columns.inside()]
    return tokens


def decode_strip(vqgan: VQGAN, tokens: Tensor, start: int, stop: int, statistics: Statistics | None = None) -> Tensor:
    """The pixels of some rows of tokens, decoded with what they depend on around them, tile after tile across.

    Args:
        vqgan: the decoder.
        tokens: integers (B, h, w), the whole grid; rows further than :func:`decoder_reach` from the strip are not looked
            at.
        start: first row of tokens.
        stop: one past the last.
        statistics: of the whole picture, from :func:`whole_statistics`; those of each tile by default.

    Returns:
        (B, out_channels, (stop - start) · f, w · f).
    """
    reach, factor = decoder_reach(vqgan.config), vqgan.downsample_factor
    rows = _span(start, stop, tokens.shape[1], reach)
    tiles = []
    with _normalised_by(vqgan, statistics or {}):
        for columns in _spans(tokens.shape[2], SIDE, reach):
            pixels = vqgan.decode(tokens[:, rows.taken(), columns.taken()])
            # a copy, so that what was taken along is let go
            tiles.append(pixels[:, :, rows.inside(factor), columns.inside(factor)].clone())
    return torch.cat(tiles, dim=3)


def whole_statistics(vqgan: VQGAN, tokens: Tensor, rows: int) -> Statistics:
    """The statistics of group normalisations over a whole picture, collected from its tiles.

    Each tile is normalised by its own statistics while they are collected, so deep layers see an input that is
    slightly another than in the whole.

    Args:
        vqgan: the decoder.
        tokens: integers (B, h, w).
        rows: of a tile, in tokens.
    """
    collected: dict[str, list[Tensor]] = {}
    reach = decoder_reach(vqgan.config)
    for down in _spans(tokens.shape[1], rows, reach):
        for across in _spans(tokens.shape[2], SIDE, reach):
            with _observed(vqgan, collected, down, across):
                vqgan.decode(tokens[:, down.taken(), across.taken()])
    statistics = {}
    for name, (count, total, squares) in collected.items():
        mean = total / count
        statistics[name] = mean, squares / count - mean**2
    return statistics


def _normalisations(vqgan: VQGAN) -> Iterator[tuple[str, nn.GroupNorm]]:
    for name, part in vqgan.decoder.named_modules():
        if isinstance(part, nn.GroupNorm):
            yield name, part


@contextmanager
def _observed(vqgan: VQGAN, collected: dict[str, list[Tensor]], rows: Span, columns: Span) -> Iterator[None]:
    """Adds up count, sum and sum of squares of what goes into each normalisation, in a tile's own area."""

    def observer(name: str, norm: nn.GroupNorm) -> Hook:
        def observe(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> None:
            scale = arguments[0].shape[2] // rows.length  # rows for one of tokens
            seen = arguments[0][:, :, rows.inside(scale), columns.inside(scale)]
            seen = rearrange(seen, "b (g c) h w -> b g (c h w)", g=norm.num_groups).double()
            sums = [torch.full_like(seen[..., 0], seen.shape[2]), seen.sum(2), seen.pow(2).sum(2)]
            known = collected.get(name, [torch.zeros_like(part) for part in sums])
            collected[name] = [old + new for old, new in zip(known, sums, strict=True)]

        return observe

    hooks = [norm.register_forward_hook(observer(name, norm)) for name, norm in _normalisations(vqgan)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _normalised_by(vqgan: VQGAN, statistics: Statistics) -> Iterator[None]:
    """Lets normalisations use given statistics instead of those of their input."""

    def user(norm: nn.GroupNorm, mean: Tensor, variance: Tensor) -> Hook:
        def use(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> Tensor:
            x = rearrange(arguments[0], "b (g c) h w -> b g c h w", g=norm.num_groups)
            scale = (variance + norm.eps).rsqrt()
            shift = -mean * scale
            x = x * scale.to(x.dtype)[..., None, None, None] + shift.to(x.dtype)[..., None, None, None]
            return x.flatten(1, 2) * norm.weight[:, None, None] + norm.bias[:, None, None]

        return use

    hooks = [
        norm.register_forward_hook(user(norm, *statistics[name]))
        for name, norm in _normalisations(vqgan)
        if name in statistics
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

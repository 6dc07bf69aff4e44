"""Decoding a picture strip by strip, so that it never stands in memory whole.

A row of pixels depends on the tokens of some rows above and below it (:func:`reach`). A strip is decoded together with
those and cut. Where a decoder has local operations only (``norm="channel"``, no attention), that is what the whole
picture would have there. Group normalisation takes statistics over the whole picture: a first pass over all strips
collects them (:func:`whole_statistics`), the second uses them in every strip. Attention sees the strip and what it
reaches, instead of the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .autoencoder import AttentionBlock
from .model import VQGAN

__all__ = ["decode_strip", "is_local", "reach", "whole_statistics"]

Statistics = dict[str, tuple[Tensor, Tensor]]
"""Mean and variance of each group, by the name of the normalisation: (B, groups) each."""


def is_local(vqgan: VQGAN) -> bool:
    """Whether pixels depend on nothing but tokens nearby."""
    return not any(isinstance(part, nn.GroupNorm | AttentionBlock) for part in vqgan.decoder.modules())


def reach(vqgan: VQGAN) -> int:
    """Rows of tokens above and below a row that its pixels depend on, attention and statistics aside."""
    config, pixels = vqgan.config, 1  # the last convolution sees one pixel further
    for level, blocks in enumerate(config.decoder_blocks):  # from the highest resolution down
        if level > 0:
            pixels = -(-(pixels + 1) // 2)  # the convolution after doubling, then pixels of twice the size
        pixels += 2 * blocks  # two convolutions each
    return pixels + 2 * 2 + 1  # the core's two blocks, and the first convolution


def decode_strip(vqgan: VQGAN, tokens: Tensor, start: int, stop: int, statistics: Statistics | None = None) -> Tensor:
    """The pixels of some rows of tokens, decoded with what they depend on around them.

    Args:
        vqgan: the decoder.
        tokens: integers (B, h, w), the whole grid; rows further than :func:`reach` from the strip are not looked at.
        start: first row of tokens.
        stop: one past the last.
        statistics: of the whole picture, from :func:`whole_statistics`; those of the strip by default.

    Returns:
        (B, out_channels, (stop - start) · f, w · f).
    """
    halo, factor = reach(vqgan), vqgan.downsample_factor
    above, below = min(start, halo), min(tokens.shape[1] - stop, halo)
    with _normalised_by(vqgan, statistics or {}):
        pixels = vqgan.decode(tokens[:, start - above : stop + below])
    return pixels[:, :, above * factor : above * factor + (stop - start) * factor]


def whole_statistics(vqgan: VQGAN, tokens: Tensor, rows: int) -> Statistics:
    """The statistics of group normalisations over a whole picture, collected from its strips.

    Each strip is normalised by its own statistics while they are collected, so deep layers see an input that is
    slightly another than in the whole.

    Args:
        vqgan: the decoder.
        tokens: integers (B, h, w).
        rows: of a strip.
    """
    collected: dict[str, list[Tensor]] = {}
    for start in range(0, tokens.shape[1], rows):
        stop = min(start + rows, tokens.shape[1])
        above, below = min(start, reach(vqgan)), min(tokens.shape[1] - stop, reach(vqgan))
        with _observed(vqgan, collected, above, stop - start, below):
            vqgan.decode(tokens[:, start - above : stop + below])
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
def _observed(vqgan: VQGAN, collected: dict[str, list[Tensor]], above: int, own: int, below: int) -> Iterator[None]:
    """Adds up count, sum and sum of squares of what goes into each normalisation, in the strip's own rows."""

    def observer(name: str, norm: nn.GroupNorm):
        def observe(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> None:
            scale = arguments[0].shape[2] // (above + own + below)  # rows here for a row of tokens
            seen = arguments[0][:, :, above * scale : (above + own) * scale].unflatten(1, (norm.num_groups, -1))
            seen = seen.flatten(2).double()  # (B, groups, elements)
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

    def user(norm: nn.GroupNorm, mean: Tensor, variance: Tensor):
        def use(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> Tensor:
            x = arguments[0].unflatten(1, (norm.num_groups, -1))  # (B, groups, C / groups, H, W)
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

"""The config of a VQGAN from its shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ...errors import CheckpointError
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .claims import check_claims

__all__ = ["config_from_shapes", "count", "half_missing", "made"]

MOST_LEVELS = 16
"""Levels of an encoder, each of which halves the resolution."""


def config_from_shapes(
    tensors: Mapping[str, StoredTensor],
    where: object,
    *,
    encoder_only: bool = False,
    claims: object = None,
    **known: Any,
) -> VQGANConfig:
    """All that shapes tell about a VQGAN, which is nearly everything that matters for running it.

    Args:
        tensors: by our names.
        where: the file, for messages.
        encoder_only: whether its program has no decoder. For all others that lack one, half of the file is missing.
        claims: what the config.json says, to be compared with the weights; anything but a mapping says nothing.
        **known: fields of the config that are known otherwise.

    Raises:
        CheckpointError: if tensors are missing, of shapes that no VQGAN has, or contradict the claims.
    """

    def shape(name: str, axes: int) -> tuple[int, ...]:
        tensor = tensors.get(name)
        if tensor is None or len(tensor.shape) != axes or 0 in tensor.shape:
            actual = "missing" if tensor is None else f"of shape {tensor.shape}"
            raise CheckpointError(f"{where}: {name} is {actual}; it should have {axes} axes. Is the file complete?")
        return tensor.shape

    levels = count(tensors, r"encoder\.levels\.(\d+)\.")
    if not 0 < levels <= MOST_LEVELS:
        raise CheckpointError(f"{where} has {levels} levels of an encoder; a VQGAN has 1 to {MOST_LEVELS}.")
    widths = [shape(f"encoder.levels.{level}.blocks.0.conv1.weight", 4)[0] for level in range(levels)]
    channels = widths[0] if not any(width % widths[0] for width in widths) else math.gcd(*widths)
    encoder = tuple(count(tensors, rf"encoder\.levels\.{level}\.blocks\.(\d+)\.") for level in range(levels))
    decoder = tuple(count(tensors, rf"decoder\.levels\.{k}\.blocks\.(\d+)\.") for k in reversed(range(levels)))
    has_decoder = any(name.startswith("decoder.") for name in tensors)
    if not has_decoder and not encoder_only:
        raise half_missing(where)
    gumbel = "quantizer.projection.weight" in tensors
    code_dim, latent_channels, *_ = shape("to_codes.weight", 4)
    fields: dict[str, Any] = {
        "in_channels": shape("encoder.conv_in.weight", 4)[1],
        "out_channels": shape("decoder.conv_out.weight", 4)[0] if has_decoder else 3,
        "channels": channels,
        "channel_multipliers": tuple(width // channels for width in widths),
        "num_res_blocks": encoder[0] if len(set(encoder)) == 1 else encoder,
        "decoder_res_blocks": decoder if has_decoder and decoder != tuple(k + 1 for k in encoder) else None,
        "attention_levels": tuple(
            level for level in range(levels) if f"encoder.levels.{level}.attentions.0.query.weight" in tensors
        ),
        "mid_attention": "encoder.middle.attention.query.weight" in tensors,
        "latent_channels": latent_channels,
        "quantizer": "gumbel" if gumbel else "nearest",
        "codebook_size": known.get("codebook_size") or shape("quantizer.codebook.weight", 2)[0],
        "code_dim": code_dim,
        "has_decoder": has_decoder,
    }
    if gumbel:
        fields["kl_weight"] = 1e-8
    config = made(VQGANConfig, where, **fields | known)
    if isinstance(claims, Mapping):
        check_claims(config, claims, where)
    return config


def half_missing(where: object) -> CheckpointError:
    """The error for a file that has an encoder alone."""
    return CheckpointError(
        f"{where} has an encoder and no decoder: half of its keys are missing. If it is one of several files, put all of "
        "them and their index into a folder and load that; otherwise download it again."
    )


Config = TypeVar("Config")


def made(config: type[Config], where: object, /, **fields: Any) -> Config:
    """A config, whose own complaints become those about the file."""
    try:
        return config(**fields)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{where}: {error}") from error


def count(names: Iterable[str], pattern: str) -> int:
    """How many different numbers stand in the place of the pattern's group."""
    return len({match[1] for match in (re.match(pattern, name) for name in names) if match})

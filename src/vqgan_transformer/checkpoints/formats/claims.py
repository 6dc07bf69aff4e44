"""What a config.json says of a VQGAN, compared with what its weights say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CheckpointError, shown
from ...vqgan.config import VQGANConfig

__all__ = ["check_claims"]

FIELDS = {
    "codebook_size": ("num_vq_embeddings", "num_embeddings", "n_embed"),
    "code_dim": ("vq_embed_dim", "quantized_embed_dim", "embed_dim"),
    "latent_channels": ("latent_channels", "z_channels"),
    "in_channels": ("in_channels", "num_channels"),
    "out_channels": ("out_channels", "out_ch"),
    "num_res_blocks": ("layers_per_block", "num_res_blocks"),
    "mid_attention": ("mid_block_add_attention",),
    "norm": ("norm_type",),
}
"""Our names of fields, and those that the programs use."""

WIDTHS = (("ch", "ch_mult"), ("base_channels", "channel_multiplier"), ("hidden_channels", "channel_mult"))
"""Names of the width of the first level and of what each level multiplies it by."""


def check_claims(config: VQGANConfig, claims: Mapping[str, Any], where: object) -> None:
    """Refuses a config.json that belongs to other weights.

    Args:
        config: what the weights say.
        claims: the fields of the file.
        where: the weights, for the message.

    Raises:
        CheckpointError: with all that differs.
    """
    wrong = []
    for field, names in FIELDS.items():
        actual = getattr(config, field)
        wrong += [(name, claims[name], actual) for name in names if claims.get(name) not in (None, actual)]
    widths = list(config.widths)
    claimed = claims.get("block_out_channels")
    if claimed is not None and list(claimed if isinstance(claimed, list) else ()) != widths:
        wrong.append(("block_out_channels", claimed, widths))
    for width, multipliers in WIDTHS:
        first, factors = claims.get(width), claims.get(multipliers)
        if type(first) is int and isinstance(factors, list) and all(type(factor) is int for factor in factors):
            product = [first * factor for factor in factors]
            wrong += [(f"{width} × {multipliers}", product, widths)] if product != widths else []
    if wrong:
        listed = "; ".join(
            f"{name} = {shown(claim)}, but the weights have {shown(actual)}" for name, claim, actual in wrong
        )
        raise CheckpointError(
            f"the config.json of {where} contradicts its weights: {listed}. It belongs to another model: get the one that "
            "was saved with these weights, or remove it to load by shapes alone."
        )

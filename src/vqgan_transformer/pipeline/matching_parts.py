"""Whether a VQGAN, a GPT and conditions belong together: the vocabularies, the grids, and what the GPT reads."""

from __future__ import annotations

from collections.abc import Sequence

from ..conditions import Condition
from ..gpt.model import CondGPT
from ..vqgan.model import VQGAN

__all__ = ["check_parts"]


def check_parts(vqgan: VQGAN, gpt: CondGPT, conditions: Sequence[Condition]) -> None:
    """Refuses parts of a pipeline that do not fit each other.

    Raises:
        ValueError: that says which, and why.
    """
    if vqgan.codebook_size > gpt.config.vocab_size:
        raise ValueError(
            f"the VQGAN has {vqgan.codebook_size} codes, but the GPT's vocabulary only {gpt.config.vocab_size}."
        )
    names = [condition.name for condition in conditions]
    if len(set(names)) < len(names):
        raise ValueError(f"each kind of condition may be given once, got {names}.")
    if gpt.config.conditioning == "aligned":
        _check_aligned(vqgan, gpt, conditions)
    else:
        _check_prefix(vqgan, gpt, conditions)


def _check_prefix(vqgan: VQGAN, gpt: CondGPT, conditions: Sequence[Condition]) -> None:
    """The paper's form reads tokens of one condition, on the picture's grid."""
    if not conditions:
        raise ValueError("give at least one condition; Unconditional() stands for none.")
    for condition in conditions:
        if condition.vocab_size > gpt.config.condition_ids:
            raise ValueError(
                f"{condition.name} makes {condition.vocab_size} different tokens, but the GPT's vocabulary has only "
                f"{gpt.config.condition_ids}."
            )
        if condition.spatial and condition.downsample_factor != vqgan.downsample_factor:
            raise ValueError(
                f"a token of the {condition.name} condition stands for {condition.downsample_factor} pixels a side, "
                f"one of the picture for {vqgan.downsample_factor}; the paper's form needs the same grid."
            )


def _check_aligned(vqgan: VQGAN, gpt: CondGPT, conditions: Sequence[Condition]) -> None:
    """The aligned form reads what the conditions give as it is, at the resolution of pixels."""
    if gpt.config.downsample_factor != vqgan.downsample_factor:
        raise ValueError(
            f"a token of the VQGAN stands for {vqgan.downsample_factor} pixels a side, but the GPT reads maps for tokens of "
            f"{gpt.config.downsample_factor}."
        )
    reads = {one.name: (one.form, one.size) for one in gpt.config.conditions}
    for condition in conditions:
        if condition.aligned_input is None or reads.get(condition.name) != condition.aligned_input:
            raise ValueError(
                f"{condition.name} gives {condition.aligned_input}, but of this name the GPT reads "
                f"{reads.get(condition.name)}."
            )

"""From what a sample's conditions are read as to what a GPT reads.

The paper's form reads a prefix of tokens, which ``condition.encode_cut`` makes of one condition. The aligned form reads a
dictionary of maps at the resolution of pixels, any of which may be unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..conditions import Condition
from ..gpt.condition_input import ConditionInput
from ..gpt.config import CondGPTConfig

__all__ = ["condition_inputs", "encode_conditions", "known_tokens", "read_by"]


def condition_inputs(conditions: Sequence[Condition]) -> tuple[ConditionInput, ...]:
    """What an aligned GPT has to know of some conditions; no condition at all is no input.

    Raises:
        ValueError: for a kind that has no aligned form.
    """
    return tuple(ConditionInput(**entry) for condition in conditions for entry in condition.aligned_inputs)


def encode_conditions(
    config: CondGPTConfig, conditions: Sequence[Condition], cut: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What is cached of a batch of conditions, by their names.

    Args:
        config: of the GPT.
        conditions: the kinds; a prefix has one.
        cut: what the ``cut`` of each gave, for an aligned GPT its ``cut_for_aligned``.

    Returns:
        tokens int64 (B, h, w) or (B, C) for a prefix; for an aligned GPT the maps and ids themselves.
    """
    by_name = {condition.name: condition for condition in conditions}
    encoded: dict[str, Tensor] = config.gather(
        by_name,
        tokens=lambda name: {name: by_name[name].encode_cut(cut[name])},
        values=lambda name: by_name[name].for_aligned(cut[name]),
    )
    return encoded


def known_tokens(config: CondGPTConfig, tokens: Tensor, known: Tensor) -> dict[str, Tensor]:
    """The tokens of a picture that are known, int64 (B, h, w), for a GPT that reads them.

    Args:
        config: of the GPT.
        tokens: int64 (B, h, w).
        known: bool (B, h, w).
    """
    return {part.name: tokens.where(known, -1) for part in config.conditions if part.form == "tokens"}


def read_by(config: CondGPTConfig, encoded: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """What the GPT's ``forward`` takes as its condition."""
    read: Tensor | dict[str, Tensor] = config.gather(encoded, tokens=encoded.__getitem__, values=encoded.__getitem__)
    return read

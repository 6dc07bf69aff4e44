"""From what a sample's conditions are read as to what a GPT reads: the one place where the two forms of a GPT differ.

The paper's form reads a prefix of tokens, which ``condition.encode`` makes of one condition. The aligned form reads a
dictionary of maps at the resolution of pixels, any of which may be unknown. Dropping a condition, for guidance, replaces
all tokens of a prefix by the null token, and a map by "unknown".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..conditions import Condition
from ..gpt.config import CondGPTConfig, ConditionInput

__all__ = ["condition_inputs", "drop_conditions", "encode_conditions", "known_tokens", "read_by"]


def condition_inputs(conditions: Sequence[Condition]) -> tuple[ConditionInput, ...]:
    """What an aligned GPT has to know of some conditions; no condition at all is no input.

    Raises:
        ValueError: for a kind that has no aligned form.
    """
    found = []
    for condition in conditions:
        if condition.name == "unconditional":
            continue
        if condition.aligned_input is None:
            raise ValueError(f"{condition.name} has no aligned form: use a GPT with conditioning='prefix'.")
        form, size = condition.aligned_input
        found.append(ConditionInput(condition.name, form, size))
    return tuple(found)


def encode_conditions(
    config: CondGPTConfig, conditions: Sequence[Condition], parsed: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What is cached of a batch of conditions, by their names.

    Args:
        config: of the GPT.
        conditions: the kinds; a prefix has one.
        parsed: what the ``parse`` of each gave, cut as the picture was; layouts as tokens (:mod:`.layouts`).

    Returns:
        tokens int64 (B, h, w) or (B, C) for a prefix; for an aligned GPT the maps and ids themselves.
    """
    if config.conditioning == "prefix":
        (condition,) = conditions
        values = parsed[condition.name]
        return {condition.name: values if condition.name == "layout" else condition.encode(values)}
    return {
        condition.name: condition.for_aligned(parsed[condition.name])
        for condition in conditions
        if condition.aligned_input
    }


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
    return next(iter(encoded.values())) if config.conditioning == "prefix" else dict(encoded)


def drop_conditions(config: CondGPTConfig, encoded: Mapping[str, Tensor], dropped: Tensor) -> dict[str, Tensor]:
    """Takes conditions from some samples of a batch.

    Args:
        config: of the GPT.
        encoded: from :func:`encode_conditions`.
        dropped: bool (B, kinds), True where one is taken away; the columns in the order of ``encoded``.
    """
    if not bool(dropped.any()):
        return dict(encoded)
    found = {}
    for number, (name, values) in enumerate(encoded.items()):
        where = dropped[:, number].view(-1, *[1] * (values.ndim - 1))
        nothing = float("nan") if values.is_floating_point() else config.null_token
        if config.conditioning == "aligned" and not values.is_floating_point():
            nothing = -1
        assert nothing is not None
        found[name] = torch.where(where, nothing, values)
    return found

"""From what a sample's condition is read as to what a GPT reads: the one place where the two forms of a GPT differ.

The paper's form reads a prefix of tokens, which ``condition.encode`` makes. Dropping a condition, for guidance, replaces
all its tokens by the GPT's null token.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditions import Condition
from ..gpt.model import CondGPT

__all__ = ["drop_conditions", "encode_condition"]


def encode_condition(condition: Condition, parsed: Tensor) -> Tensor:
    """What is cached of a batch of conditions: int64 (B, h, w) or (B, C).

    Args:
        condition: the kind.
        parsed: what its ``parse`` gave, cut as the picture was.
    """
    return condition.encode(parsed)


def drop_conditions(gpt: CondGPT, condition: Tensor, dropped: Tensor) -> Tensor:
    """Takes the condition from some samples of a batch.

    Args:
        gpt: whose null token is used.
        condition: int64 (B, …).
        dropped: bool (B,), True where it is taken away.
    """
    if not bool(dropped.any()):
        return condition
    dropped = dropped.view(-1, *[1] * (condition.ndim - 1))
    return torch.where(dropped, gpt.null_condition(condition), condition)

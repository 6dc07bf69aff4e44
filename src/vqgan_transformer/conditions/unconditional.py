"""Unconditional: one start token, and nothing to pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .condition import Condition

__all__ = ["Unconditional", "UnconditionalConfig"]


@dataclass(frozen=True)
class UnconditionalConfig:
    """The start token.

    Args:
        token: its id in the GPT's vocabulary; 0 in the original.

    Raises:
        ValueError: for a negative id.
    """

    token: int = 0

    def __post_init__(self) -> None:
        if self.token < 0:
            raise ValueError(f"token must be an id of the GPT's vocabulary, got {self.token}.")


class Unconditional(Condition):
    """No condition: the GPT reads one and the same start token before each picture.

    Args:
        token: the id of the start token.
    """

    name: ClassVar[str] = "unconditional"
    spatial: ClassVar[bool] = False
    needs_input: ClassVar[bool] = False
    aligned_inputs = ()
    config_class: ClassVar[type] = UnconditionalConfig
    config: UnconditionalConfig

    def __init__(self, token: int = 0):
        super().__init__()
        self.config = UnconditionalConfig(token)

    @property
    def vocab_size(self) -> int:
        """Ids up to the start token must be in the vocabulary."""
        return self.config.token + 1

    def parse(self, value: Any = None) -> Tensor:
        """The start token of one picture: int64 (1,).

        Raises:
            ValueError: for anything but ``None``.
        """
        if value is not None:
            raise ValueError(f"this checkpoint takes no condition, got {value!r}: leave it out.")
        return torch.tensor([self.config.token])

    def default(self, size: tuple[int, int]) -> Tensor:
        """The start token of one picture: int64 (1,)."""
        del size
        return self.parse()

    def encode(self, parsed: Tensor) -> Tensor:
        """Start tokens (B,) -> (B, 1)."""
        return parsed[:, None]

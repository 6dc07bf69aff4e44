"""From the tokens so far to the logits of the next one."""

from .model import CondGPT, CondGPTConfig

__all__ = ["CondGPT", "CondGPTConfig"]

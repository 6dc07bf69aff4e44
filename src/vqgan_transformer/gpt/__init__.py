"""From the tokens so far to the logits of the next one."""

from .config import CondGPTConfig, ConditionInput, PictureEncoderConfig
from .model import CondGPT

__all__ = ["CondGPT", "CondGPTConfig", "ConditionInput", "PictureEncoderConfig"]

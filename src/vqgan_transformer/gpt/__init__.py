"""From the tokens so far to the logits of the next one."""

from .condition_input import ConditionInput
from .config import CondGPTConfig, PictureEncoderConfig
from .model import CondGPT

__all__ = ["CondGPT", "CondGPTConfig", "ConditionInput", "PictureEncoderConfig"]

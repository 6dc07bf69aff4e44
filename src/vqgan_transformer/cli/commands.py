"""The commands there are, in the order in which help lists them."""

from __future__ import annotations

from .checkpoints import CONVERT, INSPECT, VERIFY
from .checks import CHECKS
from .command import Command
from .demo import DEMO
from .evaluate import FAITHFULNESS, GENERATE, GENERATION, RECONSTRUCTION
from .models import MODELS
from .sample import COMPLETE, SAMPLE
from .tokens import RECONSTRUCT, TOKENIZE
from .train import TRAIN_GPT, TRAIN_VQGAN

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        SAMPLE,
        COMPLETE,
        TOKENIZE,
        RECONSTRUCT,
        TRAIN_VQGAN,
        TRAIN_GPT,
        GENERATE,
        RECONSTRUCTION,
        GENERATION,
        FAITHFULNESS,
        MODELS,
        INSPECT,
        VERIFY,
        CONVERT,
        DEMO,
        CHECKS,
    )
}

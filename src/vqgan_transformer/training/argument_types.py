"""What people pass to a training by mistake is refused in words, before any work."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from ..conditions import KINDS, Condition
from ..errors import CheckpointError, shortened
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..vqgan.model import VQGAN

__all__ = ["check_condition", "check_type", "opened"]

Model = TypeVar("Model", VQGAN, ImageSynthesisPipeline)


def check_type(name: str, value: Any, kind: type, advice: str) -> None:
    """Refuses an argument of another type; ``None`` stands for one that is not given.

    Args:
        name: of the argument.
        value: what was passed.
        kind: what was expected.
        advice: what to pass.

    Raises:
        TypeError: for it.
    """
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}= takes {advice}, got {type(value).__name__} {shortened(repr(value))}.")


def check_condition(value: Any) -> None:
    """Refuses what is no condition; ``None`` stands for none that is given.

    Raises:
        TypeError: for it; of a kind's name it says how such a condition is made.
    """
    kind = KINDS.get(value) if isinstance(value, str) else None
    made = kind.__name__ if kind is not None else "SegmentationCondition"
    check_type("condition", value, Condition, f"a condition itself, such as {made}(…)")


def opened(name: str, value: Model | str | os.PathLike[str] | None, kind: type[Model]) -> Model | None:
    """A model that was passed, or is loaded from where one is.

    Args:
        name: of the argument.
        value: what was passed.
        kind: of the model.

    Raises:
        TypeError: for anything else.
        CheckpointError: where there is nothing that can be loaded.
    """
    if isinstance(value, str | os.PathLike):
        try:
            return kind.from_pretrained(value)
        except FileNotFoundError as error:
            raise CheckpointError(f"{name}={os.fspath(value)!r} cannot be loaded: {error}") from error
    check_type(name, value, kind, f"the {kind.__name__} itself, or where one is (a path or a repository)")
    return value

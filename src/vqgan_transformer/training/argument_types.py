"""What people pass to a training by mistake is refused in words, before any work."""

from __future__ import annotations

import numbers
import os
from typing import Any, TypeVar

from ..conditions import KINDS, Condition
from ..errors import CheckpointError, shortened
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..vqgan.model import VQGAN
from .callbacks import Callbacks

__all__ = ["check_condition", "check_run", "check_type", "opened"]

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


def check_run(folder: Any, validation: Any, resume: Any, accelerator: Any, callbacks: Any, push_to_hub: Any) -> None:
    """Refuses what both stages take, and what is no such thing; arguments as there.

    Raises:
        TypeError: for an argument of another type.
        ValueError: for what cannot be the name of a repository.
    """
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise TypeError(f"folder= takes the path of the run's folder, got {folder!r}.")
    if isinstance(validation, numbers.Real):
        raise TypeError(
            f"validation= takes data; a share of data= is a setting of the recipe, validation_share={validation}."
        )
    if isinstance(resume, str | os.PathLike):
        raise TypeError(
            f"resume= takes True or False, got {os.fspath(resume)!r}: the run that goes on is the one in folder=. To start "
            "from another's model, pass init=."
        )
    check_type("callbacks", callbacks, Callbacks, "Callbacks(on_step=…)")
    if accelerator is not None:
        from accelerate import Accelerator

        check_type("accelerator", accelerator, Accelerator, "an accelerate.Accelerator")
    if push_to_hub is not None:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils._validators import validate_repo_id

        check_type("push_to_hub", push_to_hub, str, 'a repository, "owner/name"')
        try:
            validate_repo_id(push_to_hub)
        except HFValidationError as error:
            raise ValueError(f"push_to_hub={push_to_hub!r} is no repository: {error}") from error


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

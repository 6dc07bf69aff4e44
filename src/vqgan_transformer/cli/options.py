"""Options of a command, derived from the dataclasses and functions behind it: no second list to keep."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

from .docstrings import argument_texts
from .types import described, members, simple_type

__all__ = ["DIFFUSERS_NAMES", "Option", "fields_as_options", "parameters_as_options", "prefixed"]

DIFFUSERS_NAMES = {
    "data": ("train_data_dir",),
    "folder": ("output_dir",),
    "batch_size": ("train_batch_size",),
    "crop_size": ("resolution",),
    "max_steps": ("max_train_steps",),
    "gradient_accumulation": ("gradient_accumulation_steps",),
    "scale_learning_rate": ("scale_lr",),
    "schedule": ("lr_scheduler",),
    "warmup_steps": ("lr_warmup_steps",),
    "clip_gradients": ("max_grad_norm",),
    "weight_decay": ("adam_weight_decay",),
    "checkpoint_every": ("checkpointing_steps",),
    "validate_every": ("validation_steps",),
    "workers": ("dataloader_num_workers",),
    "trackers": ("report_to",),
    "resume": ("resume_from_checkpoint",),
    "init": ("pretrained_model_name_or_path",),
    "num_images": ("num_images_per_prompt",),
}
"""What scripts of diffusers call the same thing; both names are understood."""


@dataclass(frozen=True)
class Option:
    """Something that a command can be told: by a flag, by ``name=value``, or in a settings file.

    Attributes:
        name: the key in a settings file; the flag has hyphens for underscores.
        hint: its type, as :func:`~.types.simple_type` gives it.
        default: what counts when it is not given, as help shows it; ``MISSING`` where it must be given.
        text: what it is.
        group: the heading it stands under.
        several: the flag takes several words.
        count: the number of words, if it is fixed.
    """

    name: str
    hint: Any
    default: Any = None
    text: str = ""
    group: str = ""
    several: bool = False
    count: int | None = None

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names for it."""
        return DIFFUSERS_NAMES.get(self.name, ())

    @property
    def word_hint(self) -> Any:
        """The type of a single word of its flag."""
        if not self.several and self.count is None:
            return self.hint
        listed = [member for member in members(self.hint) if get_origin(member) is tuple]
        return get_args(listed[0])[0] if listed else self.hint

    @property
    def shown_type(self) -> str:
        """The type of a word, as help shows it."""
        return described(self.word_hint)

    @property
    def help(self) -> str:
        """Its text, with the default where that says something."""
        if self.default is MISSING or self.default is None or self.default in ((), {}):
            return self.text
        default = self.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        return f"{self.text.rstrip('.')} (default: {str(default).lower() if isinstance(default, bool) else default})"


def fields_as_options(
    config: type | Any, group: str, *, names: Iterable[str] | None = None, without: Iterable[str] = ()
) -> list[Option]:
    """The fields of a dataclass.

    Args:
        config: the class, or an instance, whose values are the defaults.
        group: the heading in the help.
        names: those wanted; all by default.
        without: those that are not.
    """
    cls = config if isinstance(config, type) else type(config)
    texts, hints = argument_texts(cls), get_type_hints(cls)
    options = []
    for field in dataclasses.fields(cls):
        if field.name in without or (names is not None and field.name not in names):
            continue
        default = _default(field) if isinstance(config, type) else getattr(config, field.name)
        options.append(Option(field.name, simple_type(hints[field.name]), default, texts.get(field.name, ""), group))
    return options


def parameters_as_options(
    function: Callable[..., Any],
    group: str,
    names: Sequence[str] | None = None,
    hints: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Option]:
    """Keyword parameters of a function, or of what makes an object of a class.

    Args:
        function: whose signature and docstring say all.
        group: the heading in the help.
        names: those wanted, in this order; all that are keyword-only by default.
        hints: types for parameters that are declared as objects, e.g. a path for a model.
        texts: for parameters that the docstring says nothing of.
    """
    parameters = inspect.signature(function).parameters
    if names is None:
        names = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    told, declared = argument_texts(function) | dict(texts or {}), _parameter_hints(function)
    options = []
    for name in names:
        hint = simple_type((hints or {}).get(name, declared.get(name, Any)))
        default = parameters[name].default
        given = MISSING if default is inspect.Parameter.empty else default
        options.append(Option(name, hint, given, told.get(name, ""), group))
    return options


def prefixed(options: Iterable[Option], prefix: str) -> list[Option]:
    """The same options with something in front of their names."""
    return [replace(option, name=f"{prefix}_{option.name}") for option in options]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _parameter_hints(function: Callable[..., Any]) -> dict[str, Any]:
    source = function
    if isinstance(function, type):
        source = next(vars(base)["__init__"] for base in function.__mro__ if "__init__" in vars(base))
    names = inspect.unwrap(source).__globals__
    parameters = inspect.signature(function).parameters
    return {name: _evaluated(parameter.annotation, names) for name, parameter in parameters.items()}


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    """A hint of the package's own source; what is imported for type checkers only counts as Any."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)
    except NameError:
        return Any

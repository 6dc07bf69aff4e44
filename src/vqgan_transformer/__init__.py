"""VQGAN, conditional GPT and sliding-window sampler: the system of *Taming Transformers*, ready to use.

The public names (:mod:`.public`) are imported when the first of them is used, so that ``import vqgan_transformer`` costs
next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import slots
from .version import __version__ as __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from .public import *  # noqa: F403
    from .slots import ForeignFormats


def _foreign_formats() -> ForeignFormats:
    from . import checkpoints

    return checkpoints


def _diagnosis() -> Callable[..., Any]:
    from .evaluation import diagnose

    return diagnose


def _sample_evaluation() -> Callable[..., Any]:
    from .evaluation.generation import sample_evaluation

    return sample_evaluation


slots.foreign_formats.fill(_foreign_formats)
slots.diagnosis.fill(_diagnosis)
slots.sample_evaluation.fill(_sample_evaluation)


def __getattr__(name: str) -> object:
    # what Python itself asks for, and the submodule that this function imports
    if name != "__all__" and (name.startswith("__") or name == "public"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import public

    if name not in (*public.__all__, "__all__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(public, name)


def __dir__() -> list[str]:
    from . import public

    return sorted(public.__all__)

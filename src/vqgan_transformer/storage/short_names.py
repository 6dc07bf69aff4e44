"""Short names of released models: where what they stand for is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..slots import foreign_formats
from .source import Origin

__all__ = ["by_short_name", "located"]


def by_short_name(origin: Origin, class_name: str | None, options: Mapping[str, Any]) -> tuple[Origin, dict[str, Any]]:
    """An origin and options with a short name such as "ibq-16384" replaced by what it stands for.

    A file or folder of that name goes first, and so do arguments that are given.

    Args:
        origin: with any source.
        class_name: what is to be loaded; ``None`` for whatever there is. Of a generator whose tokenizer is a file of its
            own, a VQGAN is that tokenizer.
        options: for the family.
    """
    name = origin.source
    model = foreign_formats().released_model(name) if isinstance(name, str) else None
    if model is None or Path(name).expanduser().exists():
        return origin, dict(options)
    if class_name == "VQGAN" and model.tokenizer is not None:
        model = foreign_formats().released_model(model.tokenizer)
    named = replace(origin, source=model.repository, filename=origin.filename or model.filename)
    return named, {**(model.options if class_name in (None, model.loads) else {}), **options}


def located(origin: Origin, class_name: str) -> Path:
    """The local file or folder of an origin; a name that is nearly a short one is named in the error."""
    try:
        return origin.locate(class_name)
    except FileNotFoundError as error:
        name = origin.source
        if isinstance(name, str) and re.fullmatch(r"[\w.-]+", name):
            hint = foreign_formats().nearest_model(name)
            if hint:
                raise FileNotFoundError(f"{error}{hint} Short names are listed in docs/models.md.") from error
        raise

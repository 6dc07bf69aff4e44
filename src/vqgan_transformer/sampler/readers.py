"""The reader that fits a GPT."""

from __future__ import annotations

from ..gpt.model import CondGPT
from .neighbourhood_reading import NeighbourhoodReader
from .reader import Reader
from .reading import WindowReader

__all__ = ["reader_for"]

READERS: dict[str, type[Reader]] = {"full": WindowReader, "local": NeighbourhoodReader}


def reader_for(gpt: CondGPT) -> type[Reader]:
    """The one place outside the GPT that asks for its form."""
    return READERS[gpt.config.attention]

"""The tokenizer of a generator, where it is a file of its own."""

from __future__ import annotations

from pathlib import Path

from ...errors import CheckpointError
from ...storage.short_names import by_short_name, located
from ...storage.source import Origin
from .opened import Opened

__all__ = ["tokenizer_file"]


def tokenizer_file(generator: Opened, given: str | Path | None, usual: str) -> Opened:
    """The file with a generator's tokenizer, downloaded if need be.

    Args:
        generator: the generator's file.
        given: what a user passed: a file, a folder, the id of a repository, hf://…, or the short name of a released model.
        usual: the name of the file that is taken beside the generator's, where nothing is given.

    Raises:
        CheckpointError: where nothing is given, and there is no such file.
        FileNotFoundError: where there is no such source.
    """
    if given is not None:
        origin, _ = by_short_name(Origin(given), "VQGAN", {})
        return Opened(located(origin, "VQGAN"))
    assert generator.file is not None
    beside = generator.file.parent / usual
    if not beside.is_file():
        raise CheckpointError(
            f"{generator} needs its tokenizer, which is not at {beside}. Pass vqgan= with its path, its address on the Hub "
            "(hf://owner/name/file) or a short name (docs/models.md)."
        )
    return Opened(beside)

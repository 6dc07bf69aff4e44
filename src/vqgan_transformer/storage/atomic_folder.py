"""Folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["atomic_folder"]


@contextmanager
def atomic_folder(target: str | os.PathLike[str], stale: tuple[str, ...] = ()) -> Iterator[Path]:
    """Gives an empty folder next to ``target`` to write into; what is in it becomes ``target`` at the end.

    If the body raises, ``target`` is as it was before. A new target appears by one renaming. In an existing one each
    file that was written replaces its predecessor by renaming, config files last; other files in it stay.

    Args:
        target: the folder; its parents are made.
        stale: patterns of files that a former version may have left; those that were not written anew are removed.

    Raises:
        FileExistsError: if the target is a file.
    """
    target = Path(target).expanduser()
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; give the path of a folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name or 'checkpoint'}.{uuid4().hex}.partial"
    draft.mkdir()
    try:
        yield draft
        if target.is_dir():
            _replace_files(draft, target, stale)
        else:
            os.rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace_files(draft: Path, target: Path, stale: tuple[str, ...]) -> None:
    written = sorted((path.relative_to(draft) for path in draft.rglob("*") if path.is_file()), key=_configs_last)
    for path in written:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft / path, target / path)
    folders = {path.parent for path in written}
    for leftover in {old for folder in folders for pattern in stale for old in (target / folder).glob(pattern)}:
        if leftover.relative_to(target) not in written:
            leftover.unlink()


def _configs_last(path: Path) -> tuple[bool, int, str]:
    return path.suffix == ".json", -len(path.parts), path.as_posix()

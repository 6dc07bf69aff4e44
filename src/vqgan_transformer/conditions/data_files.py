"""The files below a data folder: each is found, left out for a reason that can be told, or a problem."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import warn

__all__ = ["ARRAYS", "Inventory", "list_files"]

ARRAYS = (".npy",)

_PICTURES_OF_OTHERS = {
    ".avif", ".heic", ".heif", ".jxl", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2",
    ".raw", ".svg", ".eps", ".npz", ".mat", ".pt", ".pth",
}  # fmt: skip
"""Endings of what people keep pictures and maps in that cannot be read here."""

_SETTINGS_OF_A_RUN = "training.json"
_OF_A_RUN = {"pictures", "checkpoints", "best", "tokens", "curves.png"}


@dataclass
class Inventory:
    """What is found of a kind in training data.

    Attributes:
        values: by the name of their picture.
        left_out: files and folders that are not used, and why.
        problems: what cannot be used though it should be, each beginning with its name.
    """

    values: dict[str, Any] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, value: Any, twice: str) -> None:
        """Adds a value; of two of one name, which is a problem, the first is kept."""
        if name in self.values:
            self.problems.append(f"{name}: is there twice, {twice}")
        self.values.setdefault(name, value)


def list_files(folder: Path, endings: Iterable[str], *, but: Iterable[str] = ()) -> tuple[list[Path], Inventory]:
    """All files of some endings below a folder, in the order of their names.

    Links to folders are followed, but not back up. Hidden files and the folders of training runs are left out.

    Args:
        folder: where to look.
        endings: of the files, in lower case with a dot.
        but: names in the folder itself that are somebody else's business.

    Returns:
        the files; and in an inventory, with paths relative to the folder, what is left out and what is wrong.
    """
    wanted, rest, files = set(endings), Inventory(), list[Path]()
    own_run = _OF_A_RUN if (folder / _SETTINGS_OF_A_RUN).is_file() else set[str]()

    def walk(place: Path, above: tuple[str, ...]) -> None:
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            top = place == folder
            if top and entry.name in but:
                continue
            if entry.name.startswith("."):
                rest.left_out.append((name, "hidden"))
            elif top and entry.name in own_run:
                rest.left_out.append((name, "written by a training run"))
            elif not path.exists():
                rest.left_out.append((name, "a link to what is not there"))
                warn(f"{path} is a link to {os.readlink(path)}, which is not there; it is left out.")
            elif path.is_dir():
                real = os.path.realpath(path)
                if real in above:
                    rest.left_out.append((name, "a link back to a folder above it"))
                elif (path / _SETTINGS_OF_A_RUN).is_file():
                    rest.left_out.append((name, "the folder of a training run"))
                else:
                    walk(path, (*above, real))
            elif path.suffix.lower() in wanted:
                files.append(path)
            elif path.suffix.lower() in _PICTURES_OF_OTHERS:
                rest.problems.append(f"{name}: files of the form {path.suffix} cannot be read here, save it as PNG")
            else:
                rest.left_out.append((name, f"no such file is read ({path.suffix or 'no ending'})"))

    walk(folder, (os.path.realpath(folder),))
    return sorted(files), rest

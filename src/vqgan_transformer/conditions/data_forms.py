"""How training data hold a kind: its folder beside the pictures, its columns in a table, its annotations, its class folders."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..picture_files import picture_endings
from ..text_files import read_text
from .data_files import ARRAYS, Inventory, list_files

__all__ = ["Annotations", "ClassFolders", "DataForm", "Files", "NumberInText", "value_of"]


class NumberInText(int):
    """A whole number that stood in a table of text, where it may as well be a name."""


def value_of(sample: Mapping[str, Any], name: str) -> Any:
    """What a training sample has of a kind, read if it is the path of an array.

    Raises:
        KeyError: where the sample has no such thing.
        ValueError: where it has nothing (``None``) in its place.
    """
    value = sample[name]
    if value is None:
        raise ValueError(f"has nothing (None) as {name}")
    is_array = isinstance(value, Path) and value.suffix.lower() in ARRAYS
    return np.load(value, allow_pickle=False) if is_array else value


class DataForm(ABC):
    """Where the value of a kind is found in training data.

    Attributes:
        columns: names of the column in a table that holds it, the preferred one first.
        place: what lies beside the pictures, e.g. ``"depths/"`` or ``"keypoints.json"``; "" for what their path tells.
    """

    columns: tuple[str, ...]
    place: str

    def is_in(self, folder: Path) -> bool:
        """Whether a folder holds the kind beside its pictures."""
        return bool(self.place) and (folder / self.place).exists()

    @abstractmethod
    def beside(self, folder: Path, names: Iterable[str]) -> Inventory:
        """The values in a folder, by the name of their picture without its ending.

        Args:
            folder: that holds the kind.
            names: of the pictures in it, for what their path tells.

        Raises:
            DataError: where they are missing or damaged.
        """

    def of_path(self, path: Path) -> Any:
        """What the path of a picture tells.

        Raises:
            LookupError: for a path that tells nothing; with a message where another path would.
        """
        raise LookupError

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """The value in a cell of a table that lies in a folder.

        Raises:
            ValueError: for a cell that cannot be read.
        """
        del folder
        return cell


@dataclass(frozen=True)
class Files(DataForm):
    """A file for each picture, of the same name in a folder of its own.

    Args:
        place: the folder beside `images/`.
        columns: of a table, with paths relative to it.
        arrays: whether it may be an array (.npy) instead of a picture.
    """

    place: str
    columns: tuple[str, ...]
    arrays: bool = True

    @property
    def endings(self) -> tuple[str, ...]:
        """Of the files."""
        return picture_endings() + (ARRAYS if self.arrays else ())

    def beside(self, folder: Path, names: Iterable[str]) -> Inventory:
        """The paths of the files."""
        place = folder / self.place
        if not place.is_dir():
            raise DataError(f"{folder} is incomplete:", [f"{place.name}/ is missing"])
        files, inventory = list_files(place, self.endings)
        inventory.left_out = [(f"{self.place}/{name}", why) for name, why in inventory.left_out]
        for file in files:
            name = file.relative_to(place).with_suffix("").as_posix()
            inventory.add(name, file, f"{inventory.values.get(name, file).name} and {file.name} in {self.place}/")
        return inventory

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """The path that stands in a cell: absolute, or below the table's folder."""
        path = Path(str(cell)).expanduser()
        if not path.is_absolute():
            path = (folder / path).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise ValueError(f"{cell} lies outside {folder}")
        if not path.is_file():
            raise ValueError(f"there is no file {cell}")
        return path


@dataclass(frozen=True)
class Annotations(DataForm):
    """One file in COCO's form for all pictures.

    The value of a picture is the file's content as if it were of this picture alone, its size included.

    Args:
        place: the file beside `images/`.
        columns: of a table, with what the condition takes, or that as JSON.
        prefix: of the file's name in COCO's own folders, `annotations/person_keypoints_train2017.json`.
        parts: what the value keeps of the file beside the picture and its annotations.
    """

    place: str
    columns: tuple[str, ...]
    prefix: str
    parts: tuple[str, ...] = ("categories",)

    def beside(self, folder: Path, names: Iterable[str]) -> Inventory:
        """Each picture's annotations in the file beside `images/`."""
        path = folder / self.place
        if not path.is_file():
            raise DataError(f"{folder} is incomplete:", [f"{path.name} is missing"])
        return self.of_file(path)

    def of_file(self, path: Path) -> Inventory:
        """Each picture's annotations in a file.

        Raises:
            DataError: for a file that is not in COCO's form.
        """
        inventory = Inventory()
        try:
            table = json.loads(read_text(path))
            shared = {part: table.get(part, []) for part in self.parts}
            by_id: dict[Any, list[Any]] = {image["id"]: [] for image in table["images"]}
            for annotation in table["annotations"]:
                if annotation["image_id"] not in by_id:
                    raise ValueError(f"an annotation is of the picture {annotation['image_id']!r}, which is not listed")
                by_id[annotation["image_id"]].append(annotation)
            for image in table["images"]:
                value = {"images": [image], "annotations": by_id[image["id"]], **shared}
                name = Path(image["file_name"]).with_suffix("").as_posix()
                inventory.add(name, value, f"as two pictures of {path.name}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path} is not in COCO's form:", [f"{type(error).__name__}: {error}"]) from error
        return inventory

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """What stands in a cell; a table of text has it as JSON."""
        del folder
        if cell is None:
            raise ValueError(f"has nothing (null) in the column {self.columns[0]}")
        if not isinstance(cell, str):
            return cell
        try:
            return json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"has no JSON in the column {self.columns[0]} ({error})") from error


@dataclass(frozen=True)
class ClassFolders(DataForm):
    """A folder for each class, which is named as the class.

    Args:
        columns: of a table.
    """

    columns: tuple[str, ...]
    place: str = ""

    def beside(self, folder: Path, names: Iterable[str]) -> Inventory:
        """The first folder of each name."""
        classless = [f"{name}: lies in no class folder" for name in names if "/" not in name]
        if classless:
            raise DataError(f"{folder}/images should have a folder for each class:", classless)
        return Inventory({name: name.split("/")[0] for name in names})

    def of_path(self, path: Path) -> Any:
        """The first folder on the way."""
        if len(path.parts) == 1:
            raise LookupError("lies in no class folder")
        return path.parts[0]

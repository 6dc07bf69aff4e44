"""How training data hold a kind: its folder beside the pictures, its columns in a table, its annotations, its class folders."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError

__all__ = ["ARRAYS", "PICTURES", "Annotations", "ClassFolders", "DataForm", "Files"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy",)


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
    def beside(self, folder: Path, names: list[str]) -> dict[str, Any]:
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
        endings: of the files.
    """

    place: str
    columns: tuple[str, ...]
    endings: tuple[str, ...] = PICTURES + ARRAYS

    def files(self, folder: Path) -> list[Path]:
        """All such files in a folder, in the order of their names, hidden ones left out."""
        there = (path for path in folder.rglob("*") if path.suffix.lower() in self.endings and path.is_file())
        return sorted(
            path for path in there if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )

    def beside(self, folder: Path, names: list[str]) -> dict[str, Any]:
        """The paths of the files."""
        place = folder / self.place
        if not place.is_dir():
            raise DataError(f"{folder} is incomplete:", [f"{place.name}/ is missing"])
        return {file.relative_to(place).with_suffix("").as_posix(): file for file in self.files(place)}

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """The path that stands in a cell."""
        path = (folder / str(cell)).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(f"{cell} lies outside {folder}")
        if not path.is_file():
            raise ValueError(f"there is no file {cell}")
        return path


@dataclass(frozen=True)
class Annotations(DataForm):
    """One file in COCO's form for all pictures.

    Args:
        place: the file beside `images/`.
        columns: of a table.
        read: a picture's annotations and the whole table -> the value.
        cell: what stands in a table's cell -> the value.
    """

    place: str
    columns: tuple[str, ...]
    read: Callable[[list[Any], Mapping[str, Any]], Any]
    cell: Callable[[Any], Any]

    def beside(self, folder: Path, names: list[str]) -> dict[str, Any]:
        """What is read of each picture's annotations."""
        path = folder / self.place
        if not path.is_file():
            raise DataError(f"{folder} is incomplete:", [f"{path.name} is missing"])
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            by_id: dict[Any, list[Any]] = {image["id"]: [] for image in table["images"]}
            for annotation in table["annotations"]:
                by_id[annotation["image_id"]].append(annotation)
            return {
                Path(image["file_name"]).with_suffix("").as_posix(): self.read(by_id[image["id"]], table)
                for image in table["images"]
            }
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not in COCO's form:", [f"{type(error).__name__}: {error}"]) from error

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """What is read of a cell."""
        del folder
        return self.cell(cell)


@dataclass(frozen=True)
class ClassFolders(DataForm):
    """A folder for each class, which is named as the class.

    Args:
        columns: of a table.
    """

    columns: tuple[str, ...]
    place: str = ""

    def beside(self, folder: Path, names: list[str]) -> dict[str, Any]:
        """The first folder of each name."""
        classless = [f"{name}: lies in no class folder" for name in names if "/" not in name]
        if classless:
            raise DataError(f"{folder}/images should have a folder for each class:", classless)
        return {name: name.split("/")[0] for name in names}

    def of_path(self, path: Path) -> Any:
        """The first folder on the way."""
        if len(path.parts) == 1:
            raise LookupError("lies in no class folder")
        return path.parts[0]

    def from_cell(self, cell: Any, folder: Path) -> Any:
        """An id or a name."""
        del folder
        return int(cell) if str(cell).isdigit() else cell

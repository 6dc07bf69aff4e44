"""Where training data come from: folders as people have them, lists of files, and data sets of other libraries.

Whatever the form, a source is a sequence of samples, and a sample is a dictionary from "image" and the names of
conditions ("segmentation", "depth", "keypoints", "layout", "class_label", …) to what a user would pass to a pipeline: paths mostly.
Nothing is read here but names and small tables; :mod:`.samples` reads the pictures.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["DataError", "Source", "open_data", "split"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy",)
TABLE_FILES = {"keypoints": "keypoints.json", "layout": "instances.json"}
"""COCO's annotations beside the pictures."""
MAP_FOLDERS = {"segmentation": "segmentations", "depth": "depths", "condition_image": "condition_images"}
_COLUMNS = {
    "image": ("file_name", "image"),
    "segmentation": ("segmentation_file_name", "mask_file_name", "segmentation"),
    "depth": ("depth_file_name", "depth"),
    "condition_image": ("condition_image_file_name", "condition_image"),
    "keypoints": ("keypoints",),
    "layout": ("layout", "objects"),
    "class_label": ("class_label", "label"),
}


class DataError(ValueError):
    """Training data that cannot be trained with; the message names every file and what is the matter with it."""

    def __init__(self, title: str, problems: Sequence[str], most: int = 50):
        more = [f"… and {len(problems) - most} more"] if len(problems) > most else []
        super().__init__("\n  ".join([title, *problems[:most], *more]))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Source:
    """A sequence of samples.

    Attributes:
        samples: anything with a length and items that are dictionaries from kinds to values.
        names: of the samples, for messages and for the split into training and validation.
    """

    samples: Any
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]

    def subset(self, indices: Sequence[int]) -> Source:
        """Some of the samples."""
        return Source(_Subset(self.samples, tuple(indices)), tuple(self.names[index] for index in indices))

    def fingerprint(self) -> str:
        """A digest of names, and of sizes and dates of files: what tells that cached tokens are stale."""
        from hashlib import sha256

        digest = sha256()
        for index, name in enumerate(self.names):
            digest.update(name.encode())
            sample = self.samples[index] if isinstance(self.samples, list | _Subset) else {}
            for kind, value in sorted(sample.items()):
                if isinstance(value, Path) and value.exists():
                    state = value.stat()
                    digest.update(f"{kind}:{state.st_size}:{state.st_mtime_ns}".encode())
                elif isinstance(value, np.ndarray):
                    digest.update(f"{kind}:{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
                elif isinstance(value, str | int | list | Mapping):
                    digest.update(f"{kind}:{value}".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Subset:
    samples: Any
    indices: tuple[int, ...]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[self.indices[index]]


@dataclass(frozen=True)
class _Items:
    """A data set of another library: items are dictionaries, (picture, label) pairs, or pictures."""

    data: Any
    kinds: tuple[str, ...]

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.data[index]
        if isinstance(item, Mapping):
            return {kind: item[column] for kind in self.kinds for column in _column(item, kind)}
        if isinstance(item, tuple | list) and len(item) == 2:
            return dict(zip(("image", next((k for k in self.kinds if k != "image"), "class_label")), item, strict=True))
        return {self.kinds[0]: item}


def open_data(data: Any, kinds: Sequence[str]) -> Source:
    """Finds the samples in what a user calls the data.

    Args:
        data: one of

            - a folder of pictures, nested or not; for "class_label" the first folder on the way is the class;
            - a folder with `images/` and, by the same file names, `segmentations/`, `depths/` or `condition_images/`
              (pictures or `.npy`); or `keypoints.json` or, for layouts, `instances.json` in COCO's form;
            - a folder with `metadata.jsonl` or `metadata.csv` (Hugging Face's imagefolder): `file_name`,
              `segmentation_file_name`, `depth_file_name`, `condition_image_file_name`, `keypoints`, `class_label` or
              `label`, and `layout` (what a pipeline takes) or `objects` (see :mod:`.layouts`);
            - a list file: `.txt` with a path in each line, relative to the file, or `.jsonl` and `.csv` as above;
            - a `torch.utils.data.Dataset`, a `datasets.Dataset` or a list, whose items are dictionaries with these
              names, (picture, other) pairs, or pictures.

        kinds: what each sample must have: "image" and names of conditions. Others are not looked for.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        DataError: for a folder without samples, and for files that lack their partner, all of them named.
        TypeError: for anything else.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"there is no training data at {path}.")
        samples, names = _from_path(path, tuple(kinds))
        if not samples:
            raise DataError(f"{path} has no training samples:", [f"no {' with '.join(kinds)} ({', '.join(PICTURES)})"])
        return Source(samples, tuple(names))
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        if not len(data):
            raise DataError("the data set is empty:", [f"{type(data).__name__} of length 0"])
        return Source(_Items(data, tuple(kinds)), tuple(f"sample {index}" for index in range(len(data))))
    raise TypeError(
        "training data are a folder, a list file (.txt, .jsonl, .csv), or a data set with a length and items; got "
        f"{type(data).__name__}."
    )


def split(source: Source, share: float) -> tuple[Source, Source | None]:
    """Sets a share of the samples aside for validation, chosen by their names: more data do not reshuffle it."""
    from hashlib import sha256

    count = round(len(source) * share)
    if not count or count >= len(source):
        return source, None
    order = sorted(range(len(source)), key=lambda index: sha256(source.names[index].encode()).digest())
    return source.subset(sorted(order[count:])), source.subset(sorted(order[:count]))


def _from_path(path: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    if path.is_file():
        if path.suffix == ".txt":
            return _list_file(path, kinds)
        if path.suffix in (".jsonl", ".csv"):
            return _table(path, kinds)
        raise DataError(f"{path} is no list of training data:", ["expected .txt, .jsonl or .csv, or a folder"])
    for name in ("metadata.jsonl", "metadata.csv"):
        if (path / name).is_file():
            return _table(path / name, kinds)
    if (path / "images").is_dir() or any(
        (path / MAP_FOLDERS.get(kind, "")).is_dir() for kind in kinds if kind in MAP_FOLDERS
    ):
        return _pairs(path, kinds)
    if any((path / name).is_file() for kind, name in TABLE_FILES.items() if kind in kinds):
        return _pairs(path, kinds)
    return _plain_folder(path, kinds)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """All files of a kind, in the order of their names, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _plain_folder(folder: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    others = [kind for kind in kinds if kind not in ("image", "class_label")]
    if len(kinds) == 1 and kinds[0] in MAP_FOLDERS:  # a folder of nothing but maps
        files = _files(folder, PICTURES + ARRAYS)
        return [{kinds[0]: file} for file in files], [file.relative_to(folder).as_posix() for file in files]
    if others:
        wanted = [f"{MAP_FOLDERS[kind]}/" if kind in MAP_FOLDERS else TABLE_FILES.get(kind, kind) for kind in others]
        raise DataError(
            f"{folder} has no {' and '.join(others)} for its pictures:",
            [f"expected images/ beside {', '.join(wanted)}, or metadata.jsonl"],
        )
    samples, names, classless = [], [], []
    for file in _files(folder, PICTURES):
        relative = file.relative_to(folder)
        sample: dict[str, Any] = {"image": file}
        if "class_label" in kinds:
            sample["class_label"] = relative.parts[0]
            if len(relative.parts) == 1:
                classless.append(f"{relative}: lies in no class folder")
        samples.append(sample)
        names.append(relative.as_posix())
    if classless:
        raise DataError(f"{folder} should have a folder for each class:", classless)
    return samples, names


def _pairs(folder: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    by_kind: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        if kind in TABLE_FILES:
            by_kind[kind] = _coco(folder / TABLE_FILES[kind], _people if kind == "keypoints" else _objects)
            continue
        if kind == "class_label":
            continue
        place = folder / ("images" if kind == "image" else MAP_FOLDERS.get(kind, kind))
        if not place.is_dir():
            raise DataError(f"{folder} is incomplete:", [f"{place.name}/ is missing"])
        suffixes = PICTURES if kind == "image" else PICTURES + ARRAYS
        by_kind[kind] = {f.relative_to(place).with_suffix("").as_posix(): f for f in _files(place, suffixes)}
    names = sorted(set().union(*by_kind.values()))
    problems = [f"{name}: has no {kind}" for name in names for kind, found in by_kind.items() if name not in found]
    if problems:
        raise DataError(f"{folder}: {len(problems)} samples lack their partner:", problems)
    samples = [{kind: found[name] for kind, found in by_kind.items()} for name in names]
    if "class_label" in kinds:
        if classless := [f"{name}: lies in no class folder" for name in names if "/" not in name]:
            raise DataError(f"{folder}/images should have a folder for each class:", classless)
        for name, sample in zip(names, samples, strict=True):
            sample["class_label"] = name.split("/")[0]
    return samples, names


def _coco(path: Path, read: Callable[[list[Any], Mapping[str, Any]], Any]) -> dict[str, Any]:
    """COCO's annotations: file name without suffix -> what is read of those of that picture."""
    if not path.is_file():
        raise DataError(f"{path.parent} is incomplete:", [f"{path.name} is missing"])
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        found: dict[Any, list[Any]] = {image["id"]: [] for image in table["images"]}
        for annotation in table["annotations"]:
            found[annotation["image_id"]].append(annotation)
        return {
            Path(image["file_name"]).with_suffix("").as_posix(): read(found[image["id"]], table)
            for image in table["images"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not in COCO's form:", [f"{type(error).__name__}: {error}"]) from error


def _people(annotations: list[Any], table: Mapping[str, Any]) -> np.ndarray:
    """(people, 17, 3); people without any point are left out."""
    del table
    people = [np.asarray(annotation.get("keypoints", []), dtype=np.float64) for annotation in annotations]
    return np.array([points.reshape(17, 3) for points in people if points.size and points[2::3].any()]).reshape(
        -1, 17, 3
    )


def _objects(annotations: list[Any], table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Boxes (left, top, width, height) in pixels, with the names of what they hold."""
    names = {category["id"]: category["name"] for category in table["categories"]}
    return {
        "bbox": [list(map(float, annotation["bbox"])) for annotation in annotations],
        "categories": [names[annotation["category_id"]] for annotation in annotations],
    }


def _list_file(path: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    if len(kinds) > 1 and set(kinds) != {"image", "class_label"}:
        raise DataError(f"{path} lists pictures only:", [f"{' and '.join(kinds)} need a .jsonl or .csv with columns"])
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    absent = [f"{line}: there is no such file" for line in lines if not (path.parent / line).is_file()]
    if absent:
        raise DataError(f"{path} lists files that are not there (paths are relative to {path.parent}):", absent)
    samples: list[dict[str, Any]] = [{kinds[0]: path.parent / line} for line in lines]
    if "class_label" in kinds:
        for line, sample in zip(lines, samples, strict=True):
            sample["class_label"] = Path(line).parent.name
    return samples, lines


def _table(path: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        try:
            rows = (
                list(csv.DictReader(file))
                if path.suffix == ".csv"
                else [json.loads(line) for line in file if line.strip()]
            )
        except ValueError as error:
            raise DataError(f"{path} is no table:", [str(error)]) from error
    samples, names, problems = [], [], []
    for number, row in enumerate(rows, start=1):
        sample: dict[str, Any] = {}
        for kind in kinds:
            columns = _column(row, kind)
            if not columns:
                problems.append(f"row {number}: has no column {_COLUMNS[kind][0]}")
                continue
            value = row[columns[0]]
            if kind == "keypoints":
                sample[kind] = np.asarray(value, dtype=np.float64).reshape(-1, 17, 3)
            elif kind == "layout":
                sample[kind] = json.loads(value) if isinstance(value, str) else value  # a table of text has it as JSON
            elif kind == "class_label":
                sample[kind] = int(value) if str(value).isdigit() else value
            else:
                file_path = (path.parent / str(value)).resolve()
                if not file_path.is_relative_to(path.parent.resolve()):
                    problems.append(f"row {number}: {value} lies outside {path.parent}")
                elif not file_path.is_file():
                    problems.append(f"row {number}: there is no file {value}")
                sample[kind] = file_path
        samples.append(sample)
        names.append(str(row.get("file_name", f"row {number}")))
    if problems:
        raise DataError(f"{path}: {len(problems)} problems:", problems)
    return samples, names


def _column(row: Mapping[str, Any], kind: str) -> list[str]:
    return [column for column in _COLUMNS.get(kind, (kind,)) if column in row][:1]

"""Where training data come from: folders as people have them, lists of files, and data sets of other libraries.

Whatever the form, a source is a sequence of samples, and a sample is a dictionary from "image" and the names of
conditions ("segmentation", "depth", "keypoints", "layout", "class_label", …) to what a user would pass to a
pipeline: paths mostly.
Nothing is read here but names and small tables; :mod:`.samples` reads the pictures.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..conditions.data_forms import PICTURES, DataForm, Files
from ..conditions.registry import data_form
from ..errors import DataError

__all__ = ["DataError", "Source", "open_data", "split"]

IMAGES = Files("images", ("file_name", "image"), PICTURES)
"""Where training data have the pictures themselves."""


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
            return dict(
                zip(("image", next((kind for kind in self.kinds if kind != "image"), "label")), item, strict=True)
            )
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
              `label`, and `layout` (what a pipeline takes) or `objects` (see :meth:`.LayoutCondition.objects_of`);
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


def _form(kind: str) -> DataForm:
    return IMAGES if kind == "image" else data_form(kind)


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
    if IMAGES.is_in(path) or any(_form(kind).is_in(path) for kind in kinds):
        return _pairs(path, kinds)
    return _plain_folder(path, kinds)


def _plain_folder(folder: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """Nothing but files of one kind, and what their paths tell."""
    first, others = _form(kinds[0]), {kind: _form(kind) for kind in kinds[1:]}
    absent = {kind: form for kind, form in {kinds[0]: first, **others}.items() if form.place and form is not first}
    if absent or not isinstance(first, Files):
        raise DataError(
            f"{folder} has no {' and '.join(absent)} for its pictures:",
            [f"expected images/ beside {', '.join(form.place for form in absent.values())}, or metadata.jsonl"],
        )
    samples, names, problems = [], [], []
    for file in first.files(folder):
        relative = file.relative_to(folder)
        try:
            samples.append({kinds[0]: file} | {kind: form.of_path(relative) for kind, form in others.items()})
        except LookupError as error:
            problems.append(f"{relative}: {error}")
        names.append(relative.as_posix())
    if problems:
        raise DataError(f"{folder} should have a folder for each class:", problems)
    return samples, names


def _pairs(folder: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    forms = {kind: _form(kind) for kind in kinds}
    by_kind = {kind: form.beside(folder, []) for kind, form in forms.items() if form.place}
    names = sorted(set().union(*by_kind.values()))
    problems = [f"{name}: has no {kind}" for name in names for kind, there in by_kind.items() if name not in there]
    if problems:
        raise DataError(f"{folder}: {len(problems)} samples lack their partner:", problems)
    by_kind |= {kind: form.beside(folder, names) for kind, form in forms.items() if not form.place}
    return [{kind: there[name] for kind, there in by_kind.items()} for name in names], names


def _list_file(path: Path, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    others = {kind: _form(kind) for kind in kinds[1:]}
    if any(form.place for form in others.values()):
        raise DataError(f"{path} lists pictures only:", [f"{' and '.join(kinds)} need a .jsonl or .csv with columns"])
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    absent = [f"{line}: there is no such file" for line in lines if not (path.parent / line).is_file()]
    if absent:
        raise DataError(f"{path} lists files that are not there (paths are relative to {path.parent}):", absent)
    samples = []
    for line in lines:
        nearest = Path(*Path(line).parts[-2:])  # a list may hold whole paths: the folder of the file is its class
        samples.append({kinds[0]: path.parent / line} | {kind: form.of_path(nearest) for kind, form in others.items()})
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
            try:
                if not columns:
                    raise ValueError(f"has no column {_form(kind).columns[0]}")
                sample[kind] = _form(kind).from_cell(row[columns[0]], path.parent)
            except ValueError as error:
                problems.append(f"row {number}: {error}")
        samples.append(sample)
        names.append(str(row.get("file_name", f"row {number}")))
    if problems:
        raise DataError(f"{path}: {len(problems)} problems:", problems)
    return samples, names


def _column(row: Mapping[str, Any], kind: str) -> list[str]:
    return [column for column in _form(kind).columns if column in row][:1]

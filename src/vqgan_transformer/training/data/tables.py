"""Lists of files (.txt) and tables with a row for each sample (.jsonl, .csv)."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ...conditions.data_forms import NumberInText
from ...errors import DataError
from ...text_files import read_text
from .forms import column_of, form_of
from .source import Listing

__all__ = ["TABLES", "read_list", "read_table"]

TABLES = ("metadata.jsonl", "metadata.csv")
"""Tables that the datasets library calls so in a folder of pictures."""


def read_list(path: Path, kinds: tuple[str, ...]) -> Listing:
    """A file with a path in each line, relative to it; behind the path there may be a class.

    Raises:
        DataError: for kinds that a list cannot hold.
    """
    others = {kind: form_of(kind) for kind in kinds[1:]}
    if any(form.place for form in others.values()):
        raise DataError(f"{path} lists pictures only:", [f"{' and '.join(kinds)} need a .jsonl or .csv with columns"])
    listing = Listing(str(path), title=f"files that are not there (paths are relative to {path.parent})")
    for line in filter(None, (line.strip() for line in read_text(path).splitlines())):
        name, label = _name_and_label(line, path.parent)
        file = path.parent / Path(name).expanduser()
        if not file.is_file():
            listing.problems.append(f"{name}: there is no such file")
            continue
        sample: dict[str, Any] = {kinds[0]: file}
        for kind, form in others.items():
            # a list may hold whole paths: the folder of the file is its class
            sample[kind] = label if label is not None else form.of_path(Path(*file.parts[-2:]))
        listing.add(name, sample)
    return listing


def read_table(path: Path, kinds: tuple[str, ...]) -> Listing:
    """A table with the columns of :mod:`.forms`.

    Raises:
        DataError: for a file that is no table.
    """
    try:
        rows = _csv_rows(read_text(path)) if path.suffix.lower() == ".csv" else _json_rows(read_text(path))
    except (ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"{path} is no table:", [str(error)]) from error
    listing = Listing(str(path))
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            listing.problems.append(f"row {number}: is no object with columns, but {str(row)[:40]}")
            continue
        sample, problems = _sample(row, kinds, path.parent)
        listing.problems += [f"row {number}: {problem}" for problem in problems]
        if not problems:
            listing.add(str(row.get("file_name", f"row {number}")), sample)
    return listing


def _sample(row: Mapping[str, Any], kinds: tuple[str, ...], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What a row has of each kind, and what is wrong with it."""
    sample, problems = {}, []
    for kind in kinds:
        column = column_of(kind, row)
        try:
            if column is None:
                raise ValueError(f"has no column {form_of(kind).columns[0]}")
            sample[kind] = form_of(kind).from_cell(row[column], folder)
        except ValueError as error:
            problems.append(str(error))
    return sample, problems


def _name_and_label(line: str, folder: Path) -> tuple[str, Any]:
    """A line of a list: a path, or a path and a class behind a tab, a comma or a space."""
    if not (folder / line).is_file():
        for mark in ("\t", ",", ";", " "):
            name, _, label = line.rpartition(mark)
            if name.strip() and (folder / name.strip()).is_file():
                return name.strip(), _number(label.strip())
    return line, None


def _json_rows(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _csv_rows(text: str) -> list[dict[str, Any]]:
    header = text.partition("\n")[0]
    mark = max((",", ";", "\t"), key=header.count)
    return [
        {str(column): _number(cell) for column, cell in row.items() if column is not None}
        for row in csv.DictReader(StringIO(text, newline=""), delimiter=mark)
    ]


def _number(cell: Any) -> Any:
    """A cell of text; a whole number is marked as one."""
    return NumberInText(cell) if isinstance(cell, str) and cell.isdecimal() and str(int(cell)) == cell else cell

"""The files that keypoints are kept in: JSON, of COCO's form and others, and which of its pictures is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..images import as_items
from ..picture_files import picture_endings
from ..text_files import as_path, read_text

__all__ = ["HELP", "NO_PICTURE", "load_json", "records", "stated_size", "wanted_pictures"]

LARGEST_FILE = 2**29
"""Bytes that a JSON file may have; the annotations of COCO's whole training set are half as large."""

HELP = (
    "Pass an array or tensor (people, 17, 3) of x, y and visibility or score, the path or content of a COCO json, what a "
    "pose model returns, or a list with one of these for each picture."
)
NO_PICTURE = (
    "keypoints is a picture, whose joints cannot be told without knowing what its colours mean: pass palette='openpose' "
    f"if it is a skeleton as ControlNet's preprocessors draw it. {HELP}"
)


def load_json(given: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        TypeError: for a picture.
        ValueError: for other files.
        FileNotFoundError: if there is no such file.
    """
    if isinstance(given, str) and given.lstrip()[:1] in ("{", "["):
        raise ValueError(
            f"keypoints is text of {len(given):,} characters, {given[:40]!r}: of JSON pass json.loads(text)."
        )
    path = as_path(given, "keypoints")
    if path.suffix.lower() in picture_endings():
        raise TypeError(NO_PICTURE)
    if path.suffix in (".npy", ".npz"):
        raise ValueError(f"keypoints is {str(path)!r}, a file of arrays: pass the array, numpy.load({str(path)!r}).")
    if not path.is_file():
        raise FileNotFoundError(f"keypoints: there is no file {str(path)!r}.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"keypoints: {path} has {path.stat().st_size:,} bytes; at most {LARGEST_FILE:,} are read.")
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"keypoints: {path} is no JSON file ({error}). {HELP}") from error


def wanted_pictures(dataset: Mapping[str, Any], image_id: Any) -> list[Any]:
    """The ids of the pictures that are meant."""
    images = records(dataset, "images")
    annotated = dict.fromkeys(annotation.get("image_id") for annotation in records(dataset, "annotations"))
    ids = [image.get("id") for image in images] or list(annotated)
    listed = ", ".join(map(repr, ids[:8])) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
    if image_id is None:
        if not ids:
            raise ValueError("keypoints is a COCO json without a picture.")
        if len(ids) > 1:
            raise ValueError(
                f"keypoints is a COCO json of {len(ids)} pictures: pass image_id=, one of {listed}, or a list of them."
            )
        return ids
    by_file = {image["file_name"]: image.get("id") for image in images if "file_name" in image}
    wanted = [by_file.get(asked, asked) for asked in as_items(image_id, "image_id")]
    for picture_id in wanted:
        if picture_id not in ids:
            raise ValueError(f"keypoints has no picture with the image_id {picture_id!r}; it has {listed}.")
    return wanted


def records(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of dictionaries in a JSON file; an empty one if there is none.

    Raises:
        ValueError: if something else stands there.
    """
    records = content.get(name, ())
    if not isinstance(records, list | tuple) or not all(isinstance(record, Mapping) for record in records):
        raise ValueError(f"keypoints has {name!r}, but not as a list of dictionaries: it is damaged or no such json.")
    return list(records)


def stated_size(content: Mapping[str, Any], height: str, width: str) -> tuple[int, int] | None:
    """(height, width) where a JSON file has both as positive whole numbers."""
    rows, columns = content.get(height), content.get(width)
    if isinstance(rows, int) and isinstance(columns, int) and min(rows, columns) > 0:
        return rows, columns
    return None

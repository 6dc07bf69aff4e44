"""open_data: the samples in what a user calls the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ...errors import DataError
from ...picture_files import picture_endings
from .folders import read_annotated, read_folder
from .items import Items, refuse_tables
from .source import Listing, Source
from .tables import read_list, read_table

__all__ = ["open_data"]


def open_data(data: Any, kinds: Sequence[str], *, on_bad: Literal["error", "skip"] = "error") -> Source:
    """Finds the samples in what a user calls the data.

    Args:
        data: one of

            - a folder of pictures, nested or not; for "class_label" the first folder on the way is the class;
            - a folder with `images/` and, by the same file names, `segmentations/`, `depths/` or `condition_images/`
              (pictures or `.npy`); or `keypoints.json` or, for layouts, `instances.json` in COCO's form;
            - COCO's own folders, `train2017/` beside `annotations/person_keypoints_train2017.json` and
              `annotations/instances_train2017.json`: the folder of the pictures, or the annotation file;
            - a folder with `metadata.jsonl` or `metadata.csv` (Hugging Face's imagefolder): `file_name`,
              `segmentation_file_name`, `depth_file_name`, `condition_image_file_name`, `keypoints`, `class_label` or
              `label`, and `layout` (what a pipeline takes) or `objects` (see :meth:`.LayoutCondition.objects_of`);
            - a list file: `.txt` with a path in each line, relative to the file, and perhaps a class behind it; or
              `.jsonl` and `.csv` as above;
            - a `torch.utils.data.Dataset`, a `datasets.Dataset` or a list, whose items are dictionaries with these
              names, (picture, other) pairs, or pictures.

        kinds: what each sample must have: "image" and names of conditions. Others are not looked for.
        on_bad: "error" for files that cannot be used, or "skip" to leave them out; :attr:`Source.left_out` names them.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        DataError: for a folder without samples, and for files that lack their partner, all of them named.
        TypeError: for anything else.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if data == "":  # which as a path is the current folder
            raise FileNotFoundError("there is no training data at '': give the path of a folder or a list file.")
        if not path.exists():
            raise FileNotFoundError(f"there is no training data at {path}.")
        return _checked(_from_path(path, tuple(kinds)), kinds, on_bad)
    refuse_tables(data)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        if not len(data):
            raise DataError("the data set is empty:", [f"{type(data).__name__} of length 0"])
        return Source(Items(data, tuple(kinds)), tuple(f"sample {index}" for index in range(len(data))))
    raise TypeError(
        "training data are a folder, a list file (.txt, .jsonl, .csv), or a data set with a length and items; got "
        f"{type(data).__name__}."
    )


def _from_path(path: Path, kinds: tuple[str, ...]) -> Listing:
    if path.is_dir():
        return read_folder(path, kinds)
    if path.suffix.lower() == ".txt":
        return read_list(path, kinds)
    if path.suffix.lower() in (".jsonl", ".csv"):
        return read_table(path, kinds)
    if path.suffix.lower() == ".json":
        return read_annotated(path, kinds)
    raise DataError(f"{path} is no list of training data:", ["expected .txt, .jsonl or .csv, or a folder"])


def _checked(listing: Listing, kinds: Sequence[str], on_bad: str) -> Source:
    """What is found as a source, if nothing is wrong with it, or if what is wrong may be left out."""
    if on_bad not in ("error", "skip"):
        raise ValueError(f"on_bad must be 'error' or 'skip', got {on_bad!r}.")
    if listing.problems and on_bad == "error":
        raise DataError(f"{listing.where}: {len(listing.problems)} {listing.title}:", listing.problems)
    if not listing.samples:
        shown = ", ".join(ending for ending in picture_endings() if ending in (".png", ".jpg", ".webp", ".tif", ".bmp"))
        reasons = [f"no {' with '.join(kinds)} ({shown}, …)", *listing.problems]
        raise DataError(f"{listing.where} has no training samples:", reasons)
    skipped = [(name, why) for name, _, why in (problem.partition(": ") for problem in listing.problems)]
    return Source(listing.samples, tuple(listing.names), (*listing.left_out, *skipped), listing.where)

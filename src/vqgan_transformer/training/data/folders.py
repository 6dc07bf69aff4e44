"""Folders of training data: pictures alone, pictures beside maps or annotations, COCO's own folders."""

from __future__ import annotations

import re
from pathlib import Path

from ...conditions.data_files import Inventory, list_files
from ...conditions.data_forms import Annotations, DataForm, Files
from ...errors import DataError
from ...picture_files import picture_endings
from .forms import IMAGES, form_of
from .source import Listing
from .tables import TABLES, read_table

__all__ = ["read_annotated", "read_folder"]

_PARTS = re.compile(r"(train|training|val|valid|validation|test|testing)[-_]?\d*", re.IGNORECASE)
"""Names of folders that hold one part of a data set."""


def read_folder(folder: Path, kinds: tuple[str, ...]) -> Listing:
    """The samples in a folder of any kind.

    Raises:
        DataError: for a folder in which they cannot be told.
    """
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is not None:
        return _beside_table(table, kinds)
    annotated = _annotated_by_coco(folder, kinds)
    if annotated is not None:
        return annotated
    places = [form_of(kind) for kind in kinds]
    if IMAGES.is_in(folder) or any(form.is_in(folder) for form in places):
        _refuse_parts(folder / IMAGES.place, kinds)
        return _pairs(folder, kinds)
    _refuse_parts(folder, kinds)
    return _plain(folder, kinds)


def read_annotated(path: Path, kinds: tuple[str, ...]) -> Listing:
    """The pictures of one of COCO's own annotation files, in whose place its name says where they are.

    Raises:
        DataError: where the pictures are not found.
    """
    part = path.stem.rpartition("_")[2]
    tried = [path.parent.parent / part, path.parent.parent / "images" / part, path.parent / "images", path.parent]
    pictures = next((place for place in tried if _has_pictures(place)), None)
    if pictures is None:
        raise DataError(f"the pictures of {path} are not found:", [f"expected them in {tried[0]}"])
    annotated_kind = next((kind for kind in kinds if isinstance(form_of(kind), Annotations)), None)
    if annotated_kind is None:
        raise DataError(f"{path} has annotations:", [f"{' and '.join(kinds)} are none; pass the folder of pictures"])
    return _annotated(pictures, {annotated_kind: path}, kinds)


def _beside_table(table: Path, kinds: tuple[str, ...]) -> Listing:
    """A folder with a table; the pictures that it does not name are left out."""
    listing = read_table(table, kinds)
    used = {path.resolve() for sample in listing.samples for path in sample.values() if isinstance(path, Path)}
    files, rest = list_files(table.parent, picture_endings(), but=TABLES)
    listing.left_out += [
        (file.relative_to(table.parent).as_posix(), f"not in {table.name}") for file in files if file.resolve() not in used
    ]  # fmt: skip
    listing.left_out += [*rest.left_out, *((problem, f"not in {table.name}") for problem in rest.problems)]
    return listing


def _plain(folder: Path, kinds: tuple[str, ...]) -> Listing:
    """Nothing but files of one kind, and what their paths tell."""
    first, others = form_of(kinds[0]), {kind: form_of(kind) for kind in kinds[1:]}
    absent = {kind: form for kind, form in {kinds[0]: first, **others}.items() if form.place and form is not first}
    if absent or not isinstance(first, Files):
        wanted = absent or {kinds[0]: first}
        raise DataError(
            f"{folder} has no {' and '.join(wanted)} for its pictures:",
            [f"expected images/ beside {', '.join(_shown(form) for form in wanted.values())}, or metadata.jsonl"],
        )
    files, rest = list_files(folder, first.endings)
    listing = Listing(str(folder), left_out=rest.left_out, problems=rest.problems)
    for file in files:
        relative = file.relative_to(folder)
        try:
            told = {kind: form.of_path(relative) for kind, form in others.items()}
            listing.add(relative.as_posix(), {kinds[0]: file, **told})
        except LookupError as error:
            listing.problems.append(f"{relative}: {error}")
            listing.title = "pictures; there should be a folder for each class"
    return listing


def _pairs(folder: Path, kinds: tuple[str, ...]) -> Listing:
    """Files of the same name in a folder for each kind, or annotations beside the pictures."""
    forms = {kind: form_of(kind) for kind in kinds}
    listing = _together(folder, {kind: form.beside(folder, ()) for kind, form in forms.items() if form.place}, forms)
    used = {form.place for form in forms.values()}
    for path in sorted(folder.iterdir()):
        if path.name not in used:
            listing.left_out.append((path.name + "/" * path.is_dir(), _why_unused(path)))
    return listing


def _why_unused(path: Path) -> str:
    """Why something beside the folders that are read is not used."""
    if path.name.startswith("."):
        return "hidden"
    if path.suffix.lower() in picture_endings() and path.is_file():
        return f"lies beside {IMAGES.place}/, where the pictures are"
    return "not asked for"


def _together(folder: Path, by_kind: dict[str, Inventory], forms: dict[str, DataForm]) -> Listing:
    """A sample for each name that all kinds have."""
    listing = Listing(str(folder))
    for inventory in by_kind.values():
        listing.left_out += inventory.left_out
        listing.problems += inventory.problems
    names = sorted({name for inventory in by_kind.values() for name in inventory.values})
    lacking = [
        f"{name}: has no {kind}"
        for name in names
        for kind, inventory in by_kind.items()
        if name not in inventory.values
    ]
    if lacking and not listing.problems:
        listing.title = "samples lack their partner"
    twice = {problem.partition(": ")[0] for problem in listing.problems}
    listing.problems += lacking
    whole = [name for name in names if all(name in inventory.values for inventory in by_kind.values())]
    by_kind |= {kind: form.beside(folder, whole) for kind, form in forms.items() if not form.place}
    for name in whole:
        if name not in twice:
            listing.add(name, {kind: by_kind[kind].values[name] for kind in forms})
    return listing


def _annotated_by_coco(folder: Path, kinds: tuple[str, ...]) -> Listing | None:
    """COCO's own folders: `annotations/person_keypoints_train2017.json` beside `train2017/`; ``None`` if it is none."""
    forms = {kind: form for kind in kinds if isinstance(form := form_of(kind), Annotations)}
    if not forms:
        return None
    beside = {kind: folder / "_annotations.coco.json" for kind in forms}
    if all(path.is_file() for path in beside.values()):
        return _annotated(folder, beside, kinds)
    for top in (folder.parent, folder.parent.parent):  # the folder of one part
        files = {kind: top / "annotations" / f"{form.prefix}{folder.name}.json" for kind, form in forms.items()}
        if all(path.is_file() for path in files.values()):
            return _annotated(folder, files, kinds)
    names = [
        {path.stem.removeprefix(form.prefix) for path in (folder / "annotations").glob(f"{form.prefix}*.json")}
        for form in forms.values()
    ]
    places = {
        part: place
        for part in sorted(set.intersection(*names))
        for place in (folder / part, folder / "images" / part, folder / "images")
        if _has_pictures(place)
    }
    if len(places) > 1:
        shown = ", ".join(f"data={str(place)!r}" for place in places.values())
        raise DataError(f"{folder} has {len(places)} parts, {' and '.join(places)}:", [f"pass one of them: {shown}"])
    for part, place in places.items():
        files = {kind: folder / "annotations" / f"{form.prefix}{part}.json" for kind, form in forms.items()}
        return _annotated(place, files, kinds)
    return None


def _annotated(pictures: Path, files: dict[str, Path], kinds: tuple[str, ...]) -> Listing:
    """Pictures in one folder, with annotation files elsewhere."""
    forms = {kind: form_of(kind) for kind in kinds}
    listed, inventory = list_files(pictures, IMAGES.endings, but=[path.name for path in files.values()])
    for file in listed:
        name = file.relative_to(pictures).with_suffix("").as_posix()
        inventory.add(name, file, f"{inventory.values.get(name, file).name} and {file.name}")
    by_kind = {"image": inventory} if "image" in kinds else {}
    for kind, path in files.items():
        form = forms[kind]
        assert isinstance(form, Annotations)
        read = form.of_file(path)
        read.values = {name.removeprefix(f"{pictures.name}/"): value for name, value in read.values.items()}
        by_kind[kind] = read
    others = [kind for kind, form in forms.items() if form.place and kind not in by_kind]
    if others:
        raise DataError(f"{pictures} has annotations, but no {' and '.join(others)}:", ["expected images/ beside them"])
    return _together(pictures, by_kind, forms)


def _has_pictures(place: Path) -> bool:
    return place.is_dir() and any(path.suffix.lower() in picture_endings() for path in place.iterdir())


def _shown(form: DataForm) -> str:
    return f"{form.place}/" if isinstance(form, Files) else form.place


def _refuse_parts(folder: Path, kinds: tuple[str, ...]) -> None:
    """Refuses a folder with parts of a data set side by side, which would be trained on together."""
    if not folder.is_dir():
        return
    parts = sorted(path.name for path in folder.iterdir() if path.is_dir() and _PARTS.fullmatch(path.name))
    if len(parts) > 1:
        shown = ", ".join(f"{part}/" for part in parts)
        raise DataError(
            f"{folder} has {shown} side by side, which are different parts of a data set:",
            [
                f"pass one as data={str(folder / parts[0])!r}, another as validation=, each with all of {', '.join(kinds)}"
            ],
        )

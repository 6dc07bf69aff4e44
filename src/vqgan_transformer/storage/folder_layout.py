"""What the files of a saved object or pipeline are called, and what a folder says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import CheckpointError, shown
from .config_json import read_json
from .inside import stay_inside
from .weights import listed

__all__ = [
    "CONFIG",
    "FOREIGN_PARTS",
    "LIBRARY",
    "MODEL_INDEX",
    "component_folder",
    "index_entries",
    "is_saved",
    "library_entries",
    "refuse_other_programs_folder",
]

LIBRARY = "vqgan_transformer"
CONFIG = "config.json"
MODEL_INDEX = "model_index.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
FOREIGN_PARTS = {"VQGAN": ("VQModel",)}
"""Classes in the pipelines of other libraries that stand for one of ours."""


def is_saved(folder: Path) -> bool:
    """Whether a folder holds an object in our own format."""
    # other libraries write a _class_name into their config.json too, but another version beside it
    return (folder / CONFIG).is_file() and {"_class_name", "_package_version"} <= read_json(folder / CONFIG).keys()


def refuse_other_programs_folder(folder: Path, *, pipeline: bool = False) -> None:
    """Refuses to save where another program's files, or a pipeline's, would be replaced in part.

    Args:
        folder: to be saved into.
        pipeline: whether a pipeline is to be saved; one part of it would lose against the pipeline that is there.

    Raises:
        FileExistsError: with what is there.
    """
    if not folder.is_dir():
        return
    try:
        index = folder / MODEL_INDEX
        ours = is_saved(folder) or (index.is_file() and "_package_version" in read_json(index))
    except CheckpointError:
        ours = False
    names = [name for name in (CONFIG, MODEL_INDEX, *WEIGHTS) if (folder / name).exists()]
    if names and not ours:
        raise FileExistsError(
            f"{folder} holds {' and '.join(names)} of another program, which saving here would replace: give another folder."
        )
    if MODEL_INDEX in names and not pipeline:
        raise FileExistsError(
            f"{folder} holds a saved pipeline, which has its parts in folders of their own: give one of these, or another."
        )


def component_folder(folder: Path, class_name: str) -> Path | None:
    """The subfolder of a saved pipeline that holds the one part of a class; ``None`` if the folder is no pipeline.

    Raises:
        CheckpointError: if no part, or more than one, is of that class.
    """
    if not (folder / MODEL_INDEX).is_file():
        return None
    libraries = library_entries(folder)
    names = (class_name, *FOREIGN_PARTS.get(class_name, ()))
    matches = [part for part, (_, name) in libraries.items() if name in names]
    if len(matches) != 1:
        parts = listed(f"{part} ({name})" for part, (_, name) in libraries.items())
        raise CheckpointError(
            f"{folder} is a saved pipeline with {'no' if not matches else 'more than one'} {class_name}; its parts are "
            f"{parts}. Say which with subfolder=."
        )
    return stay_inside(folder, matches[0])


def index_entries(folder: Path) -> dict[str, str]:
    """The parts of a saved pipeline: subfolder -> class name, e.g. "conditions/segmentation" -> "SegmentationCondition".

    Raises:
        CheckpointError: for a model_index.json of another library or form.
    """
    entries = {}
    for part, (library, name) in library_entries(folder).items():
        if library != LIBRARY:
            raise CheckpointError(
                f"{folder / MODEL_INDEX}: {part} is {name} of the library {library!r}. Only pipelines of {LIBRARY} can be "
                "loaded here, and no class is ever imported by its name in a file."
            )
        entries[part] = name
    return entries


def library_entries(folder: Path) -> dict[str, tuple[str, str]]:
    """The parts of a pipeline of any library: subfolder -> (library, class name).

    Raises:
        CheckpointError: for a model_index.json of another form.
    """
    path = folder / MODEL_INDEX
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {MODEL_INDEX}, so it is no saved pipeline.")
    content = read_json(path)
    ours = "_diffusers_version" not in content
    entries = {}
    for name, value in content.items():
        if name.startswith("_"):
            continue
        nested = value.items() if isinstance(value, dict) else [(None, value)]
        for inner, pair in nested:
            part = name if inner is None else f"{name}/{inner}"
            if not all(re.fullmatch(r"\w+", word) for word in part.split("/")):
                raise CheckpointError(
                    f"{path}: {shown(part)} is no name of a part; names are made of letters, digits and _."
                )
            if isinstance(pair, list) and len(pair) == 2 and all(isinstance(word, str) for word in pair):
                entries[part] = (pair[0], pair[1])
            elif ours:  # pipelines of diffusers have settings among their parts, and parts that are null
                raise CheckpointError(f"{path}: {part} should be [library, class], got {shown(pair)}.")
    return entries

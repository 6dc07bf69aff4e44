"""Where a checkpoint is: a local file or folder, the package's own data, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CheckpointError, nearest_name
from .config_json import read_json
from .hub_address import Address, download
from .weight_files import FLAX, PICKLES, SAFE, YAML
from .weights import stay_inside

__all__ = ["CONFIG", "LIBRARY", "MODEL_INDEX", "Origin", "component_folder", "index_entries"]

LIBRARY = "vqgan_transformer"
CONFIG = "config.json"
MODEL_INDEX = "model_index.json"
BUILTIN = Path(__file__).parent.parent / "builtin"
FOREIGN_PARTS = {"VQGAN": ("VQModel",)}
"""Classes in the pipelines of other libraries that stand for one of ours."""

_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILE_ENDINGS = (*PICKLES, SAFE, FLAX, ".json", *YAML)


@dataclass(frozen=True)
class Origin:
    """What a user calls a checkpoint, and how to reach it.

    Attributes:
        source: a local file or folder, "builtin:<name>", or on the Hub the id of a repository, "hf://owner/name/file"
            or the address of a file or folder in a browser.
        subfolder: a folder inside it.
        filename: of several files of weights the one that is meant.
        revision: branch, tag or commit on the Hub.
        token: for private repositories.
        cache_dir: where downloads are kept.
        local_files_only: look at the cache only.
    """

    source: str | os.PathLike[str]
    subfolder: str | None = None
    filename: str | None = None
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False

    def locate(self, class_name: str) -> Path:
        """The local file or folder that holds the checkpoint, downloaded if need be.

        Args:
            class_name: what is to be loaded from it. Of a saved pipeline on the Hub only the parts of that class are
                downloaded, of other repositories one file of weights.

        Raises:
            FileNotFoundError: if there is no such thing, here or on the Hub.
            CheckpointError: for a repository with several files of weights, if none is named.
            UnsafeFileError: for a subfolder or file name that leads out of its folder.
            TypeError: for a source that is no path.
        """
        if not isinstance(self.source, str | os.PathLike):
            raise TypeError(f"a source is a path, the id of a repository or 'builtin:<name>', got {self.source!r}.")
        name = os.fspath(self.source)
        if name.startswith("builtin:"):
            return self._inside(_builtin(name.removeprefix("builtin:")))
        address = Address.parse(name)
        if address is not None:
            return self._from_hub(address, class_name)
        path = Path(name).expanduser()
        if path.exists():
            return self._inside(path)
        if not _REPOSITORY.fullmatch(name) or name.startswith(".") or name.endswith(_FILE_ENDINGS):
            raise FileNotFoundError(f"there is no file or folder {name!r} (looked in {Path.cwd()}).")
        return self._from_hub(Address(name), class_name)

    def _from_hub(self, address: Address, class_name: str) -> Path:
        address = address.joined(self.subfolder, self.filename, self.revision)
        parts = (class_name, *FOREIGN_PARTS.get(class_name, ()))
        folder = download(
            address,
            parts,
            pipeline=class_name.endswith("Pipeline"),
            token=self.token,
            cache_dir=self.cache_dir,
            local_files_only=self.local_files_only,
        )
        return replace(self, source=folder, subfolder=address.subfolder, filename=address.filename)._inside(folder)

    def _inside(self, path: Path) -> Path:
        if self.subfolder:
            inside = stay_inside(path, self.subfolder)
            if not inside.is_dir():
                folders = sorted(child.name for child in path.iterdir() if child.is_dir()) if path.is_dir() else []
                raise FileNotFoundError(
                    f"{path} has no subfolder {self.subfolder!r}; it has {', '.join(folders) or 'none'}."
                )
            path = inside
        if self.filename:
            file = stay_inside(path, self.filename)
            if not file.is_file():
                files = sorted(child.name for child in path.iterdir() if child.is_file()) if path.is_dir() else []
                raise FileNotFoundError(f"{path} has no file {self.filename!r}; it has {', '.join(files) or 'none'}.")
            path = file
        return path


def _builtin(name: str) -> Path:
    known = sorted(path.name for path in BUILTIN.iterdir() if path.is_dir()) if BUILTIN.is_dir() else []
    if name not in known:
        raise FileNotFoundError(
            f"there is no built-in checkpoint {name!r}; there are {', '.join(known) or 'none'}.{nearest_name(name, known)}"
        )
    return BUILTIN / name


def component_folder(folder: Path, class_name: str) -> Path | None:
    """The subfolder of a saved pipeline that holds the one part of a class; ``None`` if the folder is no pipeline.

    Raises:
        CheckpointError: if no part, or more than one, is of that class.
    """
    if not (folder / MODEL_INDEX).is_file():
        return None
    libraries = library_entries(folder)
    names = (class_name, *FOREIGN_PARTS.get(class_name, ()))
    found = [part for part, (_, name) in libraries.items() if name in names]
    if len(found) != 1:
        parts = ", ".join(f"{part} ({name})" for part, (_, name) in libraries.items())
        raise CheckpointError(
            f"{folder} is a saved pipeline with {'no' if not found else 'more than one'} {class_name}; its parts are "
            f"{parts}. Say which with subfolder=."
        )
    return stay_inside(folder, found[0])


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
                    f"{path}: {part!r} is no name of a part; names are made of letters, digits and _."
                )
            if isinstance(pair, list) and len(pair) == 2 and all(isinstance(word, str) for word in pair):
                entries[part] = (pair[0], pair[1])
            elif ours:  # pipelines of diffusers have settings among their parts, and parts that are null
                raise CheckpointError(f"{path}: {part} should be [library, class], got {pair!r}.")
    return entries

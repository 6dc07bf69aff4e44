"""Where a checkpoint is: a local file or folder, the package's own data, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError, nearest_name
from .config_json import read_json
from .weights import stay_inside

__all__ = ["CONFIG", "LIBRARY", "MODEL_INDEX", "Origin", "component_folder", "index_entries"]

LIBRARY = "vqgan_transformer"
CONFIG = "config.json"
MODEL_INDEX = "model_index.json"
BUILTIN = Path(__file__).parent.parent / "builtin"
FOREIGN_FILES = ("*.json", "*.safetensors", "*.ckpt", "*.pt", "*.pth", "*.bin", "*.yaml", "*.yml")

_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILE_ENDINGS = (".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Origin:
    """What a user calls a checkpoint, and how to reach it.

    Attributes:
        source: a local file or folder, "builtin:<name>", or the id of a repository on the Hub.
        subfolder: a folder inside it.
        revision: branch, tag or commit on the Hub.
        token: for private repositories.
        cache_dir: where downloads are kept.
        local_files_only: look at the cache only.
    """

    source: str | os.PathLike[str]
    subfolder: str | None = None
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False

    def locate(self, class_name: str) -> Path:
        """The local file or folder that holds the checkpoint, downloaded if need be.

        Args:
            class_name: what is to be loaded from it. Of a saved pipeline on the Hub only the parts of that class are
                downloaded.

        Raises:
            FileNotFoundError: if there is no such thing, here or on the Hub.
            UnsafeFileError: for a subfolder that leads out of its folder.
            TypeError: for a source that is no path.
        """
        if not isinstance(self.source, str | os.PathLike):
            raise TypeError(f"a source is a path, the id of a repository or 'builtin:<name>', got {self.source!r}.")
        name = os.fspath(self.source)
        if name.startswith("builtin:"):
            return self._inside(_builtin(name.removeprefix("builtin:")))
        path = Path(name).expanduser()
        if path.exists():
            return self._inside(path)
        if not _REPOSITORY.fullmatch(name) or name.startswith(".") or name.endswith(_FILE_ENDINGS):
            raise FileNotFoundError(f"there is no file or folder {name!r} (looked in {Path.cwd()}).")
        return self._inside(self._download(name, class_name))

    def _inside(self, path: Path) -> Path:
        if not self.subfolder:
            return path
        inside = stay_inside(path, self.subfolder)
        if not inside.is_dir():
            folders = sorted(child.name for child in path.iterdir() if child.is_dir()) if path.is_dir() else []
            raise FileNotFoundError(
                f"{path} has no subfolder {self.subfolder!r}; it has {', '.join(folders) or 'none'}."
            )
        return inside

    def _download(self, repository: str, class_name: str) -> Path:
        prefix = f"{self.subfolder.strip('/')}/" if self.subfolder else ""
        snapshot = self._snapshot(repository, [prefix + CONFIG, prefix + MODEL_INDEX])
        folder = snapshot / prefix
        if (folder / MODEL_INDEX).exists():
            entries = index_entries(folder)
            parts = [part for part, name in entries.items() if name == class_name] or list(entries)
            patterns = [f"{prefix}{part}/*.{ending}" for part in parts for ending in ("json", "safetensors")]
        else:
            patterns = [prefix + pattern for pattern in FOREIGN_FILES]
        return self._snapshot(repository, patterns)

    def _snapshot(self, repository: str, patterns: list[str]) -> Path:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        from .. import __version__

        try:
            return Path(
                huggingface_hub.snapshot_download(
                    repository,
                    revision=self.revision,
                    token=self.token,
                    cache_dir=None if self.cache_dir is None else os.fspath(self.cache_dir),
                    local_files_only=self.local_files_only,
                    allow_patterns=patterns,
                    library_name=LIBRARY,
                    library_version=__version__,
                )
            )
        except (HFValidationError, HfHubHTTPError, OSError) as error:
            raise FileNotFoundError(
                f"{repository!r} is neither a local file or folder (looked in {Path.cwd()}) nor a repository that can be "
                f"had from the Hugging Face Hub: {error}"
            ) from error


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
    entries = index_entries(folder)
    found = [part for part, name in entries.items() if name == class_name]
    if len(found) != 1:
        parts = ", ".join(f"{part} ({name})" for part, name in entries.items())
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
    path = folder / MODEL_INDEX
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {MODEL_INDEX}, so it is no saved pipeline.")
    entries = {}
    for name, value in read_json(path).items():
        if name.startswith("_"):
            continue
        nested = value.items() if isinstance(value, dict) else [(None, value)]
        for inner, pair in nested:
            part = name if inner is None else f"{name}/{inner}"
            if not all(re.fullmatch(r"\w+", word) for word in part.split("/")):
                raise CheckpointError(
                    f"{path}: {part!r} is no name of a part; names are made of letters, digits and _."
                )
            if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(word, str) for word in pair):
                raise CheckpointError(f"{path}: {part} should be [library, class], got {pair!r}.")
            library, entries[part] = pair
            if library != LIBRARY:
                raise CheckpointError(
                    f"{path}: {part} is {entries[part]} of the library {library!r}. Only pipelines of {LIBRARY} can be "
                    "loaded here, and no class is ever imported by its name in a file."
                )
    return entries

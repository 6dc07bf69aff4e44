"""Where a checkpoint is: a local file or folder, the package's own data, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CheckpointError, nearest_name, shortened, shown
from .folder_layout import FOREIGN_PARTS
from .hub_address import Address, download
from .inside import stay_inside
from .weight_files import FLAX, PICKLES, SAFE, YAML

__all__ = ["Origin"]

BUILTIN = Path(__file__).parent.parent / "builtin"

_REPOSITORY = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
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
            ValueError: for an empty one, or an address that is none of the Hub's.
        """
        if not isinstance(self.source, str | os.PathLike):
            raise TypeError(f"a source is a path, the id of a repository or 'builtin:<name>', got {self.source!r}.")
        name = os.fsdecode(self.source)
        if not name.strip() or "\0" in name:
            raise ValueError(f"a source is a path, the id of a repository or 'builtin:<name>', got {shown(name)}.")
        if name.startswith("builtin:"):
            return self._inside(_builtin(name.removeprefix("builtin:")))
        address = Address.parse(name)
        if address is not None:
            return self._from_hub(address, class_name)
        path = Path(name).expanduser()
        if _exists(path):
            return self._inside(path)
        if not _REPOSITORY.fullmatch(name) or name.startswith(".") or name.endswith(_FILE_ENDINGS):
            raise FileNotFoundError(f"there is no file or folder {shortened(name, 300)!r} (looked in {Path.cwd()}).")
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


def _exists(path: Path) -> bool:
    try:
        exists = path.exists()
    except OSError:  # longer than a path may be
        return False
    if exists and not path.is_file() and not path.is_dir():
        raise CheckpointError(f"{path} is neither a file nor a folder.")
    return exists


def _builtin(name: str) -> Path:
    known = sorted(path.name for path in BUILTIN.iterdir() if path.is_dir()) if BUILTIN.is_dir() else []
    if name not in known:
        raise FileNotFoundError(
            f"there is no built-in checkpoint {name!r}; there are {', '.join(known) or 'none'}.{nearest_name(name, known)}"
        )
    return BUILTIN / name

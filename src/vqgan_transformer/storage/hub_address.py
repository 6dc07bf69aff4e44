"""Files on the Hugging Face Hub: how people write where they are, and getting those that are needed."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import shortened
from ..slots import foreign_formats
from ..version import __version__
from .folder_layout import CONFIG, MODEL_INDEX, is_saved, library_entries
from .shards import shards_with_vqgan
from .weight_files import INDEXES, YAML, holds_weights, weight_file

__all__ = ["Address", "download"]

HOSTS = ("huggingface.co", "hf.co")
REVISION = r"refs/(?:pr/\d+|convert/[^/]+)|[^/]+"
"""A pull request's, a converter's, or the name of a branch, tag or commit; other slashes are written %2F."""


@dataclass(frozen=True)
class Address:
    """A repository on the Hub, or something inside it.

    Attributes:
        repository: "owner/name".
        subfolder: a folder inside it.
        filename: a file inside that.
        revision: branch, tag or commit.
    """

    repository: str
    subfolder: str | None = None
    filename: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, source: str) -> Address | None:
        """An address of the form hf://… or https://…; ``None`` for anything else.

        Raises:
            ValueError: for an address that is none of the Hub's.
        """
        if source.startswith("hf://"):
            match = re.fullmatch(rf"([\w.-]+/[\w.-]+)(?:@({REVISION}))?(?:/(.*))?", source.removeprefix("hf://"))
            if match is None:
                raise ValueError(
                    f"{source!r} should be hf://owner/name, hf://owner/name@revision or with a path behind."
                )
            repository, revision, inside = match.groups()
            return cls(repository, revision=revision and unquote(revision))._with(inside or "")
        if not source.startswith(("https://", "http://")):
            return None
        from huggingface_hub import constants

        parts = urlsplit(source)
        endpoint = urlsplit(constants.ENDPOINT)
        # the part of a path that an endpoint of one's own may have in front
        path = parts.path.removeprefix(endpoint.path) if parts.netloc == endpoint.netloc else parts.path
        match = re.fullmatch(rf"/([\w.-]+/[\w.-]+)(?:/(?:resolve|blob|tree|raw)/({REVISION})(?:/(.*))?)?/?", path)
        known = parts.netloc == endpoint.netloc or (parts.scheme == "https" and parts.netloc in HOSTS)
        if match is None or not known:
            raise ValueError(
                f"{source!r} is no address of a file or repository on the Hugging Face Hub. Download other files first, "
                "and pass their path."
            )
        repository, revision, inside = match.groups()
        return cls(repository, revision=revision and unquote(revision))._with(unquote(inside or ""))

    def _with(self, inside: str) -> Address:
        folder, _, last = inside.strip("/").rpartition("/")
        if holds_weights(last):
            return replace(self, subfolder=folder or None, filename=last)
        return replace(self, subfolder=inside.strip("/") or None)

    def joined(self, subfolder: str | None, filename: str | None, revision: str | None) -> Address:
        """The address together with arguments.

        Raises:
            ValueError: where an argument says something that the address says already.
        """
        for name, given in (("subfolder", subfolder), ("filename", filename), ("revision", revision)):
            if given is not None and getattr(self, name) not in (None, given):
                raise ValueError(f"{name}={given!r} contradicts the address, which says {getattr(self, name)!r}.")
        return Address(
            self.repository, subfolder or self.subfolder, filename or self.filename, revision or self.revision
        )

    @property
    def prefix(self) -> str:
        """What stands before the names of files in the subfolder."""
        return f"{self.subfolder.strip('/')}/" if self.subfolder else ""


def download(
    address: Address,
    class_names: tuple[str, ...],
    *,
    pipeline: bool,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> Path:
    """The folder in the cache that stands for a repository, with what is needed of it.

    Args:
        address: of the repository.
        class_names: what is to be loaded; of a pipeline only parts of these classes are needed.
        pipeline: whether a pipeline is to be loaded.
        token: for private repositories.
        cache_dir: where downloads are kept.
        local_files_only: look at the cache only.

    Raises:
        FileNotFoundError: if the repository or a file cannot be had.
        CheckpointError: for several files of weights of which none is named.
    """
    hub = _Hub(address, token, cache_dir, local_files_only)
    prefix = escape(address.prefix)  # names with brackets are names, not patterns
    # a star stands for slashes, too
    described = [prefix + name for name in (CONFIG, MODEL_INDEX, *(f"*{ending}" for ending in (*INDEXES, *YAML)))]
    described.append("README.md")  # with the licence
    if address.filename is not None:
        beside = [prefix + name for name in foreign_formats().companions()] if pipeline else []
        return hub.get([prefix + escape(address.filename), *beside, *described])
    folder = hub.get(described)
    inside = folder / address.prefix
    if (inside / MODEL_INDEX).is_file():
        return hub.get([*described, *_patterns_of_parts(inside, prefix, class_names)])
    names = [name.removeprefix(address.prefix) for name in hub.names(folder) if name.startswith(address.prefix)]
    weights = weight_file(names, address.repository)
    if weights is None:
        return folder
    wanted = [prefix + escape(weights)]
    if weights.endswith(INDEXES):
        wanted += [prefix + escape(shard) for shard in shards_with_vqgan(inside / weights)]
    elif weights.startswith("model") and is_saved(inside):
        wanted.append(f"{prefix}model*.safetensors")
    return hub.get([*described, *wanted])


@dataclass(frozen=True)
class _Hub:
    address: Address
    token: str | bool | None
    cache_dir: str | os.PathLike[str] | None
    local_files_only: bool

    def get(self, patterns: list[str]) -> Path:
        """The folder of the repository in the cache, with all files of these names."""
        import huggingface_hub

        try:
            return Path(
                huggingface_hub.snapshot_download(
                    self.address.repository,
                    revision=self.address.revision,
                    token=self.token,
                    cache_dir=None if self.cache_dir is None else os.fspath(self.cache_dir),
                    local_files_only=self.local_files_only,
                    allow_patterns=patterns,
                    library_name="vqgan_transformer",
                    library_version=__version__,
                )
            )
        except Exception as error:  # its HTTP library, and so the errors of a broken transfer, differ between versions
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise  # of this machine
            raise FileNotFoundError(self.refusal(error)) from error

    def refusal(self, error: Exception) -> str:
        """Why a repository cannot be had, and what to do."""
        from huggingface_hub import errors

        name, revision = self.address.repository, self.address.revision
        if isinstance(error, errors.GatedRepoError):
            return f"{name!r} is gated: accept its conditions at https://huggingface.co/{name}, then pass token= of that account."
        if isinstance(error, errors.RevisionNotFoundError):
            return (
                f"{name!r} has no revision {revision!r} on the Hugging Face Hub: no branch, tag or commit is called so."
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return (
                f"{name!r} is neither a local file or folder (looked in {Path.cwd()}) nor a repository that can be seen on "
                f"the Hugging Face Hub. If it is private, pass token=. ({shortened(error, 200)})"
            )
        if self.local_files_only or isinstance(error, errors.OfflineModeIsEnabled):
            return f"{name!r} was not downloaded before, and without a connection (local_files_only, offline mode) cannot be."
        if isinstance(error, errors.LocalEntryNotFoundError):
            return (
                f"{name!r} is neither a local file or folder (looked in {Path.cwd()}) nor in the cache, and the Hugging Face "
                f"Hub cannot be reached: check the connection. ({shortened(error, 300)})"
            )
        return f"{name!r} cannot be downloaded from the Hugging Face Hub: {shortened(error, 300)}"

    def names(self, folder: Path) -> list[str]:
        """The files of the repository; without a connection those that are in the cache."""
        import huggingface_hub

        if not self.local_files_only:
            try:
                api = huggingface_hub.HfApi(token=self.token)
                return api.list_repo_files(self.address.repository, revision=self.address.revision)
            except Exception as error:  # the cache was enough for the description; it may be for the rest
                if not any((folder / self.address.prefix).rglob("*")):
                    raise FileNotFoundError(self.refusal(error)) from error
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def _patterns_of_parts(folder: Path, prefix: str, class_names: tuple[str, ...]) -> list[str]:
    entries = library_entries(folder)
    parts = [part for part, (_, name) in entries.items() if name in class_names] or list(entries)
    # safe files where there are any: a part of diffusers may have both
    return [f"{prefix}{part}/*.{ending}" for part in parts for ending in ("json", "safetensors", "bin")]

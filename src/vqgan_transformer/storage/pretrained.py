"""The mixin behind from_pretrained, save_pretrained and push_to_hub. It knows no model.

A saved object is a folder: ``config.json`` with its class and the fields of its config, and, if it has parameters,
``model.safetensors``, in shards where it is large. Checkpoints of other programs are read through
:mod:`vqgan_transformer.slots`.
"""

from __future__ import annotations

import inspect
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from ..errors import CheckpointError, nearest_name, reading
from ..slots import foreign_formats
from ..version import __version__
from .atomic_folder import atomic_folder
from .checkpoint_report import CheckpointReport
from .config_json import from_json, read_json, to_json
from .folder_layout import CONFIG, MODEL_INDEX, component_folder, is_saved, refuse_other_programs_folder
from .model_card import write_model_card
from .provenance import Provenance, provenance
from .shards import read_weights
from .short_names import by_short_name, located
from .source import Origin
from .weights import StoredTensor, build_on_meta, check_numbers, load_strictly, resolve_dtype

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["STALE", "Pretrained", "upload"]

STALE = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
"""Weight files that a former save may have left in a folder."""


class Pretrained:
    """Saving and loading for a class that is made from one frozen dataclass.

    The class names its dataclass in ``config_class`` and keeps an instance as ``config``. If it is an ``nn.Module``,
    its state dict is saved along. It registers no non-persistent buffers: files do not hold them.
    """

    config_class: ClassVar[type]
    pipeline_tag: ClassVar[str | None] = None
    config: Any
    source: Provenance | None = None
    """Where the weights come from, once they are loaded: repository, revision, file, licence."""

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """A new object with the given config, its weights, if any, drawn at random."""
        return cls(config)  # type: ignore[call-arg]  # a mixin: the class it is mixed into takes one

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        *,
        subfolder: str | None = None,
        filename: str | None = None,
        format: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> Self:
        """Loads a saved object, strictly, and in eval mode.

        Nothing in the files is ever executed, and shapes are compared with the config before tensors are read.

        Args:
            source: a folder written by :meth:`save_pretrained`, by the pipeline's (the part of this class is taken), a
                checkpoint of another program (a folder or a file), the id of a repository on the Hugging Face Hub,
                "hf://owner/name/file" or the address of a file there, the short name of a released model (docs/models.md),
                or "builtin:<name>".
            subfolder: a folder inside the source.
            filename: of several files of weights the one that is meant.
            format: the family of another program's checkpoint, see docs/checkpoints.md; by default it is found out from
                the file itself.
            revision: branch, tag or commit on the Hub.
            token: for private repositories.
            cache_dir: where downloads are kept.
            local_files_only: use what was downloaded before.
            dtype: of floating-point weights, as torch.dtype or by name. By default float32, or float64 where the file
                has it: half precision in a file is taken as a way to ship weights.
            torch_dtype: another name for ``dtype``.
            device: where to put the weights; the CPU by default.
            **options: for checkpoints of other programs, e.g. ``config="project.yaml"`` or ``n_head=16``.

        Raises:
            FileNotFoundError: if there is no such source.
            CheckpointError: if it is no checkpoint of this class, damaged, or at odds with its config.
            UnsafeFileError: if it asks for more than data.
            TypeError: for an unknown option, with the nearest right one.
            ValueError: for an unknown dtype or format, or two different dtypes.
        """
        wanted = resolve_dtype(dtype, torch_dtype)
        origin = Origin(source, subfolder, filename, revision, token, cache_dir, local_files_only)
        origin, options = by_short_name(origin, cls.__name__, options)
        path = located(origin, cls.__name__)
        with reading(path):
            path = component_folder(path, cls.__name__) or path
            source_of_weights = provenance(path)
            source_of_weights.warn()
            if path.suffix == ".safetensors" and is_saved(path.parent):
                path = path.parent  # a file of ours stands for its folder
            if is_saved(path) and format is None:
                refuse_options(options, cls.from_pretrained)
                config, tensors = _read_own(cls, path)
            else:
                config, tensors = foreign_formats().read(path, cls.__name__, options, format=format)
        loaded = cls.assemble(config, tensors, dtype=wanted, device=device, where=str(path))
        loaded.source = source_of_weights
        return loaded

    @classmethod
    def inspect(
        cls,
        source: str | os.PathLike[str],
        *,
        subfolder: str | None = None,
        filename: str | None = None,
        format: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        **options: Any,
    ) -> CheckpointReport:
        """What a checkpoint is and how it can be loaded, without reading a tensor; ``print`` shows it.

        Arguments and errors are those of :meth:`from_pretrained`; from the Hub, the file is downloaded.
        """
        origin = Origin(source, subfolder, filename, revision, token, cache_dir, local_files_only)
        origin, options = by_short_name(origin, None, options)
        path = located(origin, cls.__name__)
        report: CheckpointReport = foreign_formats().inspect_path(path, format=format, options=options)
        return replace(report, source=provenance(path))

    @classmethod
    def assemble(
        cls,
        config: Any,
        tensors: Mapping[str, StoredTensor] | None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        where: str,
    ) -> Self:
        """The object that a config and stored tensors make, in eval mode.

        Args:
            config: of ``config_class``.
            tensors: by the names of the state dict; ``None`` for none.
            dtype: as for :meth:`from_pretrained`.
            device: as for :meth:`from_pretrained`.
            where: the file or folder, for messages.

        Raises:
            CheckpointError: where names or shapes do not fit the config.
        """
        if not issubclass(cls, nn.Module):
            return cls.from_config(config)
        check_numbers(to_json(config), tensors or {}, where)
        with build_on_meta(len(tensors or ()), where):
            model = cls.from_config(config)
        if tensors is None and model.state_dict():
            raise CheckpointError(f"{where} has no model.safetensors. It is incomplete: save or download it again.")
        load_strictly(model, tensors or {}, dtype=dtype, device=device, where=where)
        return model.eval()

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        dtype: torch.dtype | str | None = None,
        max_shard_size: int | str = "5GB",
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Writes the object to a folder, whole or not at all.

        Args:
            folder: is made if need be. In an existing folder our files are replaced and others left alone; a README.md
                that is there stays.
            dtype: of floating-point weights in the file, as torch.dtype or by name; by default as they are.
            max_shard_size: weights beyond it are split into several files, e.g. "2GB" or a number of bytes.
            metadata: goes into the headers of the files of weights, e.g. where they come from.

        Returns:
            the folder.

        Raises:
            FileExistsError: if the path is a file, or a folder with a checkpoint of another program or a pipeline.
            ValueError: for an unknown dtype.
        """
        wanted = resolve_dtype(dtype)
        folder = Path(folder).expanduser()
        refuse_other_programs_folder(folder)
        with atomic_folder(folder, STALE) as draft:
            self.write_files(draft, dtype=wanted, max_shard_size=max_shard_size, metadata=metadata)
            if not (folder / "README.md").exists():
                write_model_card(draft, type(self).__name__, pipeline_tag=self.pipeline_tag)
        return folder

    def write_files(
        self,
        folder: Path,
        *,
        dtype: torch.dtype | None,
        max_shard_size: int | str = "5GB",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Writes config.json and, if there are parameters, safetensors files into an existing folder."""
        fields = {"_class_name": type(self).__name__, "_package_version": __version__, **to_json(self.config)}
        (folder / CONFIG).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tensors = {name: t.cpu() for name, t in self.state_dict().items()} if isinstance(self, nn.Module) else {}
        if not tensors:
            return
        from huggingface_hub import save_torch_state_dict

        if dtype is not None:
            tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
        save_torch_state_dict(
            tensors, folder, max_shard_size=max_shard_size, metadata=dict(metadata) if metadata else None
        )
        for path in folder.glob("model*.safetensors"):
            path.chmod((folder / CONFIG).stat().st_mode)  # safetensors makes files that nobody else may read

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | bool | None = None,
        private: bool | None = None,
        commit_message: str = "Upload with vqgan_transformer",
        revision: str | None = None,
    ) -> str:
        """Uploads what :meth:`save_pretrained` writes to the Hugging Face Hub.

        Args:
            repo_id: "name" or "organisation/name"; the repository is made if need be.
            token: with permission to write; by default that of the login.
            private: whether a new repository is private.
            commit_message: of the upload.
            revision: the branch.

        Returns:
            the address of the commit. A README.md that is on the Hub already stays; weights of a former upload that would
            win over the new ones are removed.

        Raises:
            FileExistsError: for a repository that holds a saved pipeline.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(Path(temporary) / "model")
            return upload(
                folder, repo_id, token=token, private=private, commit_message=commit_message, revision=revision
            )


def upload(
    folder: Path,
    repo_id: str,
    *,
    token: str | bool | None,
    private: bool | None,
    commit_message: str,
    revision: str | None,
) -> str:
    """Uploads a saved folder; arguments and result as for :meth:`Pretrained.push_to_hub`."""
    import huggingface_hub

    api = huggingface_hub.HfApi(token=token)
    repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    try:
        there = set(api.list_repo_files(repository, revision=revision))
    except huggingface_hub.errors.RevisionNotFoundError:  # nothing yet
        there = set()
    if MODEL_INDEX in there and not (folder / MODEL_INDEX).exists():
        raise FileExistsError(
            f"{repository} holds a saved pipeline, which would win over what is uploaded: give another repository."
        )
    parts = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    stale = [
        name
        for name in there
        if any(fnmatch(name, f"{part}/{old}".removeprefix("./")) for part in parts for old in STALE)
    ]
    commit = api.upload_folder(
        repo_id=repository,
        folder_path=folder,
        commit_message=commit_message,
        revision=revision,
        ignore_patterns=["README.md"] if "README.md" in there else None,
        delete_patterns=list(map(escape, stale)) or None,  # but for those that are uploaded anew
    )
    return str(commit.commit_url)


def refuse_options(options: Mapping[str, Any], function: Any) -> None:
    """Raises a TypeError if there are any options: our own format takes none."""
    if options:
        known = {name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
        name = next(iter(options))
        if name in foreign_formats().all_options():
            raise TypeError(f"{name}= is for checkpoints of other programs; this one has its own config.json.")
        raise TypeError(f"unknown argument {name!r}.{nearest_name(name, known | foreign_formats().all_options())}")


def _read_own(cls: type[Pretrained], folder: Path) -> tuple[Any, Mapping[str, StoredTensor] | None]:
    path = folder / CONFIG
    data = read_json(path)
    name = data.pop("_class_name")
    if name != cls.__name__:
        raise CheckpointError(f"{folder} holds a {name}, not a {cls.__name__}: load it with {name}.from_pretrained.")
    fields = {field: value for field, value in data.items() if not field.startswith("_")}
    return from_json(cls.config_class, fields, str(path)), read_weights(folder)

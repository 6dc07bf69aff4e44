"""A file or folder as all families see it: which file holds the weights, their names and shapes, json and yaml beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import CheckpointError
from ...storage.config_json import read_json
from ...storage.shards import read_sharded, shards_with_vqgan
from ...storage.weight_files import FLAX, FOLDERS, INDEX, SAFE, YAML, holds_weights, weight_file
from ...storage.weights import StoredTensor, read_safetensors
from ..safe_unpickle import LazyCheckpoint, read_checkpoint
from ..safe_yaml import read_yaml
from .flax_tensors import read_msgpack
from .yaml_section import Section

__all__ = ["Opened"]

STATE_DICTS = ("state_dict", "ema", "model", "module")
"""Where a pickled file keeps its state dict, the first that is there; by default at its top level."""


class Opened:
    """A local file or folder, looked at once.

    Args:
        path: the file, or a folder that holds one.
    """

    def __init__(self, path: Path):
        self.path = path

    def __str__(self) -> str:
        return str(self.file or self.path)

    @cached_property
    def file(self) -> Path | None:
        """The file with the weights; ``None`` if there is none.

        Of a run folder of the original (``checkpoints/``, ``ckpts/``) last.ckpt, if there are several.

        Raises:
            CheckpointError: where there are several, and none has a usual name.
        """
        if self.path.is_file():
            return self.path if holds_weights(self.path.name) else None
        folders = [self.path / folder for folder in FOLDERS]
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()]
        name = weight_file([file.relative_to(self.path).as_posix() for file in files], self.path)
        return None if name is None else self.path / name

    @cached_property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """The weights by the names in the file, not read yet; none if there is no such file."""
        if self.file is None:
            return {}
        if self.file.name.endswith(INDEX):
            return read_sharded(self.file, shards_with_vqgan(self.file))
        if self.file.suffix == SAFE:
            return read_safetensors(self.file)
        if self.file.suffix == FLAX:
            return read_msgpack(self.file)
        return self._unpickled.tensors(*STATE_DICTS)

    @cached_property
    def lightning(self) -> tuple[int, ...]:
        """The version of Lightning that wrote a pickled file, e.g. (1, 0, 8); empty if none did."""
        if self.file is None or self.file.suffix in (SAFE, FLAX) or self.file.name.endswith(INDEX):
            return ()
        content = self._unpickled.content
        version = content.get("pytorch-lightning_version") if isinstance(content, dict) else None
        numbers = re.match(r"\d{1,4}(\.\d{1,4})*", version) if isinstance(version, str) else None
        return tuple(int(number) for number in numbers[0].split(".")) if numbers is not None else ()

    @cached_property
    def _unpickled(self) -> LazyCheckpoint:
        assert self.file is not None
        return read_checkpoint(self.file)

    @property
    def is_flax(self) -> bool:
        """Whether the weights are Flax's."""
        return self.file is not None and self.file.suffix == FLAX

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The fields of the config.json beside the weights; empty if there is none."""
        place = (self.file or self.path).parent if self.path.is_file() else self.path
        return read_json(place / "config.json") if (place / "config.json").is_file() else {}

    @property
    def class_name(self) -> str | None:
        """The class that the config.json names. It is a name to compare; nothing is imported."""
        named = self.config.get("_class_name") or self.config.get("model_type")
        return named if isinstance(named, str) else None

    @cached_property
    def yaml(self) -> Section | None:
        """The yaml file beside the weights; ``None`` if there is none."""
        path = self._find_yaml()
        return Section(read_yaml(path), str(path)) if path is not None else None

    def with_yaml(self, path: str | Path | None) -> Section | None:
        """The given yaml file, or by default the one that was found.

        Raises:
            FileNotFoundError: if the given one does not exist.
        """
        if path is None:
            return self.yaml
        path = Path(path).expanduser()
        return Section(read_yaml(path), str(path))

    def below(self, prefix: str) -> dict[str, StoredTensor]:
        """The tensors whose names begin so, without that beginning."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def prefixes(self, name: str) -> list[str]:
        """What stands before a name in the names of tensors that end with it."""
        return [each.removesuffix(name) for each in self.tensors if each == name or each.endswith("." + name)]

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        """The shape of a tensor that is needed.

        Raises:
            CheckpointError: if it is missing, or has another number of axes.
        """
        tensor = self.tensors.get(name)
        if tensor is None or len(tensor.shape) != axes or 0 in tensor.shape:
            found = "missing" if tensor is None else f"of shape {tensor.shape}"
            raise CheckpointError(f"{self}: {name} is {found}; it should have {axes} axes. Is the file complete?")
        return tensor.shape

    def _find_yaml(self) -> Path | None:
        """The yaml file of a run: of those that end in -project.yaml the latest by name, or another single one."""
        if self.file is None:
            return None
        run = self.path if self.path.is_dir() else self.file.parent
        if self.path.is_file() and run.name in ("checkpoints", "ckpts"):
            run = run.parent
        for folder in (run / "configs", run):
            files = [file for file in folder.iterdir() if file.suffix in YAML] if folder.is_dir() else []
            files = sorted(file for file in files if not file.stem.endswith("lightning"))
            projects = [file for file in files if file.stem.endswith("project")]
            if projects or len(files) == 1:
                return (projects or files)[-1]
            model = [file for file in files if file.stem in ("model", "config")]
            if len(files) > 1 and not model:
                names = ", ".join(file.name for file in files)
                raise CheckpointError(f"{folder} has several configs ({names}). Pass the right one with config=.")
            if model:
                return model[-1]
        return None

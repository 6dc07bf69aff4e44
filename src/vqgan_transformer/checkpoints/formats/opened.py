"""A file or folder as all families see it: which file holds the weights, their names and shapes, json and yaml beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, warn
from ...storage.config_json import read_json
from ...storage.file_kinds import PICKLE, SAFETENSORS, ZIP, kind_of
from ...storage.shards import read_sharded, shards_with_vqgan
from ...storage.weight_files import FLAX, FOLDERS, INDEXES, PICKLES, SAFE, YAML, weight_file
from ...storage.weights import StoredTensor, read_safetensors
from ..safe_unpickle import LazyCheckpoint, read_checkpoint, refuse_shared
from ..safe_yaml import read_yaml
from ..state_dicts import StateDicts, state_dicts
from .flax_tensors import read_msgpack
from .yaml_section import Section

__all__ = ["Opened"]

CHOICES = ("ema", "raw")


class Opened:
    """A local file or folder, looked at once.

    Args:
        path: the file, or a folder that holds one.
        weights: "ema" for the running average of the weights, "raw" for the weights themselves, where a file has both.
            By default what the family's program uses.
        format: the family, if the user named it.
    """

    def __init__(self, path: Path, *, weights: str | None = None, format: str | None = None):
        if weights not in (None, *CHOICES):
            raise ValueError(f"weights is 'ema' or 'raw', got {weights!r}.")
        self.path, self.weights, self.format = path, weights, format

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
            return self.path
        folders = [self.path / folder for folder in FOLDERS]
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()]
        name = weight_file([file.relative_to(self.path).as_posix() for file in files], self.path)
        return None if name is None else self.path / name

    @property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """The weights by the names that their program gives them, not read yet; none if there is no such file.

        Raises:
            CheckpointError: for a file that holds none, or not those that were asked for.
        """
        stored = self.state_dicts
        wanted = {"ema": stored.averaged, "raw": stored.trained}
        if self.weights is not None and not wanted[self.weights] and any(wanted.values()):
            raise CheckpointError(
                f"{self} has {'no running average of its' if self.weights == 'ema' else 'the running average of its'} "
                f"weights{'' if self.weights == 'ema' else ' only'}: leave weights= out."
            )
        return wanted[self.weights] if self.weights is not None else stored.averaged or stored.trained

    @cached_property
    def state_dicts(self) -> StateDicts:
        """The weights and their running average, freed from what programs wrap around them."""
        if self.file is None:
            return StateDicts({}, {})
        stored = state_dicts(self._content, self)
        if not self.file.name.endswith(INDEXES):
            refuse_shared(self.file, (stored.trained | stored.averaged).values())
        return stored

    def sampled_with(self, average: bool | None) -> Opened:
        """The same, of the weights that the family's program uses.

        Args:
            average: whether that is the running average; ``None`` if there is no knowing, which a warning says.
        """
        chosen = copy(self)
        if self.weights is None and self.state_dicts.has_both:
            chosen.weights = "raw" if average is False else "ema"
            if average is None:
                warn(
                    f"{self} holds its weights and their running average; the average is taken. Pass weights='raw' for the "
                    "weights themselves, or weights='ema' for the average without this warning."
                )
        return chosen

    def under(self, prefix: str) -> Opened:
        """The same, of the part whose names begin so."""
        part = copy(self)
        trained, averaged = (
            {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            for tensors in (self.state_dicts.trained, self.state_dicts.averaged)
        )
        part.state_dicts = StateDicts(trained, averaged)
        return part

    @cached_property
    def _content(self) -> Any:
        """Tensors by name, or for pickles whatever they hold."""
        assert self.file is not None
        for index, read in ((INDEXES[0], read_safetensors), (INDEXES[1], _read_shard)):
            if self.file.name.endswith(index):
                ending = index.removesuffix(".index.json")
                return read_sharded(self.file, shards_with_vqgan(self.file), ending=ending, read=read)
        if self.file.suffix == FLAX:
            return read_msgpack(self.file)
        if self.file.suffix == SAFE:
            return read_safetensors(self.file)
        if self.file.suffix in PICKLES:
            return self._unpickled.content
        kind = kind_of(self.file)  # another ending, or none
        if kind == SAFETENSORS:
            return read_safetensors(self.file)
        if kind in (ZIP, PICKLE):
            return self._unpickled.content
        raise CheckpointError(
            f"{self.file} is no checkpoint that can be loaded{f': it is {kind}' if kind else ''}. Files of weights end in "
            f"{', '.join((*PICKLES, SAFE, FLAX))}."
        )

    @cached_property
    def lightning(self) -> tuple[int, ...]:
        """The version of Lightning that wrote a pickled file, e.g. (1, 0, 8); empty if none did."""
        if self.file is None or self.file.suffix not in PICKLES:
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
        return Section.of_run(read_yaml(path), str(path)) if path is not None else None

    def with_yaml(self, path: str | Path | None) -> Section | None:
        """The given yaml file, or by default the one that was found.

        Raises:
            FileNotFoundError: if the given one does not exist.
        """
        if path is None:
            return self.yaml
        path = Path(path).expanduser()
        return Section.of_run(read_yaml(path), str(path))

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
            actual = "missing" if tensor is None else f"of shape {tensor.shape}"
            raise CheckpointError(f"{self}: {name} is {actual}; it should have {axes} axes. Is the file complete?")
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


def _read_shard(path: Path) -> Mapping[str, StoredTensor]:
    tensors = state_dicts(read_checkpoint(path).content, path).trained
    refuse_shared(path, tensors.values())
    return tensors

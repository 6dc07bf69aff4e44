"""The files of a training run of the original program, and its yaml config read field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CheckpointError
from ..safe_unpickle import read_checkpoint
from ..safe_yaml import read_yaml
from ..weights import StoredTensor, read_safetensors

__all__ = ["Run", "Section", "find_checkpoint", "find_config", "find_run"]

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
STATE_DICTS = ("state_dict", "model")
YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Section:
    """A part of a yaml config, and where it stands, so that errors can say what is wrong where."""

    data: Mapping[str, Any]
    where: str

    def __contains__(self, name: str) -> bool:
        return self.data.get(name) is not None

    def section(self, name: str) -> Section:
        """A part of it that is a mapping."""
        return Section(self._get(name, dict, "a mapping"), f"{self.where}.{name}")

    def text(self, name: str) -> str:
        """A string."""
        return self._get(name, str, "a string")

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return self._get(name, int, "a whole number", default)

    def number(self, name: str, default: float | None = None) -> float:
        """A number; yaml reads 1e-4, without a point, as a string."""
        value = self.data.get(name)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        return float(self._get(name, int | float, "a number", default))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be true or false, got {value!r}.")
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self._get(name, list, "a list of whole numbers")
        if any(type(value) is not int for value in values):
            raise CheckpointError(f"{self.where}.{name} should be a list of whole numbers, got {values!r}.")
        return tuple(values)

    @property
    def target(self) -> str:
        """The last part of the dotted name of the class. It is a name to compare; nothing is imported."""
        return self.text("target").rpartition(".")[2]

    def _get(self, name: str, kind: Any, described: str, default: Any = None) -> Any:
        value = self.data.get(name, default)
        if value is None:
            raise CheckpointError(f"{self.where}.{name} is missing; it should be {described}.")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CheckpointError(f"{self.where}.{name} should be {described}, got {value!r}.")
        return value


@dataclass(frozen=True)
class Run:
    """A checkpoint file, what is in it, and the config that goes with it.

    Attributes:
        checkpoint: the file.
        tensors: by the original's names, not read yet.
        model: the config's section "model"; ``None`` if there is no config.
    """

    checkpoint: Path
    tensors: Mapping[str, StoredTensor]
    model: Section | None

    @property
    def is_transformer(self) -> bool:
        """Whether it holds a GPT beside VQGANs."""
        return "transformer.tok_emb.weight" in self.tensors

    def part(self, prefix: str) -> dict[str, StoredTensor]:
        """The tensors whose names begin so, without that beginning."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}


def find_run(path: Path, config: str | Path | None = None) -> Run:
    """What there is at a path: a run folder, or a checkpoint file in one or by itself.

    Args:
        path: the folder or file.
        config: the yaml file, where it does not lie in its usual place.

    Raises:
        FileNotFoundError: if ``config`` does not exist.
        CheckpointError: if there is no checkpoint, or one that is damaged.
    """
    checkpoint = find_checkpoint(path)
    if checkpoint is None:
        raise CheckpointError(f"{path} has no checkpoint (checkpoints/last.ckpt).")
    yaml = Path(config).expanduser() if config is not None else find_config(path, checkpoint)
    model = Section(read_yaml(yaml), str(yaml)).section("model") if yaml is not None else None
    return Run(checkpoint, read_tensors(checkpoint), model)


def read_tensors(checkpoint: Path) -> Mapping[str, StoredTensor]:
    """The weights in a checkpoint file."""
    if checkpoint.suffix == ".safetensors":
        return read_safetensors(checkpoint)
    return read_checkpoint(checkpoint).tensors(*STATE_DICTS)


def find_checkpoint(path: Path) -> Path | None:
    """The checkpoint file of a run folder, last.ckpt if there are several; a file stands for itself."""
    if path.is_file():
        return path if path.suffix in (*PICKLES, ".safetensors") else None
    for folder in (path / "checkpoints", path / "ckpts", path):
        files = [file for file in folder.iterdir() if file.suffix in PICKLES] if folder.is_dir() else []
        last = [file for file in files if file.stem == "last"]
        if len(last or files) > 1:
            names = ", ".join(sorted(file.name for file in files))
            raise CheckpointError(f"{folder} has several checkpoints ({names}) and no last.ckpt. Pass the path of one.")
        if files:
            return (last or files)[0]
    return None


def find_config(path: Path, checkpoint: Path) -> Path | None:
    """The yaml file of a run: of those that end in -project.yaml the latest by name, or another single one."""
    run = path if path.is_dir() else checkpoint.parent
    if path.is_file() and run.name in ("checkpoints", "ckpts"):
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

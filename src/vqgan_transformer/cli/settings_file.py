"""Settings files: a yaml (or json) that says what a run is to do, and that every run leaves behind."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .types import UsageError

__all__ = ["read_settings", "write_settings", "write_whole"]

MOST_BYTES = 2**20


class _Loader(yaml.SafeLoader):
    """Plain yaml as people mean it: ``no`` is a word, ``1e-4`` a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float", ":timestamp"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false", re.I), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?|[-+]?\.inf|\.nan"),
    list("-+0123456789."),
)


class _Dumper(yaml.SafeDumper):
    """Writes what :class:`_Loader` reads."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


_Dumper.add_representer(list, _Dumper.represent_list)


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a settings file.

    Raises:
        FileNotFoundError: if there is no such file.
        UsageError: for what is no mapping from names to values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--config: there is no file {str(path)!r}.")
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} has {path.stat().st_size} bytes; a settings file has at most {MOST_BYTES}.")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as yaml: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path} should hold options by name, such as 'seed: 3', got {type(data).__name__}.")
    return data


def write_settings(path: Path, command: str, values: Mapping[str, Any]) -> None:
    """Writes what a run used, so that ``vqgan-transformer COMMAND --config FILE`` does the same again.

    Args:
        path: of the file; paths in it are written as seen from its folder.
        command: the command's name.
        values: options by name.
    """
    folder = path.parent
    data = {"command": command, **{name: _portable(value, folder) for name, value in values.items()}}
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
    title = f"# vqgan-transformer {command} --config {path.name}\n"
    write_whole(path, lambda draft: draft.write_text(title + text, encoding="utf-8"))


def write_whole(path: Path, write: Any) -> None:
    """Writes a file under another name and renames it, so that it is there whole or not at all.

    Args:
        path: of the file; its folder is made if need be.
        write: called with the path of the draft, which has the same ending.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _portable(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        try:
            return Path(os.path.relpath(value, folder)).as_posix()
        except ValueError:  # another drive
            return value.resolve().as_posix()
    if isinstance(value, Mapping):
        return {str(name): _portable(item, folder) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item, folder) for item in value]
    return value

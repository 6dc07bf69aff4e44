"""What a checkpoint is, told from its headers: no tensor is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, reading
from ..storage.checkpoint_report import CheckpointReport
from ..storage.config_json import read_json, to_json
from ..storage.folder_layout import CONFIG, LIBRARY, MODEL_INDEX, component_folder, is_saved, library_entries
from ..storage.shards import read_weights
from ..storage.weights import StoredTensor
from . import formats

__all__ = ["inspect_path"]


def inspect_path(path: Path, *, format: str | None = None, options: Mapping[str, Any]) -> CheckpointReport:
    """What there is at a local path; arguments as for ``from_pretrained``, options only where they apply.

    Raises:
        CheckpointError: if it is nothing that can be loaded.
    """
    with reading(path):
        return _inspect(path, format, options)


def _inspect(path: Path, format: str | None, options: Mapping[str, Any]) -> CheckpointReport:
    if format is None and (path / MODEL_INDEX).is_file():
        libraries = {library for library, _ in library_entries(path).values()}
        if libraries == {LIBRARY}:
            return _own_pipeline(path)
        path = component_folder(path, "VQGAN") or path
    if format is None and path.suffix == ".safetensors" and is_saved(path.parent):
        path = path.parent
    if format is None and is_saved(path):
        name, config = _own(path)
        return _report(path, LIBRARY, "saved by save_pretrained", read_weights(path) or {}, {name: config}, {})
    return _foreign(path, format, options)


def _foreign(path: Path, format: str | None, options: Mapping[str, Any]) -> CheckpointReport:
    opened, family = formats.identify(formats.Opened(path, weights=options.get("weights"), format=format), format)
    holds: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, reader in family.readers.items():
        known = {option: value for option, value in options.items() if option in family.options(name)}
        try:
            contents = reader(opened, **known)
        except (CheckpointError, ValueError) as error:
            problems[name] = str(error)
            continue
        if isinstance(contents, dict):
            holds[name] = {part: {kind: to_json(config)} for part, (kind, config, *_) in contents.items()}
        else:
            holds[name] = to_json(contents[0])
    return _report(path, family.name, family.description, opened.tensors, holds, problems)


def _own_pipeline(path: Path) -> CheckpointReport:
    parts: dict[str, Any] = {}
    tensors: dict[str, StoredTensor] = {}
    for part in library_entries(path):
        name, config = _own(path / part)
        parts[part] = {name: config}
        tensors |= {f"{part}.{key}": tensor for key, tensor in (read_weights(path / part) or {}).items()}
    name = str(read_json(path / MODEL_INDEX).get("_class_name"))
    return _report(path, LIBRARY, "a pipeline saved by save_pretrained", tensors, {name: parts}, {})


def _own(folder: Path) -> tuple[str, dict[str, Any]]:
    data = read_json(folder / CONFIG)
    return str(data.get("_class_name")), {name: value for name, value in data.items() if not name.startswith("_")}


def _report(
    path: Path,
    format: str,
    description: str,
    tensors: Mapping[str, StoredTensor],
    holds: Mapping[str, Any],
    problems: Mapping[str, str],
) -> CheckpointReport:
    parameters = sum(math.prod(tensor.shape) for tensor in tensors.values())
    size = sum(tensor.bytes for tensor in tensors.values())
    return CheckpointReport(path, format, description, len(tensors), parameters, size, holds, problems)

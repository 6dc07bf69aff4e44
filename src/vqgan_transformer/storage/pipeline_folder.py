"""The layout of a saved pipeline: model_index.json, and a folder for each part.

model_index.json                       the classes of the parts
config.json                            a line of facts; requests for it are what the Hub counts as downloads
vqgan/  gpt/  planner/  sampler/       config.json, model.safetensors; few pipelines have a planner
conditions/<name>/                     likewise
README.md                              a model card
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, nearest_name
from ..version import __version__
from .atomic_folder import atomic_folder
from .config_json import read_json
from .folder_layout import CONFIG, LIBRARY, MODEL_INDEX, index_entries, refuse_other_programs_folder
from .model_card import write_model_card
from .pretrained import STALE, Pretrained

__all__ = ["is_pipeline", "read_index", "save_components"]


def is_pipeline(path: Path) -> bool:
    """Whether a path is a folder with a model_index.json."""
    return (path / MODEL_INDEX).is_file()


def save_components(
    folder: Path,
    class_name: str,
    components: Mapping[str, Pretrained],
    *,
    dtype: torch.dtype | None = None,
    max_shard_size: int | str = "5GB",
    metadata: Mapping[str, str] | None = None,
    card: Mapping[str, str] | None = None,
) -> None:
    """Writes a pipeline to a folder, whole or not at all.

    Args:
        folder: is made if need be; in an existing one our files are replaced and others left alone.
        class_name: the pipeline's.
        components: by their subfolder, e.g. "vqgan", "conditions/segmentation".
        dtype: of the weights in the files; ``None`` as they are.
        max_shard_size: weights beyond it are split into several files.
        metadata: goes into the headers of the files of weights.
        card: what the model card says beside the names of the conditions.
    """
    index: dict[str, Any] = {"_class_name": class_name, "_package_version": __version__}
    for part, component in components.items():
        group, _, name = part.rpartition("/")
        (index.setdefault(group, {}) if group else index)[name] = [LIBRARY, type(component).__name__]
    conditions = list(index.get("conditions", {}))
    facts = {"_class_name": class_name, "library_name": LIBRARY, "conditions": conditions}
    refuse_other_programs_folder(folder, pipeline=True)
    for part in components:
        refuse_other_programs_folder(folder / part)
    with atomic_folder(folder, STALE) as draft:
        for part, component in components.items():
            (draft / part).mkdir(parents=True)
            component.write_files(draft / part, dtype=dtype, max_shard_size=max_shard_size, metadata=metadata)
        for name, content in ((MODEL_INDEX, index), (CONFIG, facts)):
            (draft / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        if not (folder / "README.md").exists():
            facts_of_card = {"conditions": ", ".join(conditions), **(card or {})}
            write_model_card(draft, class_name, pipeline_tag="image-to-image", facts=facts_of_card)


def read_index(folder: Path, class_name: str, known: Mapping[str, type[Pretrained]]) -> dict[str, type[Pretrained]]:
    """The parts of a saved pipeline: subfolder -> class.

    Args:
        folder: of the pipeline.
        class_name: the pipeline's.
        known: the classes there can be. Names in the file are looked up here and nowhere else.

    Raises:
        CheckpointError: for another kind of pipeline, or a part that is none of ``known``.
    """
    path = folder / MODEL_INDEX
    stored_name = read_json(path).get("_class_name")
    if stored_name != class_name:
        raise CheckpointError(f"{path} describes a {stored_name!r}, not a {class_name!r}.")
    entries = index_entries(folder)
    for part, name in entries.items():
        if name not in known:
            raise CheckpointError(
                f"{path}: {part} is a {name!r}, which this package does not have.{nearest_name(name, known)} Known are "
                f"{', '.join(known)}."
            )
    return {part: known[name] for part, name in entries.items()}

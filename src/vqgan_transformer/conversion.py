"""Checkpoints of other programs, converted to our own format once and for all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from .errors import CheckpointError
from .gpt.model import CondGPT
from .pipeline.pipeline import ImageSynthesisPipeline
from .storage.folder_layout import refuse_other_programs_folder
from .storage.model_card import write_model_card
from .vqgan.model import VQGAN

__all__ = ["convert_checkpoint", "load_checkpoint"]


def load_checkpoint(source: str | os.PathLike[str], **options: Any) -> ImageSynthesisPipeline | VQGAN | CondGPT:
    """The most that a checkpoint holds: a pipeline, otherwise a VQGAN, otherwise a GPT.

    Args:
        source: as for ``VQGAN.from_pretrained``.
        **options: likewise; those of a family apply where they can.

    Raises:
        CheckpointError: where it holds none of them, or what it holds needs an option to be loaded.
        FileNotFoundError: if there is no such source.
    """
    place = ("subfolder", "filename", "format", "revision", "token", "cache_dir", "local_files_only")
    report = VQGAN.inspect(
        source, **{name: value for name, value in options.items() if name not in ("dtype", "device")}
    )
    if "ImageSynthesisPipeline" in report.holds:
        return ImageSynthesisPipeline.from_pretrained(source, **options)
    given = {name: value for name, value in options.items() if name in (*place, "dtype", "device")}
    model_options = {name: value for name, value in options.items() if name not in given}
    for kind in (VQGAN, CondGPT):
        if kind.__name__ in report.holds:
            return kind.from_pretrained(source, **given, **model_options)
    reasons = "".join(f"\n  {', '.join(names)}: {reason}" for reason, names in report.refusals.items())
    raise CheckpointError(f"{source} cannot be loaded as it is.{reasons}")


def convert_checkpoint(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    save_dtype: torch.dtype | str | None = None,
    max_shard_size: int | str = "5GB",
    licence: str | None = None,
    **options: Any,
) -> Path:
    """Writes a checkpoint of any known family in our own format: safetensors, config.json and a model card.

    A pipeline is converted whole where the checkpoint holds one, otherwise its VQGAN or GPT.

    Args:
        source: as for ``VQGAN.from_pretrained``.
        folder: is made if need be, complete or not at all.
        save_dtype: of the weights in the file, e.g. "bfloat16"; by default as they are.
        max_shard_size: weights beyond it are split into several files.
        licence: of the weights, by its identifier on the Hub, e.g. "mit"; by default that of the checkpoint's own card.
            It goes into the model card, as does where the weights come from, which the files' headers have, too.
        **options: as for ``VQGAN.from_pretrained``.

    Returns:
        the folder.

    Raises:
        CheckpointError: where the checkpoint cannot be loaded.
        FileExistsError: if the folder holds a checkpoint of another program, e.g. the source itself.
        FileNotFoundError: if there is no such source.
    """
    folder = Path(folder).expanduser()
    refuse_other_programs_folder(folder, pipeline=True)
    own_card = (folder / "README.md").exists()
    if save_dtype is not None:
        options.setdefault("dtype", save_dtype)  # read as it is written: half the memory
    model = load_checkpoint(source, **options)
    origin = model.source
    assert origin is not None  # it was loaded
    facts = origin.facts() | ({"licence": licence} if licence is not None else {})
    model.save_pretrained(folder, dtype=save_dtype, max_shard_size=max_shard_size, metadata=facts)
    if not own_card:
        facts.pop("licence", None)  # has a place of its own
        name = facts.pop("repository", None) or (Path(source).name if Path(source).exists() else os.fspath(source))
        write_model_card(
            folder,
            type(model).__name__,
            pipeline_tag="image-to-image" if isinstance(model, ImageSynthesisPipeline) else None,
            facts={key: f"`{value}`" for key, value in {"converted from": name, **facts}.items()},
            licence=licence or origin.licence,
            licence_name=origin.licence_name if licence is None else None,
            licence_link=origin.licence_link if licence is None else None,
            base_model=origin.repository,
        )
    return folder

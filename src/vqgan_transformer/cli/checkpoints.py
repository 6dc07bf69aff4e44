"""``inspect``, ``verify`` and ``convert``: what a checkpoint is, whether it is loaded rightly, and our own format."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from .command import Command, Console
from .options import Option, parameters_as_options
from .sources import place_of, place_options
from .types import Source

__all__ = ["CONVERT", "INSPECT", "VERIFY"]


def _options() -> list[Option]:
    source = Option(
        "source",
        Source,
        MISSING,
        "a file, a folder, the id of a repository on the Hub, hf://… or https://…",
        "checkpoint",
    )
    option = Option(
        "option", dict[str, Any], None,
        "an option of the family, e.g. --option n_head=16 or --option config=project.yaml; may be repeated", "checkpoint",
    )  # fmt: skip
    return [source, *place_options("checkpoint"), option]


def _convert_options() -> list[Option]:
    from ..conversion import convert_checkpoint

    folder = Option("folder", Path, MISSING, "where to write to", "result")
    dtype = Option(
        "dtype", str | None, None, "of the weights in the file, e.g. bfloat16; by default as they are", "result"
    )
    shards = parameters_as_options(convert_checkpoint, "result", ("max_shard_size", "licence"))
    return [*_options(), folder, dtype, *shards, Option("license", str | None, None, "another spelling", "result")]


def _taken_apart(values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return values.pop("source"), {**place_of(values), **values.pop("option", {})}


def inspect(values: dict[str, Any], console: Console) -> None:
    """Says what a checkpoint is."""
    from ..vqgan.model import VQGAN

    source, options = _taken_apart(values)
    report = VQGAN.inspect(source, **options)
    console.result(dataclasses.asdict(report), str(report))


def verify(values: dict[str, Any], console: Console) -> None:
    """Loads a checkpoint and says how well it reconstructs."""
    from ..verification import verify_checkpoint

    source, options = _taken_apart(values)
    verification = verify_checkpoint(source, **options)
    console.result(dataclasses.asdict(verification), str(verification))


def convert(values: dict[str, Any], console: Console) -> None:
    """Writes a checkpoint in our own format."""
    from ..conversion import convert_checkpoint

    source, options = _taken_apart(values)
    folder = convert_checkpoint(
        source,
        values["folder"],
        save_dtype=values.get("dtype"),
        licence=values.get("licence", values.get("license")),
        **{name: values[name] for name in ("max_shard_size",) if name in values},
        **options,
    )
    console.result({"folder": folder}, str(folder))


INSPECT = Command(
    "inspect",
    "say what a checkpoint is, without reading its weights",
    inspect,
    _options,
    positional=("source",),
    further="option",
    examples=(
        "vqgan-transformer inspect logs/2020-11-09T13-31-51_sflckr",
        "vqgan-transformer inspect gpt.pt n_head=16",
    ),
)
VERIFY = Command(
    "verify",
    "load a checkpoint, reconstruct a picture, compare with the original program if installed",
    verify,
    _options,
    positional=("source",),
    further="option",
    examples=("vqgan-transformer verify builtin:scenes",),
)
CONVERT = Command(
    "convert",
    "write a checkpoint in this package's own format (safetensors)",
    convert,
    _convert_options,
    positional=("source", "folder"),
    further="option",
    examples=("vqgan-transformer convert last.ckpt my-vqgan --option config=project.yaml --dtype bfloat16",),
)

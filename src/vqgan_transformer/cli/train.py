"""``train-vqgan`` and ``train-gpt``: the two stages, from a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, Console
from .options import Option, fields_as_options, parameters_as_options
from .settings_file import write_settings
from .sources import given_for, kinds, make_condition, making_options
from .types import Source, literal, repeated

if TYPE_CHECKING:
    pass

__all__ = ["TRAIN_GPT", "TRAIN_VQGAN"]

DERIVED = (
    "vocab_size",
    "block_size",
    "window",
    "null_token",
    "condition_vocab_size",
    "conditions",
    "downsample_factor",
)
"""What follows from tokenizers, conditions and crops (``fitting_config``)."""

RUN = "run.yaml"


def _run_options(function: Any) -> list[Option]:
    """What both commands take: data, the run's folder, and how it goes on."""
    hints = {"data": Source, "folder": Path, "validation": Source, "init": Source, "vqgan": Source}
    names = ("data", "folder", "init", "validation", "resume")
    return parameters_as_options(function, "run", names, hints)


def _recipes(training: type) -> tuple[str, ...]:
    """The presets of a recipe: its constructors by name."""
    return tuple(name for name, member in vars(training).items() if isinstance(member, classmethod))


def _recipe_option(training: type) -> Option:
    return Option(
        "recipe",
        literal(_recipes(training)),
        "modern",
        "where the settings below start from",
        "recipe",
    )


def _vqgan_options() -> list[Option]:
    from ..training.settings import VQGANTraining
    from ..training.vqgan_training import train_vqgan
    from ..vqgan.model import VQGANConfig

    return [
        *_run_options(train_vqgan),
        *parameters_as_options(train_vqgan, "run", ("kind",)),
        _recipe_option(VQGANTraining),
        *fields_as_options(VQGANTraining.modern(), "recipe"),
        Option("architecture", literal(("modern", "paper")), "modern", "where the fields below start from", "model"),
        *fields_as_options(VQGANConfig.modern(), "model"),
        *(option for kind in kinds() for option in making_options(kind)),
    ]


def _gpt_options() -> list[Option]:
    from ..gpt.config import CondGPTConfig
    from ..training.gpt_training import train_cond_gpt
    from ..training.settings import GPTTraining

    names = [kind.name for kind in kinds()]
    recipe_fields = [field.name for field in fields(GPTTraining)]
    vqgan = Option(
        "vqgan", Source | None, None, "the tokenizer of pictures: a run folder or any other checkpoint", "run"
    )
    condition = Option(
        "condition", repeated(literal(names)), (),
        "the kinds of condition; several for aligned models", "run", several=True,
    )  # fmt: skip
    return [
        *_run_options(train_cond_gpt),
        vqgan,
        condition,
        _recipe_option(GPTTraining),
        *fields_as_options(GPTTraining.modern(), "recipe"),
        *fields_as_options(CondGPTConfig, "model", without=(*DERIVED, *recipe_fields)),
        *(option for kind in kinds() for option in making_options(kind)),
    ]


def _part(values: Mapping[str, Any], config: type) -> dict[str, Any]:
    """The fields of a dataclass among what was given."""
    return {field.name: values[field.name] for field in fields(config) if field.name in values}


def _run_arguments(values: Mapping[str, Any], console: Console) -> dict[str, Any]:
    given = {name: values[name] for name in ("validation", "resume") if name in values}
    return {**given, "progress": console.progress}


def train_vqgan(values: dict[str, Any], console: Console) -> None:
    """The first stage."""
    from ..training import vqgan_training
    from ..training.settings import VQGANTraining
    from ..vqgan.model import VQGAN, VQGANConfig

    recipe = getattr(VQGANTraining, values.get("recipe", "modern"))(**_part(values, VQGANTraining))
    kind = values.get("kind", "image")
    named = [known for known in kinds() if known.name == kind and given_for(known, values)]
    condition = make_condition(named[0], values) if named else None
    shape = _part(values, VQGANConfig)
    config = None
    if shape or "architecture" in values:
        channels: dict[str, Any] = {}
        if condition is not None and condition.aligned_input is not None:
            channels = dict.fromkeys(("in_channels", "out_channels"), condition.aligned_input[1])
        make = VQGANConfig if values.get("architecture") == "paper" else VQGANConfig.modern
        config = make(**{**channels, **shape})
    init = VQGAN.from_pretrained(values["init"]) if "init" in values else None
    _begin("train-vqgan", values, recipe)
    vqgan_training.train_vqgan(
        values["data"], values["folder"], config=config, training=recipe, init=init, kind=kind, condition=condition,
        **_run_arguments(values, console),
    )  # fmt: skip
    _end(values, console, "VQGAN")


def train_gpt(values: dict[str, Any], console: Console) -> None:
    """The second stage."""
    from ..conditions import Unconditional
    from ..gpt.config import CondGPTConfig
    from ..pipeline import ImageSynthesisPipeline
    from ..training.gpt_parts import fitting_config
    from ..training.gpt_training import train_cond_gpt
    from ..training.settings import GPTTraining
    from ..vqgan.model import VQGAN
    from .types import UsageError

    recipe = getattr(GPTTraining, values.get("recipe", "modern"))(**_part(values, GPTTraining))
    if "vqgan" not in values and "init" not in values:
        raise UsageError("train-gpt needs --vqgan, a trained tokenizer of pictures (see train-vqgan), or --init.")
    vqgan = VQGAN.from_pretrained(values["vqgan"]) if "vqgan" in values else None
    init = ImageSynthesisPipeline.from_pretrained(values["init"]) if "init" in values else None
    named = values.get("condition", ())
    names = [named] if isinstance(named, str) else list(named)
    made = [make_condition(kind, values) for name in names for kind in kinds() if kind.name == name]
    sizes = {name: value for name, value in _part(values, CondGPTConfig).items() if name != "pkeep"}
    config = None
    if sizes and vqgan is not None:
        config = fitting_config(vqgan, made or [Unconditional()], recipe, **sizes)
    _begin("train-gpt", values, recipe)
    train_cond_gpt(
        values["data"], values["folder"], vqgan=vqgan, condition=made or None, config=config, training=recipe, init=init,
        **_run_arguments(values, console),
    )  # fmt: skip
    _end(values, console, "pipeline")


def _begin(command: str, values: Mapping[str, Any], recipe: Any) -> None:
    """Leaves the settings in the run's folder, all fields of the recipe written out."""
    from ..storage.config_json import to_json

    folder = Path(values["folder"])
    if not _is_main_process() or ((folder / "training.json").exists() and not values.get("resume")):
        return  # there is a run already: training refuses it
    used = {name: value for name, value in values.items() if name != "resume"}
    write_settings(folder / RUN, command, {**used, **to_json(recipe)})


def _end(values: Mapping[str, Any], console: Console, what: str) -> None:
    if _is_main_process():
        folder = values["folder"]
        console.result(
            {"folder": folder, "settings": folder / RUN},
            f"trained: {folder} holds the {what}, its metrics and pictures; --config {folder / RUN} does it again",
        )


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


TRAIN_VQGAN = Command(
    "train-vqgan",
    "train a tokenizer of pictures, or of a condition's maps",
    train_vqgan,
    _vqgan_options,
    positional=("data", "folder"),
    examples=(
        "vqgan-transformer train-vqgan photos runs/vqgan --max-steps 50000",
        "vqgan-transformer train-vqgan data runs/labels --kind segmentation --segmentation-label-space ade20k-150",
        "vqgan-transformer train-vqgan --config runs/vqgan/run.yaml folder=runs/again learning_rate=1e-3",
        "accelerate launch -m vqgan_transformer train-vqgan photos runs/vqgan",
    ),
)
TRAIN_GPT = Command(
    "train-gpt",
    "train the second stage: a GPT over a VQGAN's tokens, under conditions",
    train_gpt,
    _gpt_options,
    positional=("data", "folder"),
    examples=(
        "vqgan-transformer train-gpt photos runs/gpt --vqgan runs/vqgan",
        "vqgan-transformer train-gpt data runs/gpt --vqgan runs/vqgan --conditioning aligned "
        "--condition segmentation depth --segmentation-label-space ade20k-150",
        "accelerate launch -m vqgan_transformer train-gpt --config run.yaml",
    ),
)

"""``evaluate reconstruction``, ``evaluate generation``, ``evaluate faithfulness`` and ``generate``: numbers people can quote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .command import Command, Console
from .options import Option, fields_as_options, parameters_as_options
from .sources import (
    BUILTIN,
    best_device,
    condition_options,
    condition_value,
    kinds,
    load_pipeline,
    make_condition,
    making_options,
    model_options,
    place_of,
    reading_options,
)
from .types import Source, UsageError

__all__ = ["FAITHFULNESS", "GENERATE", "GENERATION", "RECONSTRUCTION"]

NETWORKS = {"inception": Source | None, "lpips": Source, "folder": Path | None}


def _measure_options(function: Any, group: str, first: tuple[str, ...], without: tuple[str, ...] = ()) -> list[Option]:
    """The parameters of a function that measures: those that are sources first, then all others."""
    hints = {**NETWORKS, **dict.fromkeys(first, Source), "reader": str}
    others = [
        option.name
        for option in parameters_as_options(function, group)
        if option.name not in ("progress", *without, *first)
    ]
    return parameters_as_options(function, group, (*first, *others), hints)


def _reconstruction_options() -> list[Option]:
    from ..evaluation import evaluate_reconstruction

    return [*_measure_options(evaluate_reconstruction, "evaluation", ("pictures",)), *model_options()]


def _generation_options() -> list[Option]:
    from ..evaluation import evaluate_generation

    return _measure_options(evaluate_generation, "evaluation", ("samples", "reference"))


def _faithfulness_options() -> list[Option]:
    from ..evaluation import evaluate_faithfulness
    from ..sampler.sampler import SamplerConfig

    measure_options = _measure_options(evaluate_faithfulness, "evaluation", ("data",), without=("condition", "device"))
    names = [kind.name for kind in kinds()]
    samples = Option(
        "samples",
        Path | None,
        None,
        "pictures that are there already, instead of a model that paints them",
        "evaluation",
    )
    condition = Option(
        "condition", str | None, None,
        f"what is compared, one of {', '.join(names)}; for samples made as the options below say", "evaluation",
    )  # fmt: skip
    reading: dict[str, Option] = {}
    for kind in kinds():
        for option in reading_options(kind):
            reading.setdefault(option.name, option)
    return [
        *measure_options, samples, condition, *model_options(), Option("size", tuple[int, int] | None, None, "(height, width) of painted pictures", "evaluation", count=2),
        *reading.values(), *fields_as_options(SamplerConfig, "sampler"),
        *(option for kind in kinds() for option in making_options(kind)),
    ]  # fmt: skip


def _generate_options() -> list[Option]:
    from ..evaluation import generate_samples
    from ..pipeline import ImageSynthesisPipeline
    from ..sampler.sampler import SamplerConfig

    hints = {"folder": Path, "data": Source | None}
    sample_options = parameters_as_options(
        generate_samples, "samples", ("folder", "count", "data", "kinds", "seed", "batch_size"), hints
    )
    npz = Option(
        "npz", Path | None, None, "also pack the pictures into this file, as ADM's evaluator takes it", "samples"
    )
    call = parameters_as_options(ImageSynthesisPipeline.__call__, "samples", ("size", "resize"))
    call = [Option(**{**vars(option), "count": 2}) if option.name == "size" else option for option in call]
    return [
        *sample_options,
        npz,
        *call,
        *model_options(),
        *condition_options(),
        *fields_as_options(SamplerConfig, "sampler"),
    ]


def reconstruction(values: dict[str, Any], console: Console) -> None:
    """Measures a tokenizer."""
    from ..evaluation import evaluate_reconstruction
    from ..vqgan.model import VQGAN

    dtype = {"dtype": values.pop("dtype")} if "dtype" in values else {}
    source, device = values.pop("model", BUILTIN), values.pop("device", None) or best_device()
    vqgan = VQGAN.from_pretrained(source, **place_of(values), **dtype, device=device)
    _tell(evaluate_reconstruction(vqgan, values.pop("pictures"), **values, progress=console.progress), console)


def generation(values: dict[str, Any], console: Console) -> None:
    """Compares samples with a reference."""
    from ..evaluation import evaluate_generation

    _tell(evaluate_generation(values.pop("samples"), **values, progress=console.progress), console)


def faithfulness(values: dict[str, Any], console: Console) -> None:
    """Compares pictures with their conditions."""
    from ..evaluation import evaluate_faithfulness

    samples, named = values.pop("samples", None), values.pop("condition", None)
    made = {option.name for kind in kinds() for option in making_options(kind)}
    making = {name: values.pop(name) for name in [*values] if name in made}
    if samples is not None and "model" in values:
        raise UsageError("give --samples or --model, not both.")
    condition: Any = named
    if samples is not None and named is not None:
        known = {kind.name: kind for kind in kinds()}
        if named not in known:
            raise UsageError(f"--condition is one of {', '.join(known)}, got {named!r}.")
        condition = make_condition(known[named], making)
    generated = load_pipeline(values) if samples is None else samples
    data = values.pop("data")
    _tell(evaluate_faithfulness(generated, data, condition=condition, **values, progress=console.progress), console)


def generate(values: dict[str, Any], console: Console) -> None:
    """Paints many pictures into a folder."""
    from ..evaluation import generate_samples, write_npz

    npz = values.pop("npz", None)
    pipe = load_pipeline(values)
    names = {kind.name for kind in kinds()}
    arguments = {name: condition_value(value) if name in names else value for name, value in values.items()}
    folder = generate_samples(pipe, arguments.pop("folder"), **arguments, progress=console.progress)
    packed = None if npz is None else write_npz(folder, npz)
    console.result({"folder": folder, "npz": packed}, f"saved {folder}" + (f" and {packed}" if packed else ""))


def _tell(result: Any, console: Console) -> None:
    console.result(json.loads(result.to_json()), str(result))


RECONSTRUCTION = Command(
    "evaluate reconstruction",
    "how much of pictures comes back from a tokenizer: PSNR, SSIM, LPIPS, rFID, codes in use",
    reconstruction,
    _reconstruction_options,
    positional=("pictures", "model"),
    examples=("vqgan-transformer evaluate reconstruction photos my-vqgan --metrics psnr,ssim --size 256",),
)
GENERATION = Command(
    "evaluate generation",
    "how near samples come to a reference: FID, sFID, KID, Inception score, precision, recall",
    generation,
    _generation_options,
    positional=("samples", "reference"),
    examples=("vqgan-transformer evaluate generation samples VIRTUAL_imagenet256_labeled.npz",),
)
FAITHFULNESS = Command(
    "evaluate faithfulness",
    "how far pictures follow their conditions, as a reader sees them: mIoU, depth error, PCK, accuracy",
    faithfulness,
    _faithfulness_options,
    positional=("data",),
    examples=(
        "vqgan-transformer evaluate faithfulness data --model my-pipeline --reader nvidia/segformer-b0-finetuned-ade-512-512",
    ),
)
GENERATE = Command(
    "generate",
    "paint many pictures into a folder, resumable, on one or many devices",
    generate,
    _generate_options,
    positional=("folder",),
    examples=(
        "vqgan-transformer generate samples --model my-pipeline --data scenes --count 50000 --batch-size 16",
        "accelerate launch -m vqgan_transformer generate samples --model my-pipeline --count 50000 --npz samples.npz",
    ),
)

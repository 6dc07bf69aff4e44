"""What a call asks for, read and fitted: batches of pictures of one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..conditions import Condition
from ..conditions.reading import read_together, see_together
from ..geometry import Canvas, Size, same_aspect
from ..sampler.seeds import picture_seeds
from ..sampler.token_grids import check_model
from .arguments import Given, sort_arguments
from .batch import PictureBatch
from .inpainting import KnownPixels
from .memory import check_memory
from .parts import PipelineParts

__all__ = ["read_batches"]


def read_batches(
    parts: PipelineParts,
    method: Callable[..., Any],
    arguments: Mapping[str, Any],
    sizes: Sequence[Size],
    *,
    sized_by: str = "size",
    resize: bool,
    known: Sequence[KnownPixels] = (),
    num_images: int = 1,
    candidates: int = 1,
    seed: int | Sequence[int] | None = 0,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
    choose: bool = True,
    scored: bool = False,
    streamed: bool = False,
    plan: bool = True,
) -> list[PictureBatch]:
    """Reads and checks what was passed for the conditions, and fits it to the sizes of the pictures.

    Args:
        parts: of the pipeline.
        method: of the pipeline that was called, for error messages.
        arguments: conditions, their options and settings of the sampler, by name.
        sizes: (height, width) of each picture, or one for all; none for those of the maps.
        sized_by: the argument that says the sizes, if there are any.
        resize: stretch a map of another aspect than its picture.
        known: what is known of all pictures, or of each.
        num_images: pictures of each condition.
        candidates: how often each picture is drawn.
        seed: see :func:`~vqgan_transformer.sampler.seeds.picture_seeds`.
        generator: likewise.
        choose: let the seeds choose what is left open.
        scored: the likelihood of their tokens is asked for.
        streamed: the pictures are decoded in strips.
        plan: draw a label map first, where nothing that is given says what is where, and the checkpoint can.

    Returns:
        a batch for each size, in the order in which sizes first occur.

    Raises:
        TypeError: as the conditions' ``parse``, and for arguments that are none.
        ValueError: as the conditions' ``parse``; for maps that do not fit the size, or each other; and where a
            condition or the size is lacking.
    """
    given, settings = sort_arguments(parts, arguments, method)
    parts = parts.with_settings(**settings)
    check_model(parts.gpt, parts.sampler.config)

    def check(sizes: Sequence[Size]) -> None:
        for size in dict.fromkeys(sizes):
            check_memory(size, parts, given, streamed=streamed)

    parsed, told = _read(parts, given, list(sizes), sized_by, check)
    if not sizes:
        sized_by = next(name for name in parsed if parts.condition(name).spatial)
    sizes = told
    seeds = picture_seeds(seed, num_images * len(sizes), generator)
    placed = any(parts.condition(name).says_where for name in given)
    planner = parts.planner if plan and choose and not placed else None
    batches = []
    for size in dict.fromkeys(sizes):
        pictures = [picture for picture, picture_size in enumerate(sizes) if picture_size == size]
        fitted = {
            name: _fitted(parts.condition(name), rows, pictures, size, sized_by, resize)
            for name, rows in parsed.items()
        }
        fitted = see_together([(parts.condition(name), options) for name, (_, options) in given.items()], fitted)
        followed = parts.inputs.defaults(fitted, size) | fitted
        numbers = [num_images * picture + k for picture in pictures for k in range(num_images)]
        own_seeds = [seeds[number] for number in numbers]
        open_kinds = parts.inputs.left_open(followed) if choose else []
        choices = {condition.name: condition.chosen_by(own_seeds) for condition in open_kinds}
        chosen = {name: choice for name, choice in choices.items() if choice is not None}
        canvas = Canvas(size, parts.vqgan.downsample_factor, parts.gpt.config.window)
        if scored or candidates > 1:
            parts.inputs.check_scored(canvas)
        pixels = KnownPixels.of_pictures(known, pictures, num_images) if known else None
        batches.append(PictureBatch(parts, canvas, followed, chosen, own_seeds, numbers, pixels, candidates, planner))
    return batches


def _read(
    parts: PipelineParts, given: Given, sizes: list[Size], sized_by: str, check: Callable[[Sequence[Size]], None]
) -> tuple[dict[str, list[Tensor]], list[Size]]:
    """What was passed for each kind, as its ``parse`` gives it, one for each picture or for all; each picture's size."""
    check(sizes)
    lengths = {sized_by: len(sizes)} if sizes else {}
    parsed, sizes = read_together([(parts.condition(name), *passed) for name, passed in given.items()], sizes, check)
    if not sizes:
        names = " and ".join(parsed)
        reason = f"{names} does not say how large the picture is" if names else "there is no map that says it"
        raise ValueError(f"give size=(height, width): {reason}.")
    lengths |= {name: len(rows) for name, rows in parsed.items()}
    if len({*lengths.values()} - {1}) > 1:
        counts = " and ".join(f"{count} of {name}" for name, count in lengths.items())
        raise ValueError(f"conditions are for different numbers of pictures, {counts}: give one, or one for each.")
    return parsed, sizes if len(sizes) > 1 else sizes * max(lengths.values())


def _fitted(
    condition: Condition, rows: Sequence[Tensor], pictures: Sequence[int], size: Size, sized_by: str, resize: bool
) -> Tensor:
    """What some pictures of one size follow: a row for each, or one for all."""
    rows = rows if len(rows) == 1 else [rows[picture] for picture in pictures]
    if condition.spatial:
        for row in rows:
            if not resize and not same_aspect((row.shape[-2], row.shape[-1]), size):
                raise ValueError(_other_aspect(condition.name, (row.shape[-2], row.shape[-1]), size, sized_by))
        rows = [condition.resize(row, size) for row in rows]
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))


def _other_aspect(name: str, map_size: Size, size: Size, sized_by: str) -> str:
    """Why a map does not fit, and what to do."""
    stretch = "or pass resize=True to stretch the map"
    if sized_by != "size":
        return (
            f"the {name} map is {map_size[0]}×{map_size[1]}, of another aspect than {sized_by}, {size[0]}×{size[1]}: pass maps of the "
            f"same picture, {stretch}."
        )
    swapped = f" size is (height, width): did you mean {size[::-1]}?" if same_aspect(map_size, size[::-1]) else ""
    return (
        f"the {name} map is {map_size[0]}×{map_size[1]}, of another aspect than size={size}.{swapped} Leave size out to paint at the "
        f"map's own size, {stretch}."
    )

"""ImageSynthesisPipeline: what a user has -> condition -> tokens -> picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from .conditions import Condition
from .errors import nearest_name
from .gpt.model import CondGPT
from .hub import pipeline_folder
from .images import from_pixels, to_pixels
from .picture_size import check_memory, requested_size, round_up, same_aspect
from .sampler.sampler import SamplerConfig, SlidingWindowSampler
from .vqgan.model import VQGAN

__all__ = ["ImageSynthesisOutput", "ImageSynthesisPipeline"]

OUTPUT_TYPES = ("pil", "np", "pt", "tokens")


@dataclass(frozen=True)
class ImageSynthesisOutput:
    """What a call of the pipeline gives.

    Attributes:
        images: PIL pictures ("pil"), a uint8 array (B, H, W, 3) ("np"), a float tensor (B, 3, H, W) in [-1, 1] ("pt"),
            or an empty list ("tokens").
        tokens: int64 (B, h, w), the grid the pictures were decoded from.
        seeds: the seed of each picture; the same seed, condition, size and settings give the same picture.
    """

    images: Any
    tokens: Tensor
    seeds: list[int] = field(default_factory=list)


class ImageSynthesisPipeline:
    """A VQGAN, a GPT, a sampler and the conditions that the GPT understands, composed.

    Args:
        vqgan: decodes the tokens that are drawn.
        gpt: scores them.
        sampler: draws them; the paper's settings by default.
        conditions: what turns a user's input into what the GPT reads, e.g. ``(SegmentationCondition(...),)``.

    Raises:
        ValueError: where the parts do not fit each other.

    Example:
        >>> pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
        >>> [condition.name for condition in pipe.conditions]
        ['segmentation']
    """

    def __init__(
        self,
        vqgan: VQGAN,
        gpt: CondGPT,
        sampler: SlidingWindowSampler | None = None,
        conditions: Sequence[Condition] = (),
    ):
        self.vqgan = vqgan
        self.gpt = gpt
        self.sampler = sampler if sampler is not None else SlidingWindowSampler()
        self.conditions = tuple(conditions)
        if vqgan.codebook_size > gpt.config.vocab_size:
            raise ValueError(
                f"the VQGAN has {vqgan.codebook_size} codes, but the GPT's vocabulary only {gpt.config.vocab_size}."
            )
        names = [condition.name for condition in self.conditions]
        if len(set(names)) < len(names):
            raise ValueError(f"each kind of condition may be given once, got {names}.")

    @torch.inference_mode()
    def __call__(
        self,
        *,
        size: tuple[int, int] | None = None,
        height: int | None = None,
        width: int | None = None,
        resize: bool = False,
        num_images: int = 1,
        seed: int | Sequence[int] | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        progress: bool = True,
        callback: Callable[[int, int, Tensor], None] | None = None,
        **arguments: Any,
    ) -> ImageSynthesisOutput:
        """Paints pictures.

        Args:
            size: (height, width) of the picture in pixels; any size. By default that of the condition's map. Sizes
                that are no multiple of the VQGAN's factor f are painted on the next multiple, the map continued by its
                edge, and cut.
            height: with ``width``, another way to give ``size``.
            width: see ``height``.
            resize: scale a map whose aspect differs from that of ``size``; a map of the same aspect is always scaled
                (nearest for labels, bilinear for depth).
            num_images: pictures of each condition.
            seed: picture k of a call uses seed + k; a list gives each picture its own. Drawn at random by default, and
                reported in the result.
            generator: draws the seeds instead; a list holds one for each picture.
            output_type: "pil", "np", "pt" or "tokens".
            progress: show a bar.
            callback: called after each step of the sampler with the number of tokens drawn, their total and the token
                grids so far; an exception in it ends the call.
            **arguments: the condition by its name, e.g. ``segmentation=labels`` (a list or a leading axis is a batch);
                its options, e.g. ``palette="ade20k"``; and settings of the sampler: ``temperature``, ``top_k``,
                ``top_p``, ``guidance_scale``, ``stride``.

        Raises:
            TypeError: for an unknown argument, with the nearest right one, or one of the wrong type.
            ValueError: for inputs and settings that do not fit, before any work is done.
        """
        requested = requested_size(size, height, width)
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type must be one of {OUTPUT_TYPES}, got {output_type!r}.")
        if isinstance(num_images, bool) or not isinstance(num_images, int) or num_images < 1:
            raise ValueError(f"num_images must be a whole number from 1 on, got {num_images!r}.")
        condition, value, options, settings = self._sort_arguments(arguments)
        sampler = self.sampler.with_settings(**settings) if settings else self.sampler
        parsed, (height, width) = self._prepare(condition, value, options, requested, resize)
        seeds = _seeds(seed, generator, len(parsed) * num_images)

        painted = round_up((height, width), self.vqgan.downsample_factor)
        tokens = condition.encode(condition.extend_to(parsed, painted)).repeat_interleave(num_images, dim=0)
        factor = self.vqgan.downsample_factor
        grid = painted[0] // factor, painted[1] // factor
        with tqdm(total=grid[0] * grid[1], unit="token", disable=not progress) as bar:

            def report(drawn: int, total: int, so_far: Tensor) -> None:
                bar.total = total
                bar.update(drawn - bar.n)
                if callback is not None:
                    callback(drawn, total, so_far)

            tokens = sampler(
                self.gpt, tokens, grid, seed=seeds, codebook_size=self.vqgan.codebook_size, callback=report
            )
        if output_type == "tokens":
            return ImageSynthesisOutput([], tokens, seeds)
        # one picture at a time: decoding takes the most memory of all
        pictures = torch.cat([self.vqgan.decode(grid[None])[:, :, :height, :width].float() for grid in tokens])
        return ImageSynthesisOutput(from_model_range(pictures, output_type), tokens, seeds)

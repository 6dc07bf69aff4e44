"""ImageSynthesisPipeline: what a user has -> condition -> tokens -> picture."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from .conditions import (
    ClassCondition,
    Condition,
    CoordinatesCondition,
    DepthCondition,
    LayoutCondition,
    SegmentationCondition,
    Unconditional,
)
from .errors import CheckpointError
from .gpt.model import CondGPT
from .hub import formats
from .hub.pipeline_folder import is_pipeline, read_index, save_components
from .hub.pretrained import Pretrained, refuse_options, upload
from .hub.source import Origin
from .hub.weights import resolve_dtype
from .images import from_pixels, to_pixels
from .picture_size import Canvas, check_memory, requested_size
from .request import Arguments, Request, fit, sort_arguments
from .sampler.sampler import SlidingWindowSampler
from .sampler.seeds import picture_seeds
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
        if not names:
            raise ValueError("give at least one condition; Unconditional() stands for none.")
        if len(set(names)) < len(names):
            raise ValueError(f"each kind of condition may be given once, got {names}.")
        for condition in self.conditions:
            if condition.vocab_size > gpt.config.condition_ids:
                raise ValueError(
                    f"{condition.name} makes {condition.vocab_size} different tokens, but the GPT's vocabulary has only "
                    f"{gpt.config.condition_ids}."
                )
            if condition.spatial and condition.downsample_factor != vqgan.downsample_factor:
                raise ValueError(
                    f"a token of the {condition.name} condition stands for {condition.downsample_factor} pixels a side, "
                    f"one of the picture for {vqgan.downsample_factor}; the paper's form needs the same grid."
                )

    @torch.no_grad()
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
        sorted_arguments = self._sort(arguments)
        sampler = self.sampler.with_settings(**sorted_arguments.settings)
        request = self._fit(sorted_arguments, requested, resize)
        seeds = picture_seeds(seed, request.count * num_images, generator)

        canvas = self._canvas(request.size)
        condition = self._condition_of(request, canvas, seeds)
        with tqdm(total=canvas.grid[0] * canvas.grid[1], unit="token", disable=not progress) as bar:

            def report(drawn: int, total: int, so_far: Tensor) -> None:
                bar.total = total
                bar.update(drawn - bar.n)
                if callback is not None:
                    callback(drawn, total, so_far)

            tokens = sampler(
                self.gpt, condition, canvas.grid, seed=seeds, codebook_size=self.vqgan.codebook_size, callback=report
            )
        if output_type == "tokens":
            return ImageSynthesisOutput([], tokens, seeds)
        # one picture at a time: decoding takes the most memory of all
        height, width = request.size
        pictures = torch.cat([self.vqgan.decode(one[None])[..., :height, :width].float().cpu() for one in tokens])
        return ImageSynthesisOutput(to_pixels(pictures, output_type), tokens, seeds)

    @torch.no_grad()
    def log_likelihood(self, image: Any, *, resize: bool = False, **arguments: Any) -> Tensor:
        """How likely the model finds given pictures under a condition.

        Args:
            image: pictures (PIL, numpy, tensor, path; a list or a leading axis is a batch) whose sides are multiples of
                the VQGAN's factor f and not smaller than a window.
            resize: as for a call.
            **arguments: the condition and its options, as for a call.

        Returns:
            float64 (B,), the mean log-likelihood of a token, in nats.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and where pictures and conditions differ in number.
        """
        images = from_pixels(image)
        sorted_arguments = self._sort(arguments)
        sampler = self.sampler.with_settings(**{"guidance_scale": 1.0} | sorted_arguments.settings)
        request = self._fit(sorted_arguments, (images.shape[-2], images.shape[-1]), resize)
        if request.count not in (1, len(images)):
            raise ValueError(f"{len(images)} pictures and {request.count} conditions: give one, or one for each.")
        condition = self._condition_of(request, self._canvas(request.size), [0] * len(images))
        weight = self.vqgan.to_codes.weight
        tokens = torch.cat([self.vqgan.encode(one[None].to(weight)) for one in images])
        return sampler.log_likelihood(self.gpt, condition, tokens)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        *,
        subfolder: str | None = None,
        filename: str | None = None,
        format: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> ImageSynthesisPipeline:
        """Loads a saved pipeline, or a checkpoint of another program that holds all parts of one.

        Arguments and errors are those of ``VQGAN.from_pretrained``.
        """
        wanted = resolve_dtype(dtype, torch_dtype)
        path = Origin(source, subfolder, filename, revision, token, cache_dir, local_files_only).locate(cls.__name__)
        known = {part.__name__: part for part in _PARTS}
        if is_pipeline(path):
            refuse_options(options, cls.from_pretrained)
            classes = read_index(path, cls.__name__, known)
            loaded: dict[str, Any] = {
                part: kind.from_pretrained(path / part, dtype=wanted, device=device) for part, kind in classes.items()
            }
        else:
            foreign = formats.read(path, cls.__name__, options, format=format)
            loaded = {
                part: known[name].assemble(config, tensors, dtype=wanted, device=device, where=f"{path} ({part})")
                for part, (name, config, tensors) in foreign.items()
            }
        loaded.setdefault("sampler", SlidingWindowSampler())
        for part, kind in (("vqgan", VQGAN), ("gpt", CondGPT), ("sampler", SlidingWindowSampler)):
            if not isinstance(loaded.get(part), kind):
                raise CheckpointError(f"the pipeline in {path} has no {kind.__name__} in a folder {part!r}.")
        conditions = [part for part in loaded.values() if isinstance(part, Condition)]
        return cls(vqgan=loaded["vqgan"], gpt=loaded["gpt"], sampler=loaded["sampler"], conditions=conditions)

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        dtype: torch.dtype | str | None = None,
        max_shard_size: int | str = "5GB",
    ) -> Path:
        """Writes model_index.json, a folder for each part, and a model card where there is none.

        The folder is complete or as it was before. Arguments are those of ``VQGAN.save_pretrained``.
        """
        folder = Path(folder).expanduser()
        components = {"vqgan": self.vqgan, "gpt": self.gpt, "sampler": self.sampler}
        components |= {f"conditions/{condition.name}": condition for condition in self.conditions}
        save_components(
            folder, type(self).__name__, components, dtype=resolve_dtype(dtype), max_shard_size=max_shard_size
        )
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | bool | None = None,
        private: bool | None = None,
        commit_message: str = "Upload with vqgan_transformer",
        revision: str | None = None,
    ) -> str:
        """Uploads what :meth:`save_pretrained` writes; arguments and result are those of ``VQGAN.push_to_hub``."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(Path(temporary) / "pipeline")
            return upload(
                folder, repo_id, token=token, private=private, commit_message=commit_message, revision=revision
            )

    def condition(self, name: str) -> Condition:
        """The condition of a name, e.g. "segmentation".

        Raises:
            KeyError: for one that this checkpoint does not have.
        """
        by_name = {condition.name: condition for condition in self.conditions}
        if name not in by_name:
            raise KeyError(f"this checkpoint has the conditions {sorted(by_name)}, not {name!r}.")
        return by_name[name]

    def to(self, *args: Any, **kwargs: Any) -> ImageSynthesisPipeline:
        """Moves all models to a device and/or dtype, as ``nn.Module.to``; returns the pipeline."""
        for module in self._models():
            module.to(*args, **kwargs)
        return self

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.gpt.head.weight.device

    def _canvas(self, size: tuple[int, int]) -> Canvas:
        return Canvas(size, self.vqgan.downsample_factor, self.gpt.config.window)

    def _condition_of(self, request: Request, canvas: Canvas, seeds: list[int]) -> Any:
        """What the GPT reads: tokens in the paper's form; for models that follow several kinds, a map or id of each."""
        if self._several:
            extended = {
                name: self.condition(name).extend_to(one, canvas.painted) for name, one in request.given.items()
            }
            return {name: one.repeat_interleave(len(seeds) // len(one), dim=0) for name, one in extended.items()}
        ((name, parsed),) = request.given.items()
        return self.condition(name).for_canvas(parsed, canvas, seeds)

    def _fit(self, arguments: Arguments, size: tuple[int, int] | None, resize: bool) -> Request:
        return fit(self.conditions, arguments, size, resize=resize, several=self._several, check_size=self._check_size)

    def _sort(self, arguments: dict[str, Any]) -> Arguments:
        return sort_arguments(
            self.conditions, arguments, several=self._several, kinds=_CONDITION_NAMES, call=_CALL_ARGUMENTS
        )

    @property
    def _several(self) -> bool:
        """Whether the GPT can follow several conditions at once, or none: only the prefix form needs exactly one."""
        return getattr(self.gpt.config, "conditioning", "prefix") == "aligned"

    def _check_size(self, size: tuple[int, int]) -> None:
        parts = [part for model in self._models() for part in model.modules()]
        configs = [part.config for part in parts if isinstance(part, VQGAN)]
        check_memory(size, configs, self.gpt.head.weight.dtype, self.device)

    def _models(self) -> list[torch.nn.Module]:
        return [self.vqgan, self.gpt, *self.conditions]


_PARTS: tuple[type[Pretrained], ...] = (
    VQGAN,
    CondGPT,
    SlidingWindowSampler,
    SegmentationCondition,
    DepthCondition,
    LayoutCondition,
    ClassCondition,
    CoordinatesCondition,
    LayoutCondition,
    Unconditional,
)
_CONDITION_NAMES = [part.name for part in _PARTS if issubclass(part, Condition)]
_CALL_ARGUMENTS = [
    name
    for name, p in inspect.signature(ImageSynthesisPipeline.__call__).parameters.items()
    if p.kind is p.KEYWORD_ONLY
]

"""ImageSynthesisPipeline: what a user has -> condition -> tokens -> picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from .. import slots
from ..conditions import Condition
from ..geometry import Canvas, requested_size
from ..gpt.model import CondGPT
from ..images import from_pixels, to_pixels
from ..sampler.sampler import SlidingWindowSampler
from ..sampler.seeds import picture_seeds
from ..vqgan.model import VQGAN
from ..vqgan.strips import is_local
from .diagnosis_report import Diagnosis
from .inpainting import Completion, encode_on_canvas, read_completions
from .matching_parts import check_parts
from .memory import check_memory, memory_needed
from .painting import Painting, draw, in_order
from .request import Request, fit, sort_arguments
from .saving import KINDS, SavedPipeline
from .streaming import stream_pixels

__all__ = ["ImageSynthesisOutput", "ImageSynthesisPipeline"]

OUTPUT_TYPES = ("pil", "np", "pt", "tokens")


@dataclass(frozen=True)
class ImageSynthesisOutput:
    """What a call of the pipeline gives.

    Attributes:
        images: PIL pictures ("pil"), a uint8 array (B, H, W, 3) ("np"), a float tensor (B, 3, H, W) in [-1, 1] ("pt"),
            or an empty list ("tokens"). For pictures of different sizes a list of arrays or tensors, one for each.
        tokens: int64 (B, h, w), the grids the pictures were decoded from; a list of (h, w) for pictures of different
            sizes.
        seeds: the seed of each picture; the same seed, condition, size and settings give the same picture.
    """

    images: Any
    tokens: Any
    seeds: list[int] = field(default_factory=list)


class ImageSynthesisPipeline(SavedPipeline):
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
        ['segmentation', 'depth', 'keypoints', 'class_label', 'coordinates']
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
        check_parts(vqgan, gpt, self.conditions)

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
        image: Any = None,
        mask: Any = None,
        origin: tuple[int, int] | None = None,
        composite: bool = True,
        num_candidates: int = 1,
        **arguments: Any,
    ) -> ImageSynthesisOutput:
        """Paints pictures, or completes given ones.

        Args:
            size: (height, width) of the pictures in pixels; any size. By default that of each one's map, which may
                differ within a list. Sizes that are no multiple of the VQGAN's factor f are painted on the next
                multiple, the map continued by its edge, and cut.
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
                grids so far, as they come back in the result; an exception in it ends the call.
            image: pictures to complete (PIL, numpy, tensor, path; a list or a leading axis is a batch), with or without
                a condition beside them. They give the size where ``size`` is left out.
            mask: the area of ``image`` to paint anew: white, True or 1 is painted, black, False or 0 stays. Every token
                whose cell the area touches is drawn; what was in the area is not seen.
            origin: (top, left) of ``image`` in a larger picture of ``size``, in pixels; what lies around it is painted.
            composite: give back the pixels outside the area exactly as they were, and even out what the tokenizer does
                to tones at its border. ``False`` shows what the tokens decode to.
            num_candidates: draw each picture so often, and keep the one under which the kept tokens after the area, in
                raster order, are likeliest. A model that draws from top to bottom sees nothing below the area; this is
                how what is there has a say.
            **arguments: the condition by its name, e.g. ``segmentation=labels`` (a list or a leading axis is a batch);
                its options, e.g. ``palette="ade20k"``; and settings of the sampler: ``temperature``, ``top_k``,
                ``top_p``, ``guidance_scale``, ``condition_strength``, ``stride``.

        Raises:
            TypeError: for an unknown argument, with the nearest right one, or one of the wrong type.
            ValueError: for inputs and settings that do not fit, before any work is done.
        """
        requested = requested_size(size, height, width)
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type must be one of {OUTPUT_TYPES}, got {output_type!r}.")
        for name, number in (("num_images", num_images), ("num_candidates", num_candidates)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be a whole number from 1 on, got {number!r}.")
        completions: list[Completion] = []
        if image is not None:
            if requested is not None:
                self._check_size(requested)
            completions = read_completions(image, mask, origin=origin, size=requested)
        elif mask is not None or origin is not None or not composite or num_candidates > 1:
            raise ValueError(
                "mask=, origin=, composite= and num_candidates= are for a picture to complete: pass image=."
            )
        sizes = [one.size for one in completions] if requested is None else [requested] * max(1, len(completions))
        paintings = self._paintings(
            self._requests(arguments, sizes, resize),
            completions=completions,
            num_images=num_images,
            candidates=num_candidates,
            seed=seed,
            generator=generator,
        )
        seeds = in_order(paintings, [one.seeds for one in paintings])
        with tqdm(unit="token", disable=not progress) as bar:

            def report(drawn: int, total: int, so_far: Any) -> None:
                bar.total = total
                bar.update(drawn - bar.n)
                if callback is not None:
                    callback(drawn, total, so_far)

            grids = draw(paintings, report)
        tokens = in_order(paintings, grids)
        if output_type == "tokens":
            return ImageSynthesisOutput([], tokens, seeds)
        pictures = [
            to_pixels(one.decode(grid, composite=composite), output_type)
            for one, grid in zip(paintings, grids, strict=True)
        ]
        return ImageSynthesisOutput(in_order(paintings, pictures), tokens, seeds)

    @torch.no_grad()
    def stream(
        self,
        *,
        size: tuple[int, int] | None = None,
        resize: bool = False,
        seed: int | None = None,
        strip: int = 16,
        output_type: str = "np",
        **arguments: Any,
    ) -> Iterator[Any]:
        """Paints one picture and hands it out in strips, from the top, so that its pixels never stand in memory whole.

        Args:
            size: (height, width) of the picture in pixels; by default that of the condition's map.
            resize: as for a call.
            seed: of the picture.
            strip: rows of tokens in a strip, f pixels each; the last may have fewer. A strip is decoded together with
                the rows that its pixels depend on, so low strips cost more work, and high ones more memory.
            output_type: "np", uint8 (rows, W, 3); "pil"; or "pt", float (3, rows, W) in [-1, 1].
            **arguments: the condition, its options and settings of the sampler, as for a call.

        Yields:
            strips. Below each other they are the picture that a call with the same arguments paints: exactly where the
            VQGAN has local operations only; with group normalisation or attention about so (docs/sampling.md).

        Raises:
            TypeError: as for a call.
            ValueError: as for a call.
        """
        if output_type not in ("np", "pil", "pt"):
            raise ValueError(f"output_type must be 'np', 'pil' or 'pt', got {output_type!r}.")
        if isinstance(strip, bool) or not isinstance(strip, int) or strip < 1:
            raise ValueError(f"strip is a number of rows of tokens from 1 on, got {strip!r}.")
        requests = self._requests(arguments, [] if size is None else [size], resize, streamed=True)
        conditions = sum(len(one.pictures) for one in requests)
        if conditions > 1:
            raise ValueError(f"one picture is streamed at a time, got {conditions} conditions.")
        [painting] = self._paintings(requests, seed=seed)
        return (to_pixels(pixels, output_type)[0] for pixels in stream_pixels(painting, strip))

    @torch.no_grad()
    def log_likelihood(self, image: Any, *, resize: bool = False, seed: int = 0, **arguments: Any) -> Tensor:
        """How likely the model finds given pictures under a condition.

        Each token is seen from the window that it would be drawn from; all places are scored in parallel.

        Args:
            image: pictures (PIL, numpy, tensor, path; a list or a leading axis is a batch), not smaller than a window.
                Sides that are no multiples of the VQGAN's factor f are continued by their edge, as for painting.
            resize: as for a call.
            seed: decides what is arbitrary in a condition, as the order of a layout's objects.
            **arguments: the condition, its options and settings of the sampler, as for a call. Temperature, top-k and
                top-p play no part, nor does the checkpoint's own guidance.

        Returns:
            float64 (B,), the mean log-likelihood of a token, in nats.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and where pictures and conditions differ in number.
        """
        images = from_pixels(image)
        arguments = {"guidance_scale": 1.0, "condition_strength": {}} | arguments
        size = images.shape[-2], images.shape[-1]
        requests = self._requests(arguments, [size] * len(images), resize)
        [painting] = self._paintings(requests, seed=seed, choose=False)
        tokens = encode_on_canvas(self.vqgan, images, painting.canvas)
        return painting.sampler.log_likelihood(self.gpt, painting.condition, tokens.expand(len(painting.seeds), -1, -1))

    def condition(self, name: str) -> Condition:
        """The condition of a name, e.g. "segmentation".

        Raises:
            KeyError: for one that this checkpoint does not have.
        """
        by_name = {condition.name: condition for condition in self.conditions}
        if name not in by_name:
            raise KeyError(f"this checkpoint has the conditions {sorted(by_name)}, not {name!r}.")
        return by_name[name]

    def request(
        self, arguments: Mapping[str, Any], size: tuple[int, int] | None = None, *, resize: bool = False
    ) -> Request:
        """What a call with these arguments would paint from: told apart, checked, maps scaled to the picture.

        Args:
            arguments: those that a call takes beyond its own: conditions, their options, settings of the sampler.
            size: as for a call.
            resize: as for a call.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and for maps of different sizes.
        """
        requests = self._requests(arguments, [] if size is None else [size], resize)
        if len(requests) > 1:
            sizes = ", ".join(str(one.size) for one in requests)
            raise ValueError(f"the maps have different sizes (height, width), {sizes}: pass them one by one.")
        return requests[0]

    def diagnose(self, images: Any, *, seed: int = 0, **arguments: Any) -> Diagnosis:
        """Which stage is at fault: what the tokenizer loses of given pictures, and what the GPT makes of the rest.

        Args:
            images: pictures, one or many; they may have different sizes, none smaller than a window.
            seed: of the first sample.
            **arguments: the conditions by name, one for each picture; options and settings, as for a call.

        Returns:
            a :class:`~vqgan_transformer.pipeline.diagnosis_report.Diagnosis`, with numbers, what they mean, and a contact sheet: photo,
            condition, reconstruction, sample.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and where pictures and conditions differ in number.
        """
        result: Diagnosis = slots.diagnosis()(self, images, seed=seed, **arguments)
        return result

    def to(self, *args: Any, **kwargs: Any) -> ImageSynthesisPipeline:
        """Moves all models to a device and/or dtype, as ``nn.Module.to``; returns the pipeline."""
        for module in self._models():
            module.to(*args, **kwargs)
        return self

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.gpt.head.weight.device

    def _requests(
        self, arguments: Mapping[str, Any], sizes: Sequence[tuple[int, int]], resize: bool, *, streamed: bool = False
    ) -> list[Request]:
        """What a call asks for, checked: a request for each size."""
        several = self._several
        told_apart = sort_arguments(self.conditions, arguments, several=several, kinds=KINDS, call=_CALL_ARGUMENTS)
        check = partial(self._check_size, kinds=told_apart.values, streamed=streamed)
        return fit(self.conditions, told_apart, sizes, resize=resize, several=several, check_size=check)

    def _paintings(
        self,
        requests: Sequence[Request],
        *,
        completions: Sequence[Completion] = (),
        num_images: int = 1,
        candidates: int = 1,
        seed: int | Sequence[int] | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        choose: bool = True,
    ) -> list[Painting]:
        """All that a call needs to paint, for each size; ``completions`` are for all pictures, or one for each.

        With ``choose``, a picture's seed chooses what a kind leaves to it; a picture to complete tells.
        """
        sampler = self.sampler.with_settings(**requests[0].settings)
        seeds = picture_seeds(seed, num_images * sum(len(one.pictures) for one in requests), generator)
        paintings = []
        for request in requests:
            pictures = [num_images * picture + k for picture in request.pictures for k in range(num_images)]
            own_seeds = [seeds[picture] for picture in pictures]
            canvas = Canvas(request.size, self.vqgan.downsample_factor, self.gpt.config.window)
            each = [one for one in own_seeds for _ in range(candidates)]
            condition = self._condition_of(request, canvas, each, choose=choose)
            completion = None
            if completions:
                own = [completions[picture if len(completions) > 1 else 0] for picture in request.pictures]
                completion = Completion.of_pictures(own, num_images)
            painting = Painting(
                self.vqgan, self.gpt, sampler, condition, canvas, own_seeds, pictures, completion, candidates
            )
            if completion is not None and self._several:
                for name in condition.keys() - request.given.keys():
                    painting = painting.with_likeliest(name, self.condition(name).vocab_size)
            paintings.append(painting)
        return paintings

    def _condition_of(self, request: Request, canvas: Canvas, seeds: list[int], *, choose: bool) -> Any:
        """What the GPT reads: tokens in the paper's form; for models that follow several kinds, a map or id of each."""
        if self._several:
            open_kinds = [kind for kind in self.conditions if choose and kind.name not in request.given]
            chosen = {kind.name: kind.chosen_by(seeds) for kind in open_kinds}
            given = request.given | {name: one for name, one in chosen.items() if one is not None}
            return {
                name: self.condition(name)
                .for_aligned(self.condition(name).extend_to(one, canvas.painted))
                .repeat_interleave(len(seeds) // len(one), dim=0)
                for name, one in given.items()
            }
        ((name, parsed),) = request.given.items()
        return self.condition(name).for_canvas(parsed, canvas, seeds)

    @property
    def _several(self) -> bool:
        """Whether the GPT can follow several conditions at once, or none: only the prefix form needs exactly one."""
        return self.gpt.config.conditioning == "aligned"

    def _check_size(self, size: tuple[int, int], kinds: Iterable[str] = (), *, streamed: bool = False) -> None:
        """Refuses a size that the machine cannot hold: its map, and what a VQGAN has to work on as a whole."""
        itemsize = self.gpt.head.weight.dtype.itemsize
        needed = {"a map of it": 8 * size[0] * size[1]}
        if not streamed:
            needed["decoding it"] = memory_needed(size, self.vqgan.config, itemsize)
        for name in kinds:
            vqgan = getattr(self.condition(name), "vqgan", None)
            if vqgan is not None and not is_local(vqgan.encoder):
                reason = (
                    f"encoding its {name}, whose VQGAN has attention or group normalisation and so must see it whole"
                )
                needed[reason] = memory_needed(size, vqgan.config, itemsize)
        check_memory(size, needed, self.device)

    def _models(self) -> list[torch.nn.Module]:
        return [self.vqgan, self.gpt, *self.conditions]


_CALL_ARGUMENTS = [
    name
    for name, p in inspect.signature(ImageSynthesisPipeline.__call__).parameters.items()
    if p.kind is p.KEYWORD_ONLY
]

"""ImageSynthesisPipeline: what a user has -> condition -> tokens -> picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import slots
from ..geometry import Size, count, requested_size
from ..images import from_pixels, to_pixels
from .arguments import show_arguments
from .batch import PictureBatch, draw, in_order
from .call_arguments import CallArguments
from .diagnosis_report import Diagnosis
from .inpainting import KnownPixels, read_known_pixels
from .memory import check_memory
from .output import ImageSynthesisOutput
from .progress import Callback, check_callback, reporting
from .request import read_batches
from .saving import SavedPipeline
from .scoring import score
from .streaming import stream_pixels

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ImageSynthesisOutput", "ImageSynthesisPipeline"]

OUTPUT_TYPES = ("pil", "np", "pt", "tokens")


class ImageSynthesisPipeline(SavedPipeline):
    """A VQGAN, a GPT, a sampler and the conditions that the GPT understands, composed.

    Args:
        vqgan: decodes the tokens that are drawn.
        gpt: scores them.
        sampler: draws them; the paper's settings by default.
        conditions: what turns a user's input into what the GPT reads, e.g. ``(SegmentationCondition(...),)``.
        planner: draws a coarse label map first, where a call gives nothing that says what is where.

    Raises:
        ValueError: where the parts do not fit each other.

    Example:
        >>> pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
        >>> [condition.name for condition in pipe.conditions]
        ['segmentation', 'depth', 'keypoints', 'class_label', 'coordinates']
    """

    @show_arguments
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
        callback: Callback | None = None,
        image: Any = None,
        mask: Any = None,
        origin: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        composite: bool = True,
        num_candidates: int = 1,
        plan: bool = True,
        **arguments: Unpack[CallArguments],
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
            callback: called after each step of the sampler with the number of tokens drawn, their total and a copy of the
                token grids so far, as they come back in the result; an exception in it ends the call.
            image: pictures to inpaint or outpaint (PIL, numpy, tensor, path; a list or a leading axis is a batch), with or without
                a condition beside them. They give the size where ``size`` is left out.
            mask: the area of ``image`` to paint anew: white, True or 1 is painted, black, False or 0 stays. Every token
                whose cell the area touches is drawn; what was in the area is not seen. "alpha" paints where ``image``
                is transparent. Photos are read upright, as their EXIF orientation says, and so the mask is meant.
            origin: (top, left) of ``image`` in a larger picture of ``size``, in pixels; what lies around it is painted.
                A list has one for each of several pictures.
            composite: give back the pixels outside the area exactly as they were, and even out what the tokenizer does
                to tones at its border. ``False`` shows what the tokens decode to.
            num_candidates: draw each picture so often, and keep the one under which the kept tokens after the area, in
                raster order, are likeliest. A model that draws from top to bottom sees nothing below the area; this is
                how what is there has a say.
            plan: with a checkpoint that has a planner, where nothing that is given says what is where: draw a coarse label
                map first and follow it. It comes back in ``conditions`` of the result.
            **arguments: the condition by its name, e.g. ``segmentation=labels`` (a list or a leading axis is a batch);
                its options, e.g. ``palette="ade20k"``; and settings of the sampler, e.g. ``temperature``. All are
                explained in :class:`~vqgan_transformer.pipeline.call_arguments.CallArguments`.

        Raises:
            TypeError: for an unknown argument, with the nearest right one, or one of the wrong type.
            ValueError: for inputs and settings that do not fit, before any work is done.
        """
        requested = requested_size(size, height, width)
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type must be one of {OUTPUT_TYPES}, got {output_type!r}.")
        num_images, num_candidates = count(num_images, "num_images"), count(num_candidates, "num_candidates")
        check_callback(callback)
        known: list[KnownPixels] = []
        if image is not None:
            if requested is not None:
                check_memory(requested, self)
            known = read_known_pixels(image, mask, origin=origin, size=requested)
        elif mask is not None or origin is not None or not composite or num_candidates > 1:
            raise ValueError(
                "mask=, origin=, composite= and num_candidates= are for a picture to complete: pass image=."
            )
        batches = read_batches(
            self,
            self.__call__,
            arguments,
            [pixels.size for pixels in known] if requested is None else [requested] * max(1, len(known)),
            sized_by="image" if requested is None else "size",
            resize=resize,
            known=known,
            num_images=num_images,
            candidates=num_candidates,
            seed=seed,
            generator=generator,
            plan=plan,
        )
        for batch in batches:
            batch.warn_of_lost_detail()
        with reporting(progress, callback, self.bar) as report:
            grids = draw(batches, report)
        pictures: list[Any] = [[] for _ in batches]
        if output_type != "tokens":
            pictures = [
                to_pixels(batch.decode(grid, composite=composite), output_type)
                for batch, grid in zip(batches, grids, strict=True)
            ]
        rows = [batch.conditions for batch in batches]
        return ImageSynthesisOutput(
            in_order(batches, pictures),
            in_order(batches, grids),
            in_order(batches, [batch.seeds for batch in batches]),
            {name: in_order(batches, [row[name] for row in rows]) for name in rows[0]},
        )

    @show_arguments
    @torch.no_grad()
    def stream(
        self,
        *,
        size: tuple[int, int] | None = None,
        height: int | None = None,
        width: int | None = None,
        resize: bool = False,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        strip: int = 16,
        output_type: str = "np",
        progress: bool = False,
        callback: Callback | None = None,
        plan: bool = True,
        **arguments: Unpack[CallArguments],
    ) -> Iterator[Any]:
        """Paints one picture and hands it out in strips, from the top, so that its pixels never stand in memory whole.

        Args:
            size: (height, width) of the picture in pixels; by default that of the condition's map.
            height: with ``width``, another way to give ``size``.
            width: see ``height``.
            resize: as for a call.
            seed: of the picture.
            generator: draws the seed instead.
            strip: rows of tokens in a strip, f pixels each; the last may have fewer. A strip is decoded together with
                the rows that its pixels depend on, so low strips cost more work, and high ones more memory.
            output_type: "np", uint8 (rows, W, 3); "pil"; or "pt", float (3, rows, W) in [-1, 1].
            progress: show a bar.
            callback: as for a call.
            plan: as for a call.
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
        strip = count(strip, "strip")
        check_callback(callback)
        requested = requested_size(size, height, width)
        batches = read_batches(
            self,
            self.stream,
            arguments,
            [] if requested is None else [requested],
            resize=resize,
            seed=seed,
            generator=generator,
            streamed=True,
            plan=plan,
        )
        conditions = sum(len(batch.seeds) for batch in batches)
        if conditions > 1:
            raise ValueError(f"one picture is streamed at a time, got {conditions} conditions.")
        strips = stream_pixels(batches[0], strip, progress=progress, callback=callback)
        return (to_pixels(pixels, output_type)[0] for pixels in strips)

    @show_arguments
    def log_likelihood(
        self,
        image: Any,
        *,
        resize: bool = False,
        seed: int = 0,
        progress: bool = False,
        callback: Callback | None = None,
        **arguments: Unpack[CallArguments],
    ) -> Tensor:
        """How likely the model finds given pictures under a condition.

        Each token is seen from the window that it would be drawn from; all places are scored in parallel.

        Args:
            image: pictures (PIL, numpy, tensor, path; a list or a leading axis is a batch), not smaller than a window.
                Sides that are no multiples of the VQGAN's factor f are continued by their edge, as for painting.
            resize: as for a call.
            seed: decides what is arbitrary in a condition, as the order of a layout's objects.
            progress: show a bar.
            callback: called now and then with the number of tokens scored, their total and a copy of their
                log-likelihoods so far, float64 (B, h, w), zero where there is none yet.
            **arguments: the condition, its options and settings of the sampler, as for a call. Temperature, top-k and
                top-p play no part, nor does the checkpoint's own guidance.

        Returns:
            float64 (B,), the mean log-likelihood of a token, in nats.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and where pictures and conditions differ in number.
        """
        _, _, likelihood = score(
            self, self.log_likelihood, from_pixels(image), arguments, resize=resize, seed=seed, progress=progress,
            callback=callback,
        )  # fmt: skip
        return likelihood

    def request(self, arguments: Mapping[str, Any], size: Size | None = None, *, resize: bool = False) -> PictureBatch:
        """What a call with these arguments would paint from: told apart, checked, maps scaled to the picture.

        Args:
            arguments: those that a call takes beyond its own: conditions, their options, settings of the sampler.
            size: as for a call.
            resize: as for a call.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and for maps of different sizes.
        """
        batches = read_batches(self, self.__call__, arguments, [] if size is None else [size], resize=resize)
        if len(batches) > 1:
            sizes = ", ".join(str(batch.size) for batch in batches)
            raise ValueError(f"the maps have different sizes (height, width), {sizes}: pass them one by one.")
        return batches[0]

    @show_arguments
    def diagnose(
        self,
        images: Any,
        *,
        seed: int = 0,
        reader: Any = None,
        reader_labels: Any = None,
        progress: bool = False,
        callback: Callback | None = None,
        **arguments: Unpack[CallArguments],
    ) -> Diagnosis:
        """Which stage is at fault: what the tokenizer loses of given pictures, and what the GPT makes of the rest.

        Args:
            images: pictures, one or many; they may have different sizes, none smaller than a window.
            seed: of the first sample.
            reader: what reads the condition back from a picture, any function or a transformers model's id; it is shown each
                picture, its reconstruction and its sample. For several conditions a dictionary by their names.
            reader_labels: what the reader's numbers mean, if not the condition's own labels: a label space, its name, or
                names in their order.
            progress: show a bar for each sample.
            callback: as for a call, for each sample.
            **arguments: the conditions by name, one for each picture; options and settings, as for a call.

        Returns:
            a :class:`~vqgan_transformer.pipeline.diagnosis_report.Diagnosis`, with numbers, what they mean, and a contact sheet: photo,
            condition, reconstruction, sample.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, and where pictures and conditions differ in number.
        """
        result: Diagnosis = slots.diagnosis()(
            self, images, seed=seed, reader=reader, reader_labels=reader_labels, progress=progress, callback=callback,
            **arguments,
        )  # fmt: skip
        return result

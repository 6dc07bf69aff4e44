"""Pictures that are handed out strip by strip while they are painted, and previews of what is being painted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..vqgan.model import VQGAN
from ..vqgan.strips import decode_strip, decoder_reach, is_local, whole_statistics
from .batch import PictureBatch
from .progress import Callback, reporting

__all__ = ["Previews", "stream_pixels"]


@torch.no_grad()
def stream_pixels(
    batch: PictureBatch, rows: int, *, progress: bool = False, callback: Callback | None = None
) -> Iterator[Tensor]:
    """Paints, and yields strips of pixels from the top as soon as nothing that is still to be drawn can change them.

    A decoder with local operations only gives each strip exactly as in the whole picture. One with group normalisation
    needs statistics of the whole picture: its strips come when all tokens are drawn.

    Args:
        batch: what is to be painted.
        rows: of tokens in a strip; the last strip may have fewer.
        progress: show a bar.
        callback: as for a call of the pipeline.

    Yields:
        float32 (B, 3, rows · f, W), about [-1, 1], on the CPU; below each other, the pictures of the size asked for.
    """
    vqgan, (height, width) = batch.parts.vqgan, batch.size
    end = batch.canvas.grid[0]
    local = is_local(vqgan.decoder)
    reach = decoder_reach(vqgan.config)
    statistics = None
    start = 0
    with reporting(progress, callback, batch.parts.bar) as report:
        for complete, tokens in batch.draw_rows(report):
            if not local and complete == end:
                statistics = whole_statistics(vqgan, tokens, rows)
            # rows below a strip, as far as it depends on them, must be there, too
            while start < end and min(end, start + rows + (reach if local else end)) <= complete:
                stop = min(end, start + rows)
                strip = decode_strip(vqgan, tokens, start, stop, statistics)[..., :width]
                yield strip[:, :, : height - start * vqgan.downsample_factor].float().cpu()
                start = stop


class Previews:
    """A callback for a call of the pipeline or the sampler that shows the pictures as they grow.

    It decodes as often as it can without taking more than a given part of the time, and then hands the pictures to
    ``show``. Places that are not drawn yet look like the codebook's code 0.

    Args:
        vqgan: decodes.
        show: what to do with the pictures, float (B, 3, H, W), or a list of (3, H, W) where their sizes differ.
        most: the part of the time that previews may take.

    Example:
        >>> pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
        >>> seen = []
        >>> previews = Previews(pipe.vqgan, seen.append)
        >>> out = pipe(segmentation=torch.full((64, 64), 156), seed=0, callback=previews)
    """

    def __init__(self, vqgan: VQGAN, show: Callable[[Any], object], *, most: float = 0.05):
        self.vqgan, self.show, self.most = vqgan, show, most
        self.started = time.perf_counter()
        self.spent = self.longest = 0.0

    def __call__(self, drawn: int, total: int, tokens: Tensor | list[Tensor]) -> None:
        """Shows the tokens so far, if it is time for a preview."""
        now = time.perf_counter()
        if self.spent + self.longest > self.most * (now - self.started):
            return
        if isinstance(tokens, list):
            self.show([self.vqgan.decode(grid[None])[0] for grid in tokens])
        else:
            self.show(self.vqgan.decode(tokens))
        seconds = time.perf_counter() - now
        self.spent, self.longest = self.spent + seconds, max(self.longest, seconds)

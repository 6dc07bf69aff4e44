"""How long pictures take from a label map to a PNG, checkpoints in turn."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Sequence

from vqgan_transformer.scenes import make_scene

from .painting import Checkpoint
from .report import Table

__all__ = ["compare_speed"]


def compare_speed(
    table: Table, checkpoints: Sequence[Checkpoint], sides: Sequence[int] = (1024, 2048), times: int = 3
) -> None:
    """Adds medians in seconds, as shipped, and how much longer the larger picture takes than the smaller one."""
    maps = {side: make_scene(10_000_001, (side, side)).segmentation for side in sides}
    took: dict[tuple[str, int], list[float]] = {}
    for _ in range(times):
        for side, labels in maps.items():
            for checkpoint in checkpoints:
                start = time.perf_counter()
                picture = checkpoint.pipe(segmentation=labels, size=(side, side), seed=0, progress=False).images[0]
                picture.save(io.BytesIO(), format="png")
                took.setdefault((checkpoint.name, side), []).append(time.perf_counter() - start)
    medians = {key: statistics.median(seconds) for key, seconds in took.items()}
    small, large = sides[0], sides[-1]
    for checkpoint in checkpoints:
        for side in sides:
            table.add(f"{side}² from map to PNG, seconds", checkpoint.name, medians[checkpoint.name, side])
        ratio = medians[checkpoint.name, large] / medians[checkpoint.name, small]
        table.add(f"{large}² over {small}²", checkpoint.name, ratio)

"""A map file that somebody has, as the page draws it: integers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping

import numpy as np

from ..errors import nearest_name
from ..pipeline import ImageSynthesisPipeline
from .order import read_picture

__all__ = ["read_map"]


def read_map(
    pipe: ImageSynthesisPipeline, kind: str, texts: Mapping[str, str], files: Mapping[str, bytes], max_pixels: int
) -> tuple[np.ndarray, str]:
    """Reads a map as its condition does.

    Args:
        pipe: whose condition.
        kind: its name.
        texts: "settings", options of the condition as JSON, e.g. a palette.
        files: "file".
        max_pixels: of it.

    Returns:
        uint16 (H, W): label ids, or numbers from -1 to 1 spread over 0 to 65535; and what the condition warned of.

    Raises:
        ValueError: for what is no map of this kind.
    """
    maps = {condition.name: condition for condition in pipe.conditions if condition.spatial and condition.needs_input}
    if kind not in maps:
        raise ValueError(f"there is no map {kind!r} here.{nearest_name(kind, maps)} There are {', '.join(maps)}.")
    if "file" not in files:
        raise ValueError("send the map as the part 'file'.")
    options = json.loads(texts.get("settings", "{}"))
    unknown = sorted(set(options) - set(maps[kind].option_names))
    if unknown:
        raise ValueError(f"{kind} has no option {unknown[0]!r}.{nearest_name(unknown[0], maps[kind].option_names)}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parsed = maps[kind].parse(read_picture("file", files["file"], max_pixels), **options)[0]
    numbers = parsed.numpy() if not parsed.is_floating_point() else np.rint((parsed[0].numpy() + 1) / 2 * 65535)
    return numbers.astype(np.uint16), " ".join(dict.fromkeys(str(note.message) for note in caught))

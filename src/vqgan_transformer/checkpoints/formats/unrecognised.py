"""What to say of a file or folder that no family knows: what was found in it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import CheckpointError, shortened
from .opened import Opened

__all__ = ["networks", "unrecognised"]

FIRST_WEIGHTS = (
    "encoder.conv_in.weight",
    "encoder.conv_in.kernel",
    "transformer.tok_emb.weight",
    "tok_embeddings.weight",
)
"""Weights that a network of some family has once, and by which it is found behind other names."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "an encoder": ("encoder.",),
    "a decoder": ("decoder.",),
    "a codebook": ("quantize.", "quantizer."),
    "the projections to codes and back": ("quant_conv.", "post_quant_conv."),
}
"""What a VQGAN consists of, and how the names in its parts begin."""

BLOCKS = ("encoder.down", "encoder.mid", "encoder.conv_", "decoder.up", "decoder.mid", "decoder.conv_")
"""How names of convolutional networks begin, whatever other encoders and decoders there are."""


def networks(opened: Opened) -> list[str]:
    """What stands in front of the names of each network in a file, of those within each other the outermost."""
    places = sorted({prefix for name in FIRST_WEIGHTS for prefix in opened.prefixes(name)})
    outermost: list[str] = []
    for place in places:
        if not outermost or not place.startswith(outermost[-1]):
            outermost.append(place)
    return outermost


def unrecognised(opened: Opened, descriptions: Iterable[str]) -> CheckpointError:
    """The error for what no family knows.

    Args:
        opened: the file or folder.
        descriptions: of the families.
    """
    if opened.file is None:
        return CheckpointError(
            f"{opened.path} is no checkpoint that can be loaded: it holds no file of weights that is known by its ending, and "
            f"no config.json or model_index.json of save_pretrained; {_files(opened)}."
        )
    names = opened.tensors
    several = [f"{place}…" for place in networks(opened) if place]
    if len(several) > 1:
        return CheckpointError(
            f"{opened} holds several networks, under {', '.join(map(shortened, several[:5]))}: save the one that is meant "
            "to a file of its own."
        )
    missing = missing_parts(names)
    if missing:
        return CheckpointError(
            f"{opened} holds {len(names)} tensors of a VQGAN, but lacks {', '.join(missing)}: about half of its keys are "
            "missing. If it is one of several files, put all of them and their index into a folder and load that; "
            "otherwise download it again."
        )
    listed = ", ".join(shortened(name, 60) for name in list(names)[:5])
    return CheckpointError(
        f"{opened} is no checkpoint that can be loaded. The names of its {len(names)} tensors ({listed}{', …' * (len(names) > 5)}) "
        f"are those of no program that is known, nor are they behind one common beginning. If it is a program's whose names "
        "differ a little, pass format=. Known are: what save_pretrained writes (a folder with config.json or "
        f"model_index.json); {'; '.join(descriptions)}."
    )


def missing_parts(names: Mapping[str, Any]) -> list[str]:
    """What is missing of a VQGAN, in words; empty for a whole one and for anything else."""
    if not any(name.startswith(BLOCKS) for name in names):
        return []
    missing = [part for part, starts in PARTS.items() if not any(name.startswith(starts) for name in names)]
    halves = [half for half in ("encoder", "decoder") if any(name.startswith(f"{half}.") for name in names)]
    ends = [f"{half}.{end}.weight" for half in halves for end in ("conv_in", "conv_out")]
    return missing + [name for name in ends if name not in names and name.replace("weight", "kernel") not in names]


def _files(opened: Opened) -> str:
    """What there is in its place."""
    names = sorted(path.name for path in opened.path.iterdir())
    if not names:
        return "it is empty"
    return f"there are {', '.join(shortened(name, 40) for name in names[:5])}" + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )

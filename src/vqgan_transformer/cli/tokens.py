"""``tokenize`` and ``reconstruct``: pictures to token grids, and back."""

from __future__ import annotations

import math
from dataclasses import MISSING
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, Console
from .options import Option
from .settings_file import write_whole
from .sources import BUILTIN, best_device, place_of, place_options
from .types import Source

if TYPE_CHECKING:
    import torch

    from ..vqgan.model import VQGAN

__all__ = ["RECONSTRUCT", "TOKENIZE"]


def _options(what: str, output: str) -> list[Option]:
    return [
        Option("pictures", tuple[Path, ...], MISSING, what, "pictures", several=True),
        Option("output", Path, Path(output), "the folder to write to", "pictures"),
        Option(
            "model", Source, BUILTIN, "the VQGAN: a folder, a file, a repository on the Hub, or builtin:scenes", "model"
        ),
        Option("device", str | None, None, "where it runs, e.g. cuda; by default a GPU if there is one", "model"),
        Option("dtype", str | None, None, "of its weights, e.g. bfloat16; by default as they are saved", "model"),
        *place_options("model"),
    ]


def _tokenize_options() -> list[Option]:
    return _options("the pictures' files; what lacks of a whole token is continued by the edge", "tokens")


def _reconstruct_options() -> list[Option]:
    return _options(
        "files of pictures, or .npy files of token grids (as tokenize writes them), which are decoded", "reconstructed"
    )


def _load(values: dict[str, Any]) -> VQGAN:
    from ..vqgan.model import VQGAN

    dtype = {"dtype": values["dtype"]} if "dtype" in values else {}
    source, device = values.get("model", BUILTIN), values.get("device") or best_device()
    return VQGAN.from_pretrained(source, **place_of(values), **dtype, device=device)


def _files(values: dict[str, Any], ending: str) -> list[tuple[Path, Path]]:
    """Each input with the file that its result goes to."""
    folder: Path = values["output"]
    targets: dict[Path, Path] = {}
    for picture in values["pictures"]:
        target = folder / f"{picture.stem}{ending}"
        if target in targets:
            raise ValueError(
                f"{picture} and {targets[target]} would both be written to {target}: give them one by one."
            )
        targets[target] = picture
    return [(picture, target) for target, picture in targets.items()]


def _padded(vqgan: VQGAN, picture: torch.Tensor) -> torch.Tensor:
    """A picture (1, C, H, W), continued by its edge to whole tokens, where the model is."""
    import torch.nn.functional as F

    factor, weight = vqgan.downsample_factor, next(vqgan.parameters())
    down, right = (-side % factor for side in picture.shape[-2:])
    return F.pad(picture, (0, right, 0, down), mode="replicate").to(weight.device, weight.dtype)


def tokenize(values: dict[str, Any], console: Console) -> None:
    """Writes the token grid of each picture."""
    import numpy as np
    import torch

    from ..images import from_pixels

    values.setdefault("output", Path("tokens"))
    files, vqgan = _files(values, ".npy"), _load(values)
    for picture, target in files:
        with torch.no_grad():
            tokens = vqgan.encode(_padded(vqgan, from_pixels(picture)))[0].cpu().numpy()
        write_whole(target, lambda draft, tokens=tokens: np.save(draft, tokens))
        used = len(np.unique(tokens))
        console.result(
            {"picture": picture, "tokens": target, "shape": list(tokens.shape), "codes_used": used},
            f"{picture} -> {target}: {tokens.shape[0]}×{tokens.shape[1]} tokens, {used} different codes",
        )


def reconstruct(values: dict[str, Any], console: Console) -> None:
    """Writes what the tokens of each picture decode to, and says how near it is."""
    import numpy as np
    import torch

    from ..images import from_pixels, to_pil

    values.setdefault("output", Path("reconstructed"))
    files, vqgan = _files(values, ".png"), _load(values)
    for picture, target in files:
        with torch.no_grad():
            if picture.suffix == ".npy":
                tokens = torch.from_numpy(np.load(picture, allow_pickle=False)).long().to(vqgan_device(vqgan))
                decoded = vqgan.decode(tokens[None] if tokens.ndim == 2 else tokens).float().cpu()
                decibels = None
            else:
                original = from_pixels(picture)
                height, width = original.shape[-2:]
                tokens = vqgan.encode(_padded(vqgan, original))
                decoded = vqgan.decode(tokens)[..., :height, :width].float().cpu()
                error = (decoded.clamp(-1, 1) - original).square().mean().item()
                decibels = round(10 * math.log10(4 / max(error, 1e-12)), 2)
        [image] = to_pil(decoded)
        write_whole(target, image.save)
        near = "" if decibels is None else f": {decibels:.2f} dB PSNR"
        console.result({"picture": picture, "reconstruction": target, "psnr": decibels}, f"{picture} -> {target}{near}")


def vqgan_device(vqgan: VQGAN) -> torch.device:
    """Where a VQGAN is."""
    return next(vqgan.parameters()).device


TOKENIZE = Command(
    "tokenize",
    "write the token grids of pictures",
    tokenize,
    _tokenize_options,
    positional=("pictures",),
    examples=("vqgan-transformer tokenize photos/*.png --model my-vqgan --output tokens",),
)
RECONSTRUCT = Command(
    "reconstruct",
    "write what the tokens of pictures decode to, and how near it is",
    reconstruct,
    _reconstruct_options,
    positional=("pictures",),
    examples=("vqgan-transformer reconstruct photo.jpg", "vqgan-transformer reconstruct tokens/*.npy --output decoded"),
)

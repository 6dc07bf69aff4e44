"""Proof that a checkpoint is loaded rightly: what is in it, how well it reconstructs, how far it is from its program."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .conversion import load_checkpoint
from .errors import CheckpointError
from .gpt.model import CondGPT
from .picture_likelihood import PictureLikelihood, picture_likelihood
from .pipeline.pipeline import ImageSynthesisPipeline
from .storage.checkpoint_report import CheckpointReport
from .storage.folder_layout import component_folder
from .storage.provenance import sha256
from .storage.short_names import by_short_name
from .storage.source import Origin
from .vqgan.model import VQGAN

__all__ = ["Verification", "make_test_picture", "verify_checkpoint"]


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        report: what the checkpoint is.
        hashes: the SHA-256 of each file of weights.
        psnr: of a reconstruction of the test picture, in dB; ``None`` where nothing is decoded.
        codes_used: different codes among the picture's tokens.
        tokens: of the test picture.
        likelihood: of a generator, what it says of the test picture's tokens in place and shuffled.
        original: the program that it was compared with; ``None`` if it is not installed or not known.
        tokens_equal: share of tokens that are those of the program.
        largest_difference: between its picture and ours, both decoded from the program's tokens, in [-1, 1].
        notes: what was not done, and why.
    """

    report: CheckpointReport
    hashes: dict[str, str]
    psnr: float | None = None
    codes_used: int | None = None
    tokens: int | None = None
    likelihood: PictureLikelihood | None = None
    original: str | None = None
    tokens_equal: float | None = None
    largest_difference: float | None = None
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [str(self.report), *(f"  sha256      {digest}  {name}" for name, digest in self.hashes.items())]
        if self.tokens is not None:
            lines.append(f"  test picture: {self.codes_used} different codes in {self.tokens} tokens")
        if self.psnr is not None:
            lines.append(f"  reconstruction: {self.psnr:.2f} dB PSNR")
        if self.likelihood is not None:
            lines.append(f"  likelihood of the test picture: {self.likelihood}")
        if self.original is not None:
            lines.append(f"  against {self.original}: {self.tokens_equal:.2%} of the tokens equal")
            if self.largest_difference is not None:
                lines.append(f"  against {self.original}: pictures differ by at most {self.largest_difference:.2e}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def make_test_picture(channels: int, height: int, width: int) -> Tensor:
    """A picture by formula, the same everywhere: gradients, rings of rising frequency, and shapes with hard edges.

    Returns:
        float32 (1, channels, height, width) in [-1, 1]; with more than three channels one-hot stripes, as label maps.
    """
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    if channels > 3:
        labels = (np.floor((x + 1) * 4) + 3 * np.floor((y + 1) * 3)).astype(int) % channels
        return torch.from_numpy(np.moveaxis(np.eye(channels, dtype=np.float32)[labels], -1, 0)[None])
    radius = np.hypot(x, y)
    planes = [0.6 * x + 0.3 * np.cos(9 * radius**2), 0.6 * y - 0.3 * np.cos(7 * radius), 0.5 * np.sin(3 * (x + y))]
    picture = np.stack(planes[:channels])
    picture[:, (np.abs(x - 0.4) < 0.25) & (np.abs(y + 0.3) < 0.25)] = 0.8
    picture[:, np.hypot(x + 0.45, y - 0.4) < 0.3] *= -1
    return torch.from_numpy(picture.clip(-1, 1).astype(np.float32))[None]


@torch.no_grad()
def verify_checkpoint(source: str | os.PathLike[str], **options: Any) -> Verification:
    """Loads a checkpoint, reconstructs a picture, and compares with the original program where that is installed.

    Args:
        source: as for ``VQGAN.from_pretrained``.
        **options: likewise.

    Raises:
        CheckpointError: where the checkpoint cannot be loaded.
        FileNotFoundError: if there is no such source.
    """
    unread = {name: value for name, value in options.items() if name not in ("dtype", "device")}
    report = VQGAN.inspect(source, **unread)
    where = {name: options[name] for name in Origin.__dataclass_fields__ if name in options}
    path = by_short_name(Origin(source, **where), None, {})[0].locate("VQGAN")
    model = load_checkpoint(source, **options)
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    endings = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".msgpack")
    hashes = {
        file.relative_to(path if path.is_dir() else path.parent).as_posix(): sha256(file)
        for file in files
        if file.is_file() and file.name.endswith(endings)
    }
    if isinstance(model, CondGPT):
        return Verification(report, hashes, notes=["a GPT alone makes no picture"])
    vqgan = model if isinstance(model, VQGAN) else model.vqgan
    side = max(min(256 // vqgan.downsample_factor, 32), 1) * vqgan.downsample_factor
    weight = vqgan.to_codes.weight
    picture = make_test_picture(vqgan.config.in_channels, side, side).to(weight)
    tokens = vqgan.encode(picture)
    results: dict[str, Any] = {"codes_used": len(torch.unique(tokens)), "tokens": tokens.numel(), "notes": []}
    if vqgan.config.has_decoder and vqgan.config.in_channels <= 3:
        error = (vqgan.decode(tokens).clamp(-1, 1) - picture).float().pow(2).mean().item()
        results["psnr"] = float(10 * np.log10(4 / max(error, 1e-20)))
    if isinstance(model, ImageSynthesisPipeline):
        results |= _likelihood(model)
    comparison = ORIGINALS.get(report.format)
    if comparison is None:
        results["notes"].append(f"there is no comparison with the program of {report.format}")
        return Verification(report, hashes, **results)
    name, load = comparison
    try:
        program = load(component_folder(path, "VQGAN") or path, vqgan)
    except (ImportError, RuntimeError, CheckpointError) as error:
        results["notes"].append(
            f"there is no comparison with {name}, which is not installed or cannot load this: {error}"
        )
        return Verification(report, hashes, **results)
    theirs, decode = program(picture.float().cpu())
    results |= {"original": name, "tokens_equal": (theirs.flatten() == tokens.cpu().flatten()).double().mean().item()}
    if decode is not None and vqgan.config.has_decoder:
        ours = vqgan.decode(theirs.view_as(tokens).to(tokens.device)).float().cpu()
        results["largest_difference"] = (decode() - ours).abs().max().item()
    return Verification(report, hashes, **results)


def _likelihood(pipe: ImageSynthesisPipeline) -> dict[str, Any]:
    try:
        likelihood = picture_likelihood(pipe, make_test_picture)
    except (TypeError, ValueError) as error:
        return {"notes": [f"the likelihood of the test picture was not computed: {error}"]}
    if likelihood.told_apart:
        return {"likelihood": likelihood}
    doubt = (
        "the model does not tell the test picture from its tokens shuffled: it is untrained, loaded wrongly, or has "
    )
    return {"likelihood": likelihood, "notes": [f"{doubt}the tokenizer of another"]}


Program = Callable[[Tensor], tuple[Tensor, Callable[[], Tensor] | None]]
"""Pictures in [-1, 1] -> their tokens, and what decodes those to pictures in [-1, 1]."""


def _diffusers(path: Path, vqgan: VQGAN) -> Program:
    from diffusers import VQModel  # type: ignore[import-not-found, unused-ignore]  # rarely there

    folder = path if path.is_dir() else path.parent
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json, without which diffusers cannot load it.")
    kind: Any = VQModel  # which has no types
    model = kind.from_pretrained(folder).float().eval()
    unit = vqgan.config.unit_range

    def run(pictures: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        latents = model.encode((pictures + 1) / 2 if unit else pictures).latents
        decoded = model.decode(latents).sample
        return model.quantize(latents)[2][2], lambda: 2 * decoded - 1 if unit else decoded

    return run


def _taming(path: Path, vqgan: VQGAN) -> Program:
    from taming.models.vqgan import GumbelVQ, VQModel  # type: ignore[import-not-found, unused-ignore]  # rarely there

    from .checkpoints.formats import Opened, identify

    opened, _ = identify(Opened(path), "taming")
    section = opened.yaml.section("model").section("params") if opened.yaml is not None else None
    stage = "first_stage_model." if "transformer.tok_emb.weight" in opened.tensors else ""
    if section is not None and stage:
        section = section.section("first_stage_config").section("params")
    if section is None:
        raise CheckpointError("the yaml is missing, without which taming-transformers cannot load it")
    kind = GumbelVQ if vqgan.config.quantizer == "gumbel" else VQModel
    settings = {name: value for name, value in section.data.items() if name not in ("ckpt_path", "lossconfig")}
    model = kind(**settings, lossconfig={"target": "torch.nn.Identity"})
    weights = {name: tensor.read().float() for name, tensor in opened.below(stage).items()}
    model.load_state_dict(weights, strict=False)
    model.eval()

    def run(pictures: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        latents = model.quant_conv(model.encoder(pictures))
        if vqgan.config.quantizer == "gumbel":
            tokens = model.quantize.proj(latents).argmax(1)
            codes = model.quantize.embed(tokens).movedim(-1, 1)
        else:
            codes, _, (_, _, tokens) = model.quantize(latents)
        return tokens, lambda: model.decode(codes)

    return run


ORIGINALS: dict[str, tuple[str, Callable[[Path, VQGAN], Program]]] = {
    "diffusers": ("diffusers", _diffusers),
    "taming": ("taming-transformers", _taming),
}
"""Programs that can be compared with where they are installed, by family."""

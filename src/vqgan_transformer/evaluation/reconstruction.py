"""What a tokenizer loses of pictures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contact_sheet import contact_sheet
from ..geometry import round_up
from ..images import to_numpy
from ..training.evaluating import evaluating
from ..vqgan.model import VQGAN
from .feature_network import FeatureNetwork, add_features, open_network
from .frechet import Gaussian, frechet_distance
from .passes import Processes, go_through
from .perceptual_distance import PerceptualDistance
from .picture_set import PictureSet, open_pictures
from .published_weights import weights_hash
from .result import ReconstructionResult, ranked
from .tally import Tally

__all__ = ["RECONSTRUCTION_METRICS", "evaluate_reconstruction"]

RECONSTRUCTION_METRICS = ("psnr", "ssim", "lpips", "rfid", "codes")


def evaluate_reconstruction(
    vqgan: VQGAN,
    pictures: Any,
    *,
    size: int | tuple[int, int] | None = None,
    resize: str = "bicubic",
    metrics: Sequence[str] = RECONSTRUCTION_METRICS,
    inception: str | Path | nn.Module | None = None,
    lpips: str | Path | nn.Module = "alex",
    batch_size: int = 8,
    folder: str | Path | None = None,
    progress: bool = True,
) -> ReconstructionResult:
    """Measures how much of pictures comes back from a tokenizer.

    Pictures are compared as they would be saved, in 8 bits. PSNR, SSIM (Wang et al. 2004: a Gaussian window of 11 pixels)
    and LPIPS are means over pictures; rFID is the Fréchet distance of the reconstructions to the same pictures.

    Args:
        vqgan: the tokenizer, on the device where it is to run. Sides that are no multiples of its factor f are continued
            by their edge, and cut again.
        pictures: a folder, list file, data set, list, or `.npz` of pictures (:func:`.picture_set.open_pictures`).
        size: (height, width), or one number for both, to which pictures are fitted; by default each at its own.
        resize: the filter by which.
        metrics: what is measured, of :data:`RECONSTRUCTION_METRICS`; "ssim" and "rfid" need the extra ``evaluate``.
        inception: local weights or another network for rFID (:func:`.feature_network.open_network`).
        lpips: "alex", "vgg", local weights, or another module (:class:`.perceptual_distance.PerceptualDistance`).
        batch_size: pictures at once. Under ``accelerate launch`` batches are shared among the processes; the numbers stay
            the same.
        folder: what was measured so far is kept in it, so that a call that was stopped goes on; the result is saved there.
        progress: show a bar.

    Returns:
        the result; its sheet shows pictures beside their reconstructions, worst and best by PSNR (without it, by LPIPS).

    Raises:
        ValueError: for unknown metrics, and pictures that cannot be used.
        ImportError: without the extra that a metric needs.
        RuntimeError: where published weights are not here and cannot be downloaded.
    """
    start = time.monotonic()
    unknown = sorted(set(metrics) - set(RECONSTRUCTION_METRICS))
    if unknown or not metrics:
        raise ValueError(f"metrics are some of {', '.join(RECONSTRUCTION_METRICS)}, got {tuple(metrics)}.")
    measured = open_pictures(pictures, size, resize)
    device = vqgan.to_codes.weight.device
    measure = _Reconstruction(
        vqgan,
        measured,
        tuple(metrics),
        open_network(inception).to(device) if "rfid" in metrics else None,
        PerceptualDistance(lpips).to(device) if "lpips" in metrics else None,
    )
    identity = json.dumps([measured.fingerprint, size, resize, sorted(metrics), measure.weights, batch_size])
    with evaluating(vqgan):
        tally = go_through(
            len(measured), batch_size, measure, title="reconstruction", identity=identity,
            folder=None if folder is None else Path(folder).expanduser() / "progress", progress=progress,
        )  # fmt: skip
        worst, best, sheet, scores = measure.ranking(tally)
    numbers, notes = measure.numbers(tally)
    result = ReconstructionResult(
        numbers=numbers,
        samples=len(measured),
        size=measured.size,
        resize=f"Pillow {resize}, antialiased, the largest middle piece",
        measured=measured.title,
        measured_hash=measured.fingerprint,
        reference="the same pictures" if "rfid" in metrics else None,
        reference_hash=measured.fingerprint if "rfid" in metrics else None,
        weights=measure.weights,
        settings={"batch_size": batch_size},
        notes=tuple(notes),
        worst=tuple((measured.names[index], float(scores[index])) for index in worst),
        best=tuple((measured.names[index], float(scores[index])) for index in best),
        sheet=sheet,
        seconds=time.monotonic() - start,
    )
    if folder is not None and Processes.here().first:
        result.save(folder)
    return result


class _Reconstruction:
    """Measures a chunk of pictures."""

    def __init__(
        self,
        vqgan: VQGAN,
        pictures: PictureSet,
        metrics: tuple[str, ...],
        network: FeatureNetwork | None,
        distance: PerceptualDistance | None,
    ) -> None:
        self.vqgan, self.pictures, self.metrics = vqgan, pictures, metrics
        self.network, self.distance = network, distance
        self.ssim = _ssim() if "ssim" in metrics else None
        self.weights = {"vqgan": weights_hash(vqgan)}
        self.weights |= {} if network is None else {network.name: network.digest}
        self.weights |= {} if distance is None else {distance.name: distance.digest}

    def __call__(self, indices: range) -> Tally:
        tally = Tally()
        for batch in _of_one_size(self.pictures, indices):
            self._measure(tally, [index for index, _ in batch], np.stack([pixels for _, pixels in batch]))
        return tally

    def _measure(self, tally: Tally, indices: list[int], pixels: np.ndarray) -> None:
        tokens, decoded = self.reconstruct(pixels)
        device = tokens.device
        photo, copy = (
            torch.from_numpy(array).to(device).movedim(-1, 1).float() for array in (pixels, decoded)
        )  # B 3 H W
        rows: dict[str, Tensor] = {}
        if "psnr" in self.metrics:
            errors = (photo - copy).double().pow(2).mean((1, 2, 3))
            rows["psnr"] = 10 * torch.log10(255**2 / errors.clamp(min=1e-10))
        if self.ssim is not None:
            rows["ssim"] = self.ssim(copy, photo, data_range=255.0, reduction="none")
        if self.distance is not None:
            rows[self.distance.name] = self.distance(photo / 127.5 - 1, copy / 127.5 - 1)
        for name, values in rows.items():
            for index, value in zip(indices, values.tolist(), strict=True):
                tally.keep(name, index, value)
        if "codes" in self.metrics:
            tally.add("codes", torch.bincount(tokens.flatten().cpu(), minlength=self.vqgan.codebook_size).double())
        if self.network is not None:
            add_features(tally, "pictures", self.network(pixels)["pool"])
            add_features(tally, "reconstructions", self.network(decoded)["pool"])

    @torch.no_grad()
    def reconstruct(self, pixels: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Tokens (B, h, w) and 8-bit reconstructions of uint8 (B, H, W, 3)."""
        height, width = pixels.shape[1:3]
        images = torch.from_numpy(pixels).movedim(-1, 1).to(self.vqgan.to_codes.weight) / 127.5 - 1  # B 3 H W
        whole = round_up((height, width), self.vqgan.downsample_factor)
        tokens = self.vqgan.encode(F.pad(images, (0, whole[1] - width, 0, whole[0] - height), mode="replicate"))
        return tokens, to_numpy(self.vqgan.decode(tokens)[..., :height, :width])

    def numbers(self, tally: Tally) -> tuple[dict[str, float], list[str]]:
        """The metrics, and what has to be said of them."""
        numbers = {name: float(np.mean(tally.kept(name))) for name in tally.rows}
        notes = []
        if self.network is not None:
            first, second = (Gaussian.of_sums(tally, name) for name in ("reconstructions", "pictures"))
            numbers[self.network.metric("rfid")] = frechet_distance(first, second)
            if len(self.pictures) <= len(first.mu):
                notes.append(
                    f"{len(self.pictures):,} pictures for {len(first.mu):,} features: the Fréchet distance of so few is not "
                    "comparable with published ones, which take 50,000."
                )
        if "codes" in self.metrics:
            counts = tally.total("codes")
            used = counts[counts > 0] / counts.sum()
            numbers |= {
                "codes_used": float(len(used)),
                "codebook_size": float(len(counts)),
                "perplexity": math.exp(float(-(used * used.log()).sum())),
            }
        return numbers, notes

    def ranking(self, tally: Tally) -> tuple[list[int], list[int], Any, np.ndarray]:
        """Indices of the worst and the best pictures, a sheet of them, and what they were ranked by."""
        if not tally.rows:
            return [], [], None, np.zeros(0)
        name = next(iter(tally.rows))
        scores = tally.kept(name)
        falls = self.distance is not None and name == self.distance.name
        worst, best = ranked(self.pictures.names, -scores if falls else scores)
        rows = []
        for index in [*worst, *best]:
            pixels = self.pictures[index]
            rows.append([pixels, self.reconstruct(pixels[None])[1][0]])
        titles = [f"worst {len(worst)}, then best {len(best)} by {name}", "reconstruction"]
        return worst, best, contact_sheet(rows, titles), scores


def _of_one_size(pictures: PictureSet, indices: range) -> list[list[tuple[int, np.ndarray]]]:
    """A chunk's pictures in batches of one size, in their order."""
    batches: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    for index in indices:
        pixels = pictures[index]
        batches.setdefault(pixels.shape, []).append((index, pixels))
    return list(batches.values())


def _ssim() -> Any:
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except Exception as error:  # what it imports may be broken in many ways
        raise ImportError(
            f"SSIM needs torchmetrics ({error}): pip install 'vqgan_transformer[evaluate]', or leave 'ssim' out of metrics=."
        ) from error
    return structural_similarity_index_measure

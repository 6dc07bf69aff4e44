"""How near samples come to a reference: FID, sFID, KID, Inception score, precision and recall."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..contact_sheet import contact_sheet
from .feature_network import FeatureNetwork, add_features, open_network
from .frechet import Gaussian, frechet_distance, read_gaussians, write_gaussians
from .passes import Processes, go_through
from .picture_set import PictureSet, open_pictures
from .published_weights import file_hash
from .result import GenerationResult, ranked
from .tally import Tally

__all__ = ["GENERATION_METRICS", "evaluate_generation", "write_reference"]

GENERATION_METRICS = ("fid", "sfid", "kid", "inception_score", "precision", "recall")
SPLITS = 10
"""Parts whose Inception scores are averaged."""
SHUFFLE_SEED = 2020
"""Decides which pictures are in which part, and KID's subsets; torch-fidelity's."""


def evaluate_generation(
    samples: Any,
    *,
    reference: Any,
    size: int | tuple[int, int] | None = None,
    resize: str = "bicubic",
    metrics: Sequence[str] | None = None,
    inception: str | Path | nn.Module | FeatureNetwork | None = None,
    batch_size: int = 32,
    compared: int = 10_000,
    neighbours: int = 3,
    device: str | torch.device | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
) -> GenerationResult:
    """Measures how near samples come to a reference.

    FID (Heusel et al. 2017) and sFID (Nash et al. 2021) take all pictures; KID (Bińkowski et al. 2018), precision and
    recall (Kynkäänniemi et al. 2019) compare pictures in pairs, at most ``compared`` of each side, spread evenly; the
    Inception score (Salimans et al. 2016) is the mean of ten parts. Precision and recall are of the same features as FID,
    as in ADM's evaluator.

    Args:
        samples: a folder, list file, data set, list, or `.npz` of pictures.
        reference: the same; or an `.npz` file with `mu` and `sigma` (and `mu_s`, `sigma_s`), with or without pictures
            beside them, as ADM publishes and :func:`write_reference` writes. Stored statistics are taken as they are.
        size: (height, width), or one number for both, to which pictures of both sides are fitted; by default they stay as
            they are, and each side must have one size.
        resize: the filter by which. Inception itself then scales to 299×299, as TensorFlow does.
        metrics: what is measured, of :data:`GENERATION_METRICS`; by default all that the reference and the network allow.
        inception: local weights or another network (:func:`.feature_network.open_network`).
        batch_size: pictures at once. Under ``accelerate launch`` batches are shared among the processes; the numbers stay
            the same.
        compared: pictures of either side whose features are kept, for KID, precision and recall: 8 kB of memory for each.
        neighbours: k of precision and recall.
        device: where features are computed; by default a GPU if there is one, each process its own.
        folder: what was measured so far is kept in it, so that a call that was stopped goes on; the result is saved there.
        progress: show a bar.

    Returns:
        the result; its sheet shows the samples whose features are least and most like the reference's mean, measured in
        standard deviations of each feature.

    Raises:
        ValueError: for unknown metrics, those that the reference or network does not allow, and unusable pictures.
        ImportError: without the extra ``evaluate``, for the published network and for KID, precision and recall.
        RuntimeError: where the published weights are not here and cannot be downloaded.
    """
    start = time.monotonic()
    drawn = open_pictures(samples, size, resize, title="the samples")
    compared_with = _open_reference(reference, size, resize)
    _check_sizes(drawn, compared_with)
    network = open_network(inception).to(Processes.device(device))
    wanted, notes = _allowed(metrics, compared_with, network)
    progress_folder = None if folder is None else Path(folder).expanduser() / "progress"
    about = [size, resize, network.digest, batch_size, compared, wanted]
    options: dict[str, Any] = {"folder": progress_folder, "progress": progress}
    there, gaussians = Tally(), dict(compared_with.gaussians)
    need_pictures = bool({"kid", "precision", "recall"} & set(wanted)) or not gaussians
    if compared_with.pictures is not None and need_pictures:
        measure = _Features(network, compared_with.pictures, compared)
        identity = json.dumps([compared_with.digest, *about])
        count = len(compared_with.pictures)
        there = go_through(count, batch_size, measure, title="reference", identity=identity, **options)
    for name in ("pool", "spatial"):
        if name not in gaussians and f"{name} sum" in there.sums:
            gaussians[name] = Gaussian.of_sums(there, name)
    measure = _Features(network, drawn, compared, gaussians.get("pool"))
    here = go_through(
        len(drawn), batch_size, measure, title="samples",
        identity=json.dumps([drawn.fingerprint, compared_with.digest, *about]), **options,
    )  # fmt: skip
    numbers = _numbers(wanted, network, here, there, gaussians, neighbours)
    if len(drawn) <= len(gaussians["pool"].mu):
        notes.append(
            f"{len(drawn):,} samples for {len(gaussians['pool'].mu):,} features: the Fréchet distance of so few is not "
            "comparable with published ones, which take 50,000."
        )
    scores = -here.kept("distance")
    worst, best = ranked(drawn.names, scores)
    result = GenerationResult(
        numbers=numbers,
        samples=len(drawn),
        size=drawn.size,
        resize=f"Pillow {resize}, antialiased, the largest middle piece; then as the network does",
        measured=drawn.title,
        measured_hash=drawn.fingerprint,
        reference=compared_with.title,
        reference_hash=compared_with.digest,
        weights={network.name: network.digest},
        settings={"batch_size": batch_size, "compared": compared, "neighbours": neighbours},
        notes=tuple(notes),
        worst=tuple((drawn.names[index], float(scores[index])) for index in worst),
        best=tuple((drawn.names[index], float(scores[index])) for index in best),
        sheet=contact_sheet([[drawn[index] for index in some] for some in (worst, best) if some]),
        seconds=time.monotonic() - start,
    )
    if folder is not None and Processes.here().first:
        result.save(folder)
    return result


def write_reference(
    pictures: Any,
    file: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    resize: str = "bicubic",
    inception: str | Path | nn.Module | FeatureNetwork | None = None,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Path:
    """Writes the statistics of pictures once, to be the reference of many evaluations.

    Args:
        pictures: as for :func:`evaluate_generation`, like the other arguments.
        file: an `.npz` that gets `mu` and `sigma`, and of Inception also `mu_s` and `sigma_s`.
        size: see there.
        resize: see there.
        inception: see there.
        batch_size: see there.
        device: see there.
        progress: see there.

    Returns:
        the file.
    """
    path = Path(file).expanduser()
    if path.suffix != ".npz":
        raise ValueError(f"a reference is written to an .npz file, got {path.name!r}.")
    there = open_pictures(pictures, size, resize)
    measure = _Features(open_network(inception).to(Processes.device(device)), there, 0)
    tally = go_through(len(there), batch_size, measure, title="reference", identity="", progress=progress)
    if Processes.here().first:
        names = [name for name in ("pool", "spatial") if f"{name} sum" in tally.sums]
        write_gaussians(path, {name: Gaussian.of_sums(tally, name) for name in names})
    Processes.here().wait()
    return path


def sample_evaluation(
    inception: str | None, device: torch.device
) -> Callable[[Sequence[Image.Image], Sequence[Image.Image]], dict[str, float]]:
    """What a training measures its samples with: a function from samples and reference to numbers.

    Args:
        inception: weights, as for :func:`evaluate_generation`; they are read at once.
        device: where features are computed.
    """
    network = open_network(inception).to(device)

    def measure(samples: Sequence[Image.Image], reference: Sequence[Image.Image]) -> dict[str, float]:
        wanted = ("fid", "kid", "precision", "recall")
        result = evaluate_generation(
            samples, reference=reference, metrics=wanted, inception=network, device=device, progress=False
        )
        return dict(result.numbers)

    return measure


@dataclass(frozen=True)
class _Reference:
    """What samples are compared with: pictures, statistics, or both."""

    title: str
    digest: str
    pictures: PictureSet | None
    gaussians: dict[str, Gaussian]


def _open_reference(reference: Any, size: int | tuple[int, int] | None, resize: str) -> _Reference:
    if not isinstance(reference, str | Path) or Path(reference).suffix != ".npz":
        pictures = open_pictures(reference, size, resize, title="the reference")
        return _Reference(pictures.title, pictures.fingerprint, pictures, {})
    path = Path(reference).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no reference {path}.")
    gaussians = read_gaussians(path)
    try:
        pictures = open_pictures(path, size, resize)
    except ValueError:
        if not gaussians:
            raise
        return _Reference(path.name, file_hash(path), None, gaussians)
    return _Reference(path.name, file_hash(path), pictures, gaussians)


def _check_sizes(drawn: PictureSet, reference: _Reference) -> None:
    """Refuses to compare pictures of one size with those of another, of which nobody said how they are to be fitted."""
    if drawn.size is None and reference.pictures is not None:
        (height, width), (height_there, width_there) = drawn[0].shape[:2], reference.pictures[0].shape[:2]
        if (height, width) != (height_there, width_there):
            raise ValueError(
                f"{drawn.title} has pictures of {height}×{width} and {reference.title} of {height_there}×{width_there} "
                "(height × width): pass size= to fit both to one, and resize= to choose the filter."
            )


def _allowed(
    metrics: Sequence[str] | None, reference: _Reference, network: FeatureNetwork
) -> tuple[list[str], list[str]]:
    """The metrics that are measured, and notes on those that cannot be."""
    unknown = sorted(set(metrics or ()) - set(GENERATION_METRICS))
    if unknown or (metrics is not None and not metrics):
        raise ValueError(f"metrics are some of {', '.join(GENERATION_METRICS)}, got {tuple(metrics or ())}.")
    reasons: dict[str, str] = {}
    if reference.pictures is None:
        missing = f"the reference {reference.title} has statistics, but no pictures to compare one by one"
        reasons |= dict.fromkeys(("kid", "precision", "recall"), missing)
        if "spatial" not in reference.gaussians:
            reasons["sfid"] = f"the reference {reference.title} has no mu_s and sigma_s"
    if not network.official and not network.name.startswith("Inception"):
        reasons |= dict.fromkeys(("sfid", "inception_score"), f"{network.name} has neither such features nor classes")
    refused = [name for name in metrics or () if name in reasons]
    if refused:
        raise ValueError(f"{refused[0]} cannot be measured: {reasons[refused[0]]}. Leave it out of metrics=.")
    wanted = [name for name in (metrics or GENERATION_METRICS) if name not in reasons]
    left_out = {reason: [name for name in reasons if reasons[name] == reason] for reason in reasons.values()}
    return wanted, [
        f"{', '.join(names)} left out: {reason}." for reason, names in left_out.items()
    ] if not metrics else []


class _Features:
    """Sums features of a chunk of pictures, and keeps those of some."""

    def __init__(self, network: FeatureNetwork, pictures: PictureSet, compared: int, reference: Gaussian | None = None):
        self.network, self.pictures, self.reference = network, pictures, reference
        count = len(pictures)
        self.kept = {index * count // compared for index in range(compared)} if compared < count else set(range(count))
        self.split = np.empty(count, dtype=np.int64)
        order = np.random.RandomState(SHUFFLE_SEED).permutation(count)
        for part in range(SPLITS):
            self.split[order[part * count // SPLITS : (part + 1) * count // SPLITS]] = part

    def __call__(self, indices: range) -> Tally:
        tally = Tally()
        features = self.network(self.pictures.batch(indices))
        for name in ("pool", "spatial"):
            if name in features:
                add_features(tally, name, features[name])
        if "logits" in features:
            self._add_classes(tally, indices, features["logits"].double().cpu())
        pool = features["pool"].cpu().float().numpy()
        for index, row in zip(indices, pool, strict=True):
            if index in self.kept:
                tally.keep("features", index, row)
            if self.reference is not None:
                variances = np.diag(self.reference.sigma) + 1e-6
                tally.keep("distance", index, float(((row - self.reference.mu) ** 2 / variances).mean() ** 0.5))
        return tally

    def _add_classes(self, tally: Tally, indices: range, logits: Tensor) -> None:
        """What the Inception score of each part is made of: its number, sum of p, and sum of p · log p."""
        log_p = logits.log_softmax(1)
        parts = nn.functional.one_hot(
            torch.from_numpy(self.split[indices.start : indices.stop]), SPLITS
        ).double()  # B S
        tally.add("class count", parts.sum(0))
        tally.add("class sum", parts.T @ log_p.exp())
        tally.add("class entropy", parts.T @ (log_p.exp() * log_p).sum(1))


def _inception_score(tally: Tally) -> float:
    """Exp of the mean divergence of a picture's classes from those of all, the mean of the parts."""
    count = tally.total("class count")
    count, sums, entropy = (tally.total(f"class {name}")[count > 0] for name in ("count", "sum", "entropy"))
    mean = sums / count[:, None]
    return float((entropy / count - torch.special.xlogy(mean, mean).sum(1)).exp().mean())


def _numbers(
    wanted: Sequence[str],
    network: FeatureNetwork,
    here: Tally,
    there: Tally,
    gaussians: dict[str, Gaussian],
    neighbours: int,
) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name, features in (("fid", "pool"), ("sfid", "spatial")):
        if name in wanted:
            metrics[name] = frechet_distance(Gaussian.of_sums(here, features), gaussians[features])
    if {"kid", "precision", "recall"} & set(wanted):
        first, second = (torch.from_numpy(tally.kept("features")).double() for tally in (here, there))
        metrics |= _pairwise(wanted, first, second, neighbours)
    if "inception_score" in wanted:
        metrics["inception_score"] = _inception_score(here)
    return {network.metric(name): metrics[name] for name in wanted}


def _pairwise(wanted: Sequence[str], first: Tensor, second: Tensor, neighbours: int) -> dict[str, float]:
    """What torch-fidelity makes of the features (N, D) and (M, D) of samples and reference."""
    try:
        from torch_fidelity.metric_kid import kid_features_to_metric
        from torch_fidelity.metric_prc import prc_features_to_metric
    except Exception as error:  # a torchvision that does not fit torch raises RuntimeError when it is imported
        raise ImportError(
            f"KID, precision and recall need torch-fidelity ({error}): pip install 'vqgan_transformer[evaluate]', or name "
            "other metrics=."
        ) from error
    metrics: dict[str, float] = {}
    if "kid" in wanted:
        subset = min(1000, len(first), len(second))
        kid = kid_features_to_metric(first, second, kid_subset_size=subset, rng_seed=SHUFFLE_SEED, verbose=False)
        metrics["kid"] = kid["kernel_inception_distance_mean"]
    if {"precision", "recall"} & set(wanted):
        if min(len(first), len(second)) <= neighbours:
            raise ValueError(
                f"precision and recall of {neighbours} neighbours need more pictures than that on both sides."
            )
        pair = prc_features_to_metric(
            first, second, prc_neighborhood=neighbours, prc_batch_size=1000, save_cpu_ram=True, verbose=False
        )
        metrics |= {name: pair[name] for name in ("precision", "recall")}
    return metrics

"""The distance of two sets of pictures as that of two Gaussians over their features (Heusel et al. 2017, equation 6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .tally import Tally

__all__ = ["Gaussian", "frechet_distance", "read_gaussians", "write_gaussians"]


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features.

    Attributes:
        mu: float64 (D,).
        sigma: float64 (D, D).
    """

    mu: np.ndarray
    sigma: np.ndarray

    def __post_init__(self) -> None:
        if self.mu.ndim != 1 or self.sigma.shape != (len(self.mu), len(self.mu)):
            raise ValueError(f"mean (D,) and covariance (D, D), got {self.mu.shape} and {self.sigma.shape}.")

    @classmethod
    def of_sums(cls, tally: Tally, name: str) -> Gaussian:
        """From the sums of features and of their outer products, as :func:`.feature_network.add_features` adds them.

        Raises:
            ValueError: for fewer than two pictures, which have no covariance.
        """
        count = float(tally.total(f"{name} count"))
        if count < 2:
            raise ValueError(f"a covariance needs at least two pictures, got {count:.0f}.")
        mu = tally.total(f"{name} sum") / count
        products = tally.total(f"{name} products")
        return cls(mu.numpy(), ((products - count * mu[:, None] * mu[None]) / (count - 1)).numpy())


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """|mu1 - mu2|² + tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^½), which is never negative but for rounding.

    The trace of the root is the sum of the roots of the eigenvalues of sigma1 · sigma2, as torch-fidelity takes it.

    Raises:
        ValueError: for features of different numbers.
    """
    if first.mu.shape != second.mu.shape:
        raise ValueError(f"features of {len(first.mu)} and {len(second.mu)} dimensions cannot be compared.")
    difference = first.mu - second.mu
    eigenvalues = np.linalg.eigvals(first.sigma @ second.sigma).astype(np.complex128)
    root = np.sqrt(eigenvalues).real.sum()
    return float(difference @ difference + np.trace(first.sigma) + np.trace(second.sigma) - 2 * root)


def read_gaussians(path: Path) -> dict[str, Gaussian]:
    """The Gaussians of an .npz file as ADM's evaluator and pytorch-fid write them.

    Returns:
        "pool" from `mu` and `sigma`, "spatial" from `mu_s` and `sigma_s`, as far as they are there.

    Raises:
        ValueError: for a file that is none, or whose arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {
                name: Gaussian(stored[mu].astype(np.float64), stored[sigma].astype(np.float64))
                for name, mu, sigma in (("pool", "mu", "sigma"), ("spatial", "mu_s", "sigma_s"))
                if mu in stored.files and sigma in stored.files
            }
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is no .npz file of statistics ({error}).") from error


def write_gaussians(path: Path, gaussians: dict[str, Gaussian]) -> None:
    """Writes what :func:`read_gaussians` reads."""
    arrays: dict[str, np.ndarray] = {}
    for name, suffix in (("pool", ""), ("spatial", "_s")):
        if name in gaussians:
            arrays |= {f"mu{suffix}": gaussians[name].mu, f"sigma{suffix}": gaussians[name].sigma}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)

"""The Fréchet distance: closed forms, and torch-fidelity's on the same features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqgan_transformer.evaluation.feature_network import add_features
from vqgan_transformer.evaluation.frechet import Gaussian, frechet_distance, read_gaussians, write_gaussians
from vqgan_transformer.evaluation.tally import Tally


def gaussian(mu: list[float], sigma: np.ndarray) -> Gaussian:
    return Gaussian(np.array(mu, dtype=np.float64), np.asarray(sigma, dtype=np.float64))


def measured(features: torch.Tensor, batch: int) -> Gaussian:
    tally = Tally()
    for part in features.split(batch):
        add_features(tally, "pool", part)
    return Gaussian.of_sums(tally, "pool")


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_of_one_dimension_it_is_the_difference_of_means_and_of_deviations_squared():
    first, second = gaussian([1.0], [[4.0]]), gaussian([4.0], [[25.0]])
    assert frechet_distance(first, second) == pytest.approx((4 - 1) ** 2 + (5 - 2) ** 2)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1])
def test_covariances_with_common_axes_differ_by_their_deviations(angle):
    turn = rotation(angle)
    first = gaussian([0, 0], turn @ np.diag([1.0, 9.0]) @ turn.T)
    second = gaussian([3, 4], turn @ np.diag([16.0, 4.0]) @ turn.T)
    assert frechet_distance(first, second) == pytest.approx(25 + (4 - 1) ** 2 + (3 - 2) ** 2)


def test_covariances_of_other_axes_by_the_formula_for_two_dimensions():
    # tr (AB)^½ = (tr AB + 2 (det AB)^½)^½
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    b = rotation(0.7) @ np.diag([3.0, 0.2]) @ rotation(0.7).T
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    expected = np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(gaussian([0, 0], a), gaussian([0, 0], b)) == pytest.approx(expected)


def test_features_of_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="1 and 2 dimensions"):
        frechet_distance(gaussian([0], [[1]]), gaussian([0, 0], np.eye(2)))
    with pytest.raises(ValueError, match="at least two"):
        measured(torch.ones(1, 3), 1)


@pytest.mark.parametrize("count", [7, 200])
def test_the_same_features_give_what_torch_fidelity_gives(count):
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(count, 32, generator=generator).relu()
    second = 0.8 * torch.randn(150, 32, generator=generator).relu() + 0.1
    statistics = [fidelity.fid_features_to_statistics(features.double()) for features in (first, second)]
    expected = fidelity.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert frechet_distance(measured(first, 32), measured(second, 40)) == pytest.approx(expected, abs=1e-6)


def test_statistics_are_stored_as_adm_and_pytorch_fid_have_them(tmp_path):
    pool, spatial = gaussian([1, 2], np.eye(2)), gaussian([3], [[2]])
    write_gaussians(tmp_path / "reference.npz", {"pool": pool, "spatial": spatial})
    with np.load(tmp_path / "reference.npz") as stored:
        assert sorted(stored.files) == ["mu", "mu_s", "sigma", "sigma_s"]
    read = read_gaussians(tmp_path / "reference.npz")
    assert np.array_equal(read["pool"].sigma, np.eye(2)) and read["spatial"].mu.tolist() == [3]
    (tmp_path / "no.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"no .npz file of statistics"):
        read_gaussians(tmp_path / "no.npz")

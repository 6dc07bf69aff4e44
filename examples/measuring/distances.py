"""How far pictures, depths and sets of features are from each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["fine_detail", "frechet", "luminance", "psnr", "rank_correlation"]


def frechet(one: Tensor, other: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to features (N, d) and (M, d), in float64.

    The trace of the root of the covariances' product is the sum of the singular values of one centred matrix times the
    other, whatever the ranks.
    """
    first, second = (_centred_root(features.double()) for features in (one, other))
    mixed = torch.linalg.svdvals(first @ second.T).sum()
    difference = one.double().mean(0) - other.double().mean(0)
    return float(difference.square().sum() + first.square().sum() + second.square().sum() - 2 * mixed)


def _centred_root(features: Tensor) -> Tensor:
    """R with R^T R the covariance of the features, of at most d rows."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    return torch.linalg.qr(centred, mode="r").R if len(centred) > centred.shape[1] else centred


def rank_correlation(one: Tensor, other: Tensor, each: int = 4) -> float:
    """Spearman's, of every fourth row and column of two maps (H, W)."""
    ranks = [x[::each, ::each].flatten().double().argsort().argsort().double() for x in (one, other)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def psnr(image: Tensor, other: Tensor) -> float:
    """In dB, of pictures in [-1, 1]."""
    return float(10 * torch.log10(4 / (image - other).square().mean()))


def fine_detail(image: Tensor) -> float:
    """The energy that is lost where a picture (1, 3, H, W) is halved and scaled up again: what is finer than 4 pixels."""
    coarse = F.interpolate(F.avg_pool2d(image, 2), scale_factor=2, mode="bilinear")
    return float((image - coarse).square().mean())


def luminance(image: Tensor) -> float:
    """The mean luma (Rec. 601) of a picture (1, 3, H, W) in [-1, 1], from 0 to 1."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    return float((image[0].mean((1, 2)) + 1) / 2 @ weights)

"""People in scenes: who is large enough to be read, the square around them, and where a reader sees their joints."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .cuts import Square, square_cut

__all__ = ["PERSON_SIDE", "cut_of", "joints_found", "joints_in_cut", "people_of", "read_joints"]

PERSON_SIDE = 96
"""Pixels that a person is scaled to before joints are read."""

_MARGIN = 1.35
"""Side of the square that is cut around a person, in heights or widths of their joints' box, whichever is larger."""

_NEAR = 0.1
"""A joint is found where the reader sees it no further away than this share of the person's height."""


def people_of(keypoints: np.ndarray, smallest: float = 0, largest: float = np.inf) -> list[np.ndarray]:
    """The people (17, 3) with at least eight joints in view, whose joints span so many pixels."""
    chosen = []
    for person in np.asarray(keypoints, dtype=np.float64).reshape(-1, 17, 3):
        seen = person[person[:, 2] == 2]
        if len(seen) >= 8 and smallest <= np.ptp(seen[:, :2], axis=0).max() < largest:
            chosen.append(person)
    return chosen


def cut_of(image: Tensor, person: np.ndarray, side: int = PERSON_SIDE) -> Tensor:
    """Someone in a picture (1, 3, H, W): (1, 3, side, side)."""
    return square_cut(image, _square(person), side)


def joints_in_cut(person: np.ndarray) -> np.ndarray:
    """Joints (17, 3) in pixels of the square as it is read."""
    left, top, extent = _square(person)
    moved = person.copy()
    moved[:, :2] = (person[:, :2] - np.array([left, top])) * (PERSON_SIDE / extent)
    return moved


@torch.inference_mode()
def read_joints(reader: nn.Module, image: Tensor, person: np.ndarray) -> np.ndarray:
    """Where the reader sees the joints of someone in a picture (1, 3, H, W): (17, 2) as x, y."""
    place = reader(cut_of(image, person))[0].argmax(1)
    left, top, extent = _square(person)
    cells = torch.stack((place % (PERSON_SIDE // 4), place // (PERSON_SIDE // 4)), dim=1).numpy()
    return (cells * 4 + 2) * (extent / PERSON_SIDE) + np.array([left, top])


def joints_found(reader: nn.Module, image: Tensor, person: np.ndarray) -> tuple[int, int]:
    """How many of someone's joints in view the reader finds, and how many there are."""
    seen = person[:, 2] == 2
    away = np.linalg.norm(read_joints(reader, image, person) - person[:, :2], axis=1)[seen]
    return int((away < _NEAR * np.ptp(person[seen, :2], axis=0).max()).sum()), int(seen.sum())


def _square(person: np.ndarray) -> Square:
    seen = person[person[:, 2] > 0, :2]
    extent = _MARGIN * np.ptp(seen, axis=0).max()
    left, top = (seen.max(0) + seen.min(0)) / 2 - extent / 2
    return float(left), float(top), float(extent)

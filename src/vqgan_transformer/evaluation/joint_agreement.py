"""Keypoints against what a pose estimator sees: the share of joints that are where they should be."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from ..conditions import KeypointsCondition
from ..conditions.poses import read_poses
from ..conditions.skeleton import render_skeletons
from .agreement import Agreement
from .map_reader import MapReader
from .tally import Tally

__all__ = ["JointAgreement", "correct_joints"]


class JointAgreement(Agreement[KeypointsCondition]):
    """PCK, the percentage of correct keypoints (Yang and Ramanan 2013).

    A joint is correct if the reader sees it within 0.1 (and 0.2) times the longer side of its person's box, that of the
    person's joints. Each person is matched to at most one that is read, so that most joints are correct.
    """

    kind: ClassVar[str] = KeypointsCondition.name
    thresholds: ClassVar[tuple[float, ...]] = (0.1, 0.2)
    """Of the longer side of a person's box; the first is what pictures are ranked by."""

    @classmethod
    def model_reader(cls, model: str, device: torch.device) -> MapReader:
        """There is none that needs nothing but the picture.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"pose models of transformers need people's boxes, too, so {model!r} cannot read a picture by itself: pass a "
            "function from a picture to people, (people, 17, 3) or what your pose model returns."
        )

    def target(self, value: Any, size: tuple[int, int]) -> np.ndarray:
        """People, float64 (people, 17, 3), in pixels of the picture."""
        return self._people(value, size, {name: self.options[name] for name in _READING if name in self.options})

    def _people(self, value: Any, size: tuple[int, int], options: dict[str, Any]) -> np.ndarray:
        [pose] = read_poses(value, **options)
        pose_size = pose.size or self.options.get("keypoints_size") or size
        people: np.ndarray = pose.people.copy()
        people[..., :2] *= size[1] / pose_size[1], size[0] / pose_size[0]
        return people

    def compare(self, tally: Tally, index: int, target: np.ndarray, reading: Any, size: tuple[int, int]) -> float:
        """Adds correct joints and all joints; the picture's score is its share of correct ones, 1 without people."""
        seen = self._people(reading, size, {})
        correct = [correct_joints(target, seen, threshold) for threshold in self.thresholds]
        joints = int((target[..., 2] > 0).sum())
        tally.add("joints", torch.tensor([*correct, joints, len(target)]).double())
        return correct[0] / joints if joints else 1.0

    def numbers(self, tally: Tally) -> dict[str, float]:
        """The share over all joints, and how many there are."""
        *correct, joints, people = tally.total("joints").tolist()
        shares = {
            f"pck@{threshold:g}": right / joints if joints else float("nan")
            for threshold, right in zip(self.thresholds, correct, strict=True)
        }
        return shares | {"joints": joints, "people": people}

    def show(self, target: np.ndarray, reading: Any, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """Both as skeletons."""
        seen = self._people(reading, size, {})
        return Image.fromarray(render_skeletons(target, size)), Image.fromarray(render_skeletons(seen, size))


_READING = ("keypoint_format", "image_id")


def correct_joints(target: np.ndarray, reading: np.ndarray, threshold: float) -> int:
    """Joints that are seen where they should be.

    Args:
        target: (people, J, 3); x, y, and 0 for joints that are not there.
        reading: (others, J, 3).
        threshold: the largest distance, in longer sides of a person's box.
    """
    there = target[..., 2] > 0
    if not len(target) or not len(reading):
        return 0
    from scipy.optimize import linear_sum_assignment

    longer = np.array(
        [
            np.ptp(person[seen, :2], axis=0).max() if seen.any() else 0.0
            for person, seen in zip(target, there, strict=True)
        ]
    )
    distances = np.linalg.norm(target[:, None, :, :2] - reading[None, :, :, :2], axis=-1)  # people, others, J
    near = distances <= threshold * longer[:, None, None]
    correct = (near & there[:, None] & (reading[None, ..., 2] > 0)).sum(-1)  # people, others
    rows, columns = linear_sum_assignment(correct, maximize=True)
    return int(correct[rows, columns].sum())

"""Reads what people have for keypoints: arrays, COCO and OpenPose files, and what pose estimators return."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..images import as_items
from .joints import JOINT_ORDERS, joint_order, to_coco
from .skeleton import JOINTS

__all__ = ["Pose", "read_poses"]

LARGEST_FILE = 2**29
"""Bytes that a JSON file may have; the annotations of COCO's whole training set are half as large."""

_HELP = (
    "Pass an array or tensor (people, 17, 3) of x, y and visibility or score, the path or content of a COCO json, what a "
    "pose model returns, or a list with one of these for each picture."
)
_SCORES = ("scores", "keypoint_scores")  # of joints, as transformers and MMPose call them


@dataclass(frozen=True)
class Pose:
    """The people in one picture.

    Attributes:
        people: float64 (people, 17, 3), COCO's joints; x, y, and visibility or score, 0 for joints that are not there.
        size: (height, width) of the picture that x and y are pixels of; ``None`` if nothing says it.
    """

    people: np.ndarray
    size: tuple[int, int] | None = None


def read_poses(value: Any, *, keypoint_format: Any = None, image_id: Any = None, threshold: float = 0.0) -> list[Pose]:
    """The poses in a user's input, one for each picture.

    Args:
        value: see :meth:`.keypoints.KeypointsCondition.parse`.
        keypoint_format: see :func:`.joints.joint_order`.
        image_id: which of several pictures of a COCO json, or a list of them.
        threshold: people whose own score lies below are left out, and so are joints.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and contents, and values that cannot be what is meant.
        FileNotFoundError: if there is no such file.
    """
    reader = _Reader(keypoint_format, threshold)
    if isinstance(value, str | Path):
        value = _load_json(Path(value))
    if _is_dataset(value):
        poses = [reader.dataset(value, wanted) for wanted in _wanted_pictures(value, image_id)]
    elif _is_annotations(value) and (image_id is not None or len({one.get("image_id") for one in value}) > 1):
        dataset = {"annotations": value}
        poses = [reader.dataset(dataset, wanted) for wanted in _wanted_pictures(dataset, image_id)]
    elif image_id is not None:
        raise ValueError("image_id= chooses a picture of a COCO json, but keypoints is none: leave it out.")
    else:
        poses = reader.pictures(value)
    _refuse_relative(poses)
    return poses


class _Reader:
    """Reads people, given what their joints are called and how sure they must be."""

    def __init__(self, keypoint_format: Any, threshold: float):
        self.format = keypoint_format
        self.threshold = threshold

    def pictures(self, value: Any) -> list[Pose]:
        """What is not a COCO json: one picture, or a list or a leading axis for several."""
        if isinstance(value, np.ndarray | Tensor) or _is_nested_numbers(value):
            array = _numbers(value)
            return [self.array(one) for one in array] if array.ndim == 4 else [self.array(array)]
        if isinstance(value, list | tuple) and not _are_people(value):
            items = as_items(value, "keypoints")
            single = [item for item in items if getattr(item, "ndim", 0) == 2]
            if len(single) > 1:
                raise ValueError(
                    f"keypoints is a list with {len(single)} arrays of one person each. If they are people of one "
                    "picture, pass numpy.stack of them; if each is a picture of its own, give it a leading axis: [None]."
                )
            return [pose for item in items for pose in self._one(item)]
        return [self.one(value)]

    def _one(self, item: Any) -> list[Pose]:
        if isinstance(item, np.ndarray | Tensor) and item.ndim == 4:
            raise ValueError(
                f"keypoints is a list with an array of shape {tuple(item.shape)}; in a list each array is one picture, "
                "(people, 17, 3)."
            )
        return [self.one(item)]

    def one(self, item: Any) -> Pose:
        """One picture."""
        if isinstance(item, np.ndarray | Tensor) or _is_nested_numbers(item):
            return self.array(_numbers(item))
        if isinstance(item, str | Path):
            return read_poses(item, keypoint_format=self.format, threshold=self.threshold)[0]
        if isinstance(item, Mapping) and "people" in item:
            return self.openpose(item)
        if isinstance(item, Mapping) and "keypoints" in item:
            keypoints = item["keypoints"]
            return self.detections(item) if getattr(keypoints, "ndim", 0) == 3 else self.people([item])
        if isinstance(item, list | tuple) and all(isinstance(one, Mapping) and "keypoints" in one for one in item):
            return self.people(item)  # nobody, if it is empty
        if isinstance(item, Image.Image):
            raise TypeError(
                "keypoints is a picture. Joints cannot be told from a picture without saying what its colours mean: "
                f"palette='openpose' for OpenPose's skeletons. {_HELP}"
            )
        if isinstance(item, Mapping):
            raise ValueError(
                f"keypoints is a dictionary with {sorted(map(str, item))}, but without 'keypoints'. {_HELP}"
            )
        raise TypeError(f"keypoints is given as {type(item).__name__}. {_HELP}")

    def array(self, array: np.ndarray, names: Any = None) -> Pose:
        """People as numbers: (people, joints, 2 or 3), or one person (joints, 2 or 3)."""
        if array.ndim == 2:
            array = array[None]
        if array.size == 0 and array.ndim == 3:
            return Pose(np.zeros((0, len(JOINTS), 3)))
        if array.ndim != 3 or array.shape[-1] not in (2, 3):
            raise ValueError(f"keypoints has the shape {array.shape}, expected (people, 17, 3): x, y, visibility.")
        if array.shape[-1] == 2:  # programs that give no third number mark missing joints in one of these ways
            there = ~(np.isnan(array).all(axis=-1) | (array == 0).all(axis=-1))
            array = np.concatenate([np.where(there[..., None], array, 0), there[..., None]], axis=-1)
        array = self._checked(array)
        return Pose(to_coco(array, joint_order(self.format if names is None else names, array.shape[1])))

    def _checked(self, array: np.ndarray) -> np.ndarray:
        sure = array[..., 2]
        if not (np.isfinite(sure).all() and 0 <= sure.min() and sure.max() <= 2):
            raise ValueError(
                f"the third number of keypoints runs from {sure.min():.4g} to {sure.max():.4g}; it is COCO's visibility "
                "(0 not there, 1 hidden, 2 seen) or a score from 0 to 1."
            )
        there = (sure > 0) & (sure >= self.threshold)
        if not np.isfinite(array[there]).all():
            raise ValueError("keypoints has coordinates that are not finite. Set the third number of such joints to 0.")
        return np.where(there[..., None], array, 0)

    def people(self, people: Sequence[Mapping[str, Any]], names: Any = None) -> Pose:
        """People as dictionaries: annotations of COCO, or what transformers and MMPose return."""
        found = [self.person(person, names) for person in people if self._is_sure(person.get("score"))]
        return Pose(np.concatenate([np.zeros((0, len(JOINTS), 3)), *found]))

    def person(self, person: Mapping[str, Any], names: Any) -> np.ndarray:
        """One person as a dictionary -> (1, 17, 3)."""
        keypoints = _numbers(person["keypoints"])
        if keypoints.ndim == 1 and keypoints.size % 3 == 0:
            keypoints = keypoints.reshape(-1, 3)
        scores = next((_numbers(person[name]) for name in _SCORES if name in person), None)
        if scores is not None and keypoints.ndim == 2 and scores.shape == keypoints.shape[:1]:
            keypoints = np.concatenate([keypoints[:, :2], scores.clip(0, 1)[:, None]], axis=-1)
        if keypoints.ndim != 2:
            raise ValueError(f"keypoints of one person have the shape {keypoints.shape}, expected (17, 3) or (17, 2).")
        if "labels" in person:
            keypoints = self._by_label(keypoints, _numbers(person["labels"]))
        return self.array(keypoints, names).people

    def _by_label(self, keypoints: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Puts joints in their places: estimators leave out what they are not sure of, and say what the others are."""
        count = len(JOINTS if self.format is None else joint_order(self.format, self._count()))
        if labels.shape != keypoints.shape[:1] or (labels != np.floor(labels)).any() or (labels < 0).any():
            raise ValueError(f"the labels {labels.tolist()} of a person do not say which joints its keypoints are.")
        if labels.size and labels.max() >= count:
            raise ValueError(
                f"a person has the joint number {labels.max():.0f}, but there are {count}: pass keypoint_format= "
                f"({', '.join(JOINT_ORDERS)})."
            )
        if keypoints.shape[1] == 2:
            keypoints = np.pad(keypoints, ((0, 0), (0, 1)), constant_values=1)
        placed = np.zeros((count, 3))
        placed[labels.astype(int)] = keypoints
        return placed

    def _count(self) -> int:
        return len(JOINT_ORDERS.get(self.format, ()) if isinstance(self.format, str) else self.format)

    def detections(self, found: Mapping[str, Any]) -> Pose:
        """One picture as torchvision returns it: keypoints (people, 17, 3), and a score of each person."""
        keypoints = _numbers(found["keypoints"])
        if "scores" in found:
            keypoints = keypoints[[self._is_sure(score) for score in _numbers(found["scores"])]]
        return self.array(keypoints)

    def openpose(self, content: Mapping[str, Any]) -> Pose:
        """One picture as OpenPose writes it; some programs add the size of the canvas."""
        people = []
        for person in content["people"]:
            numbers = _numbers(person["pose_keypoints_2d"] or [])
            joints = numbers.reshape(-1, 3) if numbers.ndim == 1 and numbers.size % 3 == 0 else numbers
            names = {18: "openpose", 25: "openpose25"}.get(len(joints)) if self.format is None else self.format
            if joints.size:
                people.append(self.array(joints, names).people)
        canvas = content.get("canvas_height"), content.get("canvas_width")
        size = None if None in canvas else (int(canvas[0]), int(canvas[1]))  # type: ignore[arg-type]
        return Pose(np.concatenate([np.zeros((0, len(JOINTS), 3)), *people]), size)

    def dataset(self, dataset: Mapping[str, Any], image_id: Any) -> Pose:
        """One picture of a COCO json."""
        names = {kind.get("id"): kind["keypoints"] for kind in dataset.get("categories", ()) if kind.get("keypoints")}
        found = []
        for person in dataset["annotations"]:
            if person.get("image_id") != image_id:
                continue
            if "keypoints" not in person:
                raise ValueError(
                    "keypoints is a COCO json whose annotations have no keypoints: person_keypoints_*.json has."
                )
            order = names.get(person.get("category_id")) if self.format is None else None
            found.append(self.people([person], order).people)
        sizes = {one["id"]: (one.get("height"), one.get("width")) for one in dataset.get("images", ())}
        size = sizes.get(image_id, (None, None))
        return Pose(
            np.concatenate([np.zeros((0, len(JOINTS), 3)), *found]),
            None if None in size else (int(size[0]), int(size[1])),
        )

    def _is_sure(self, score: Any) -> bool:
        return score is None or float(score) >= self.threshold


def _load_json(path: Path) -> Any:
    if path.suffix in (".npy", ".npz"):
        raise ValueError(f"keypoints is {str(path)!r}, a file of arrays: pass the array, numpy.load({str(path)!r}).")
    if not path.is_file():
        raise FileNotFoundError(f"keypoints: there is no file {str(path)!r}.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"keypoints: {path} has {path.stat().st_size:,} bytes; at most {LARGEST_FILE:,} are read.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"keypoints: {path} is no JSON file ({error}). {_HELP}") from error


def _is_dataset(value: Any) -> bool:
    return isinstance(value, Mapping) and "annotations" in value


def _is_annotations(value: Any) -> bool:
    """Whether a list is the annotations, or the results, of a COCO json without the rest of it."""
    return _are_people(value) and all("image_id" in one for one in value)


def _are_people(value: Any) -> bool:
    """Whether a list holds the people of one picture, not pictures."""
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(one, Mapping) and getattr(one.get("keypoints"), "ndim", 0) < 3 for one in value) and all(
        "keypoints" in one for one in value
    )


def _wanted_pictures(dataset: Mapping[str, Any], image_id: Any) -> list[Any]:
    """The ids of the pictures that are meant."""
    files = {one.get("file_name"): one["id"] for one in dataset.get("images", ())}
    ids = list(files.values()) or sorted({one.get("image_id") for one in dataset["annotations"]}, key=str)
    if image_id is None:
        if len(ids) != 1:
            raise ValueError(
                f"keypoints is a COCO json of {len(ids)} pictures: pass image_id=, one of {_listed(ids)}, or a list of "
                "them."
            )
        return ids
    wanted = [files.get(one, one) for one in as_items(image_id, "image_id")]
    for one in wanted:
        if one not in ids:
            raise ValueError(f"keypoints has no picture with the image_id {one!r}; it has {_listed(ids)}.")
    return wanted


def _listed(ids: list[Any], most: int = 8) -> str:
    return ", ".join(map(repr, ids[:most])) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _is_nested_numbers(value: Any) -> bool:
    """Whether a list is an array written as lists."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, int | float)


def _numbers(value: Any) -> np.ndarray:
    """An array, tensor or nested list as float64."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"keypoints is a list of unequal lists, no array ({error}). {_HELP}") from error
    if array.dtype.kind not in "fiu" and array.size:
        raise TypeError(f"keypoints has values of type {array.dtype}; numbers are expected. {_HELP}")
    return array.astype(np.float64)


def _refuse_relative(poses: Sequence[Pose]) -> None:
    """Refuses coordinates from 0 to 1, which some programs give: all joints would fall onto one pixel."""
    joints = np.concatenate([pose.people.reshape(-1, 3) for pose in poses])
    joints = joints[joints[:, 2] > 0, :2]
    if len(joints) > 2 and np.abs(joints).max() <= 1:
        raise ValueError(
            "keypoints has only coordinates from 0 to 1: are they relative? Multiply x by the width and y by the height "
            "of the picture."
        )

"""Reads what people have for keypoints: arrays, COCO and OpenPose files, and what pose estimators return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..errors import warn
from .joints import JOINT_ORDERS, joint_order, to_coco
from .pose_files import HELP, NO_PICTURE, load_json, records, stated_size, wanted_pictures
from .pose_objects import read_pose_object
from .skeleton import JOINTS

__all__ = ["Pose", "pictures_apart", "read_poses"]

FARTHEST = 1e6
"""Pixels from the corner, far beyond any picture: what lies farther off is no coordinate."""

_SCORES = ("scores", "keypoint_scores")  # of joints, as transformers and MMPose call them


@dataclass(frozen=True)
class Pose:
    """The people in one picture.

    Attributes:
        people: float64 (people, 17, 3), COCO's joints; x, y, and visibility or score, 0 for joints that are not there.
        size: (height, width) of the picture that x and y are pixels of; ``None`` if nothing says it.
        relative: x and y lie in 0–1, whatever the size.
    """

    people: np.ndarray
    size: tuple[int, int] | None = None
    relative: bool = False


NOBODY = Pose(np.zeros((0, len(JOINTS), 3)))


def read_poses(
    value: Any, *, keypoint_format: Any = None, image_id: Any = None, threshold: float = 0.0, relative: bool = False
) -> list[Pose]:
    """The poses in a user's input, one for each picture.

    Args:
        value: see :meth:`.keypoints.KeypointsCondition.parse`.
        keypoint_format: see :func:`.joints.joint_order`.
        image_id: which of several pictures of a COCO json, or a list of them.
        threshold: joints, and people who have a score of their own, are left out below it.
        relative: x and y lie in 0–1.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and contents, and values that cannot be what is meant.
        FileNotFoundError: if there is no such file.
    """
    reader = _Reader(keypoint_format, threshold, relative)
    if isinstance(value, str | Path):
        value = load_json(value)
    if _are_annotations(value) and (image_id is not None or len({annotation["image_id"] for annotation in value}) > 1):
        value = {"annotations": value}
    if _is_dataset(value):
        poses = [reader.dataset(value, wanted) for wanted in wanted_pictures(value, image_id)]
    elif image_id is not None:
        raise ValueError("image_id= chooses a picture of a COCO json, but keypoints is none: leave it out.")
    else:
        poses = reader.pictures(value)
    if not any((pose.people[..., 2] > 0).any() for pose in poses):
        reader.warn_of_nobody()
    _refuse_relative([pose for pose in poses if not pose.relative])
    return poses


def pictures_apart(value: Any) -> list[Any]:
    """A user's input for several pictures as one for each, which :func:`read_poses` takes; whole, if it is one thing."""
    if isinstance(value, np.ndarray | Tensor):
        return [value[k : k + 1] for k in range(len(value))] if value.ndim == 4 and len(value) else [value]
    several = isinstance(value, list | tuple) and len(value) > 1 and not _is_nested_numbers(value)
    # a list of arrays of one person each can be meant in two ways, which the reader refuses
    if not several or _are_people(value) or any(getattr(item, "ndim", 0) == 2 for item in value):
        return [value]
    return [[item] for item in value]


class _Reader:
    """Reads people, given what their joints are called and how sure they must be."""

    def __init__(self, keypoint_format: Any, threshold: float, relative: bool = False):
        self.format = keypoint_format
        self.threshold = threshold
        self.relative = relative
        self.joints, self.placed, self.highest = 0, 0, 0.0

    def pictures(self, value: Any) -> list[Pose]:
        """What is not a COCO json: one picture, or a list or a leading axis for several."""
        if isinstance(value, np.ndarray | Tensor) or _is_nested_numbers(value):
            array = _unflattened(_numbers(value))
            if array.ndim == 4 and not len(array):
                raise ValueError(f"keypoints has the shape {array.shape}: a batch of no pictures.")
            return [self.array(people) for people in array] if array.ndim == 4 else [self.array(array)]
        if not isinstance(value, list | tuple) or _are_people(value):
            return [self.picture(value)]
        if not value:
            raise ValueError(f"keypoints is an empty list; a picture without people is [[]]. {HELP}")
        dimensions = [getattr(item, "ndim", 0) for item in value]
        if dimensions.count(2) > 1:
            raise ValueError(
                f"keypoints is a list with {dimensions.count(2)} arrays of one person each. If they are people of one "
                "picture, pass numpy.stack of them; if each is a picture of its own, give it a leading axis: array[None]."
            )
        return [self.picture(item) for item in value]

    def picture(self, item: Any) -> Pose:
        """One picture."""
        if isinstance(item, np.ndarray | Tensor) or _is_nested_numbers(item):
            return self.array(_unflattened(_numbers(item)))
        if isinstance(item, str | Path) or _is_dataset(item):
            options: dict[str, Any] = {"threshold": self.threshold, "relative": self.relative}
            return read_poses(item, keypoint_format=self.format, **options)[0]
        if (pose_object := read_pose_object(item)) is not None:
            pose = self.array(pose_object.joints, pose_object.order if self.format is None else None)
            return Pose(pose.people, pose_object.size, pose_object.relative)
        if isinstance(item, Image.Image):
            raise TypeError(NO_PICTURE)
        if isinstance(item, Mapping):
            return self.dictionary(item)
        if isinstance(item, list | tuple) and (not item or _are_people(item)):
            return self.people(item)
        raise TypeError(f"keypoints is given as {type(item).__name__}. {HELP}")

    def dictionary(self, item: Mapping[str, Any]) -> Pose:
        """One picture as a dictionary."""
        if "people" in item:
            return self.openpose(item)
        if "keypoints" not in item:
            raise ValueError(
                f"keypoints is a dictionary with {sorted(map(str, item))}, but without 'keypoints'. {HELP}"
            )
        return self.detections(item) if _of_several(item["keypoints"]) else self.people([item])

    def array(self, array: np.ndarray, names: Any = None) -> Pose:
        """People as numbers: (people, joints, 2 or 3), or one person (joints, 2 or 3)."""
        if array.ndim == 2:
            array = array[None]
        if array.ndim == 3 and array.shape[-1] == 4:
            raise ValueError(
                f"keypoints has the shape {array.shape}, four numbers for each joint: of x, y, z and visibility, as "
                "MediaPipe has them, pass keypoints[..., [0, 1, 3]]."
            )
        if array.ndim != 3 or array.shape[-1] not in (2, 3):
            raise ValueError(f"keypoints has the shape {array.shape}, expected (people, 17, 3): x, y, visibility.")
        if not len(array):
            return NOBODY
        order = joint_order(self.format if names is None else names, array.shape[1])
        if array.shape[-1] == 2:
            array = np.concatenate([array, ~(array == 0).all(axis=-1, keepdims=True)], axis=-1)
        return Pose(to_coco(self._certain(array), order), relative=self.relative)

    def _certain(self, array: np.ndarray) -> np.ndarray:
        """Joints with those that are not there, or not sure enough, set to zero, and the others checked."""
        places, sure = array[..., :2], array[..., 2]
        # the ways in which programs mark joints that they did not find, beside a third number of 0
        absent = np.isnan(places).all(axis=-1) | (places == -1).all(axis=-1) | np.isnan(sure) | (sure == -1)
        sure = np.where(absent, 0, sure)
        if not 0 <= sure.min() <= sure.max() <= 2:  # NaN compares as false
            raise ValueError(
                f"the third number of keypoints runs from {sure.min():.4g} to {sure.max():.4g}; it is COCO's visibility "
                "(0 not there, 1 hidden, 2 seen) or a score from 0 to 1."
            )
        there = (sure > 0) & (sure >= self.threshold)
        self.joints += sure.size
        self.placed += int((~absent & (places != 0).any(axis=-1)).sum())
        self.highest = max(self.highest, float(sure.max()))
        if not (np.abs(array[there]) <= FARTHEST).all():
            raise ValueError(
                "keypoints has coordinates that are no pixels: NaN, infinite, or beyond a million. Set the third number "
                "of joints that are not there to 0."
            )
        return np.where(there[..., None], np.dstack((places, sure)), 0)

    def warn_of_nobody(self) -> None:
        """Warns where joints were given and none is left; joints that were not found, which have no place, are none."""
        if self.highest > 0:
            warn(
                f"none of {self.joints} joints of keypoints reaches keypoint_threshold={self.threshold:g}, the highest is "
                f"{self.highest:.2g}: nobody is drawn. Pass a lower keypoint_threshold."
            )
        elif self.placed:
            warn(
                f"{self.placed} of {self.joints} joints of keypoints have a place, but the third number of all is 0, not "
                "there: nobody is drawn. If it is no visibility, pass x and y alone."
            )

    def people(self, people: Sequence[Mapping[str, Any]], names: Any = None) -> Pose:
        """People as dictionaries: annotations of COCO, or what transformers and MMPose return."""
        sure = [person for person in people if "score" not in person or self._is_sure(_numbers(person["score"]))]
        annotated = [person for person in sure if not _is_nothing(person["keypoints"])]
        joints = [NOBODY.people, *(self._person(person, names) for person in annotated)]
        return Pose(np.concatenate(joints), relative=self.relative)

    def _person(self, person: Mapping[str, Any], names: Any) -> np.ndarray:
        """One person as a dictionary -> (1, 17, 3)."""
        keypoints = _numbers(person["keypoints"])
        if keypoints.ndim == 1 and keypoints.size % 3 == 0:  # COCO's x, y, v, x, y, v, …
            keypoints = keypoints.reshape(-1, 3)
        if keypoints.ndim != 2 or keypoints.shape[1] not in (2, 3):
            raise ValueError(
                f"the keypoints of a person have the shape {keypoints.shape}, expected (17, 3) or (17, 2)."
            )
        scores = next((_numbers(person[name]) for name in _SCORES if name in person), None)
        if scores is not None:
            if scores.shape != keypoints.shape[:1]:
                raise ValueError(f"a person has {len(keypoints)} keypoints, but scores of the shape {scores.shape}.")
            # a score above 1, which some estimators give, is as sure as can be
            keypoints = np.concatenate([keypoints[:, :2], scores.clip(0, 1)[:, None]], axis=-1)
        if "labels" in person:
            keypoints = self._by_label(keypoints, _numbers(person["labels"]))
        return self.array(keypoints, names).people

    def _by_label(self, keypoints: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Puts joints in their places: estimators leave out those below a threshold, and say which the others are."""
        names = JOINT_ORDERS.get(self.format, JOINTS) if isinstance(self.format, str) else self.format or JOINTS
        count = len(names)
        if labels.shape != keypoints.shape[:1] or not np.isin(labels, np.arange(count)).all():
            raise ValueError(
                f"the labels of a person's keypoints are to say which of {count} joints each is, got {labels.tolist()}. "
                f"For other joints than COCO's pass keypoint_format=, one of {', '.join(JOINT_ORDERS)}."
            )
        if keypoints.shape[1] == 2:
            keypoints = np.pad(keypoints, ((0, 0), (0, 1)), constant_values=1)
        placed = np.zeros((count, 3))
        placed[labels.astype(int)] = keypoints
        return placed

    def detections(self, prediction: Mapping[str, Any]) -> Pose:
        """One picture as torchvision returns it: keypoints (people, 17, 3), and a score of each person."""
        keypoints = _numbers(prediction["keypoints"])
        scores = _numbers(prediction["scores"]) if "scores" in prediction else np.ones(len(keypoints))
        if scores.shape != keypoints.shape[:1]:
            raise ValueError(f"keypoints has {len(keypoints)} people, but scores of the shape {scores.shape}.")
        return self.array(keypoints[scores >= self.threshold])

    def openpose(self, content: Mapping[str, Any]) -> Pose:
        """One picture as OpenPose writes it; some programs add the size of the canvas."""
        people = []
        for person in records(content, "people"):
            joints = _numbers(person.get("pose_keypoints_2d", ()))
            if joints.ndim == 1 and joints.size % 3 == 0:
                joints = joints.reshape(-1, 3)
            names = {18: "openpose", 25: "openpose25"}.get(len(joints)) if self.format is None else None
            people.append(self.array(joints, names).people if joints.size else NOBODY.people)
        return Pose(np.concatenate([NOBODY.people, *people]), stated_size(content, "canvas_height", "canvas_width"))

    def dataset(self, dataset: Mapping[str, Any], image_id: Any) -> Pose:
        """One picture of a COCO json, whose categories may say what the joints are."""
        names = {kind.get("id"): kind.get("keypoints") for kind in records(dataset, "categories")}
        poses = []
        for person in records(dataset, "annotations"):
            if person.get("image_id") == image_id:
                if "keypoints" not in person and not any(
                    "keypoints" in other for other in records(dataset, "annotations")
                ):
                    raise ValueError("keypoints is a COCO json without keypoints; person_keypoints_*.json has them.")
                poses.append(
                    self.people(
                        [{"keypoints": None, **person}],
                        names.get(person.get("category_id")) if not self.format else None,
                    )
                )
        sizes = [
            stated_size(picture, "height", "width")
            for picture in records(dataset, "images")
            if picture.get("id") == image_id
        ]
        people = np.concatenate([NOBODY.people, *(pose.people for pose in poses)])
        return Pose(people, sizes[0] if sizes and not self.relative else None, self.relative)

    def _is_sure(self, score: np.ndarray) -> bool:
        return score.size == 1 and bool(score.item() >= self.threshold)


def _is_dataset(value: Any) -> bool:
    return isinstance(value, Mapping) and "annotations" in value


def _are_people(value: Any) -> bool:
    """Whether a list holds the people of one picture, a dictionary for each; torchvision's are pictures."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(
            isinstance(person, Mapping) and "keypoints" in person and not _of_several(person["keypoints"])
            for person in value
        )
    )


def _are_annotations(value: Any) -> bool:
    """Whether a list holds annotations or results of COCO, without the rest of the json."""
    return _are_people(value) and all("image_id" in annotation for annotation in value)


def _is_nothing(keypoints: Any) -> bool:
    """Whether a person of a data set has no keypoints."""
    return keypoints is None or (isinstance(keypoints, list | tuple) and not keypoints)


def _of_several(keypoints: Any) -> bool:
    return getattr(keypoints, "ndim", 0) == 3


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
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim > 2 and value.size:
        raise TypeError(NO_PICTURE)
    try:
        array = np.asarray(_with_gaps(value))
        array = array.astype(np.float64) if array.dtype == object else array  # None becomes NaN
    except (ValueError, TypeError) as error:
        raise ValueError(f"keypoints is a list of unequal lists, no array. {HELP}") from error
    if array.dtype.kind not in "fiu" and array.size:
        raise TypeError(f"keypoints has values of type {array.dtype}; numbers are expected. {HELP}")
    return array.astype(np.float64)


def _unflattened(array: np.ndarray) -> np.ndarray:
    """Joints in COCO's form, x, y, v, x, y, v, … in one row for each person, as (…, joints, 3)."""
    flat = array.ndim in (1, 2, 3) and array.size and array.shape[-1] == 3 * len(JOINTS)
    return array.reshape(*(array.shape[:-1] or (1,)), len(JOINTS), 3) if flat else array


def _with_gaps(value: Any) -> Any:
    """Nested lists in which a joint may be ``None``: it becomes one of as many ``None`` as others have numbers."""
    if not isinstance(value, list | tuple) or not any(part is None for part in value):
        return value if not isinstance(value, list | tuple) else [_with_gaps(part) for part in value]
    length = next((len(part) for part in value if isinstance(part, list | tuple)), None)
    return value if length is None else [[None] * length if part is None else part for part in value]


def _refuse_relative(poses: Sequence[Pose]) -> None:
    """Refuses coordinates from 0 to 1, which some programs give: all joints would fall onto one pixel."""
    joints = np.concatenate([np.zeros((0, 3)), *(pose.people.reshape(-1, 3) for pose in poses)])
    joints = joints[joints[:, 2] > 0, :2]
    if len(joints) > 2 and np.abs(joints).max() <= 1:
        raise ValueError(
            "keypoints has only coordinates from 0 to 1: are they relative? Pass keypoints_size=(1, 1), or multiply x by the "
            "width and y by the height of the picture."
        )

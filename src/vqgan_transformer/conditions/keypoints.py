"""KeypointsCondition: people's poses, drawn as skeletons."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..errors import warn
from ..geometry import requested_size, same_aspect
from ..images import check_one_size, from_pixels, to_numpy
from ..vqgan.model import VQGANConfig
from .condition import Condition
from .crop import Crop
from .data_forms import Annotations, DataForm, value_of
from .joints import JOINT_ORDERS, to_coco
from .openpose_picture import read_openpose_picture
from .poses import Pose, pictures_apart, read_poses
from .skeleton import render_skeletons
from .tokenized_map import TokenizedMap

__all__ = ["KeypointsCondition", "KeypointsConfig"]


@dataclass(frozen=True)
class KeypointsConfig:
    """What a checkpoint knows of keypoints.

    Args:
        vqgan: the tokenizer of skeleton pictures, of three input channels; ``None`` for models that read them directly.

    Raises:
        ValueError: for a VQGAN of another number of channels.
    """

    vqgan: VQGANConfig | None = None

    def __post_init__(self) -> None:
        if self.vqgan is not None and self.vqgan.in_channels != 3:
            raise ValueError(
                f"the VQGAN of skeleton pictures needs three input channels, got {self.vqgan.in_channels}."
            )


class KeypointsCondition(TokenizedMap):
    """Poses of people as a condition, as in the paper: keypoints are drawn as a picture, which has a VQGAN of its own.

    Args:
        vqgan: encodes skeleton pictures in [-1, 1].

    Raises:
        ValueError: for a VQGAN that does not have three channels.
    """

    name: ClassVar[str] = "keypoints"
    also_called: ClassVar[tuple[str, ...]] = ("pose", "poses", "pose_image", "skeleton", "openpose")
    config_class: ClassVar[type] = KeypointsConfig
    in_data: ClassVar[DataForm] = Annotations("keypoints.json", ("keypoints", "pose", "poses"), "person_keypoints_")
    tokenizer_channels: ClassVar[int] = 3

    @property
    def sample_kinds(self) -> tuple[str, ...]:
        """Skeletons are drawn on a canvas of their picture's size."""
        return ("image", self.name)

    def read_sample(self, sample: Mapping[str, Any]) -> Pose:
        """The people of a picture.

        Raises:
            KeyError: where the sample has none.
            TypeError: as :meth:`parse`.
            ValueError: as :meth:`parse`, and for people of several pictures.
        """
        value = value_of(sample, self.name)
        poses = self._poses([value] if isinstance(value, list | tuple) and not value else value, **self.options)
        if len(poses) != 1:
            raise ValueError(f"keypoints are of {len(poses)} pictures, where those of one are expected.")
        return poses[0]

    def call_value(self, sample: Mapping[str, Any]) -> Any:
        """People in COCO's form, which says how large the picture is that their joints are pixels of, where it is known."""
        if "image" not in sample:
            return sample[self.name]
        height, width = from_pixels(sample["image"]).shape[-2:]
        people = self._in_picture(self.read_sample(sample), (height, width))
        return {
            "images": [{"id": 0, "height": height, "width": width}],
            "annotations": [{"image_id": 0, "keypoints": joints.ravel().tolist()} for joints in people],
        }

    def extent(self, sample: Any) -> None:
        """Keypoints do not tell how large the picture on disk is."""

    def cut(self, sample: Any, crop: Crop, whole: tuple[int, int], order: np.random.Generator) -> Tensor:
        """The skeletons of those who are seen in a piece of the picture, drawn at its size: (3, h, w)."""
        people = crop.of_keypoints(self._in_picture(sample, whole))
        seen = (people[..., 2] > 0) & (people[..., :2] >= 0).all(-1) & (people[..., :2] < crop.size[::-1]).all(-1)
        return _as_tensor([render_skeletons(people[seen.any(axis=1)], crop.size)])[0]

    def joints(self, sample: Any, whole: tuple[int, int]) -> np.ndarray:
        """The joints that are there of what :meth:`read_sample` gave, x and y in pixels of the picture: (joints, 2)."""
        points = self._in_picture(sample, whole).reshape(-1, 3)
        return points[points[:, 2] > 0, :2]

    def _in_picture(self, pose: Pose, whole: tuple[int, int]) -> np.ndarray:
        """People in pixels of a picture that may have been scaled since its keypoints were found."""
        if pose.relative:
            return pose.people * (whole[1], whole[0], 1)
        size = pose.size or self.options.get("keypoints_size") or whole
        if size != whole and not same_aspect(size, whole):
            turned = " It seems to have been turned since." if same_aspect(size[::-1], whole) else ""
            raise ValueError(
                f"the keypoints are of a picture of {size[0]}×{size[1]} pixels, but the picture has {whole[0]}×{whole[1]} "
                f"(height×width), another aspect.{turned}"
            )
        return pose.people if size == whole else pose.people * (whole[1] / size[1], whole[0] / size[0], 1)

    def items(self, value: Any) -> list[Any]:
        """The people of each picture; what is a file of several pictures stays together."""
        return pictures_apart(value)

    def parse(
        self,
        value: Any,
        *,
        size: tuple[int, int] | None = None,
        keypoints_size: tuple[int, int] | None = None,
        keypoint_threshold: float | None = None,
        keypoint_format: str | Sequence[str] | None = None,
        image_id: int | str | Sequence[int | str] | None = None,
        palette: str | None = None,
        label_limbs: bool = False,
    ) -> Tensor:
        """Skeleton pictures of poses in the forms people have them.

        Args:
            value: the people of a picture, as one of these, or a list of them, one for each picture:

                - an array or tensor `(people, 17, 3)` in COCO's order: x, y, and COCO's visibility (0 not there, 1
                  hidden, 2 seen; hidden joints are drawn like others) or a score from 0 to 1; with a leading axis a
                  batch. Without the third number, joints at (0, 0) or NaN are not there. No people is a picture too;
                - a COCO json, its path or content. One of several pictures is chosen by `image_id`, and the size that
                  the json gives for it is `keypoints_size`;
                - what pose models return: a list of dictionaries with "keypoints", one for each person, from
                  transformers (``post_process_pose_estimation``), MMPose or COCO results; torchvision's dictionary;
                - OpenPose's json, its path or content, ``{"people": [{"pose_keypoints_2d": …}]}``;
                - with ``palette="openpose"`` a skeleton picture as OpenPose and ControlNet's preprocessors draw it.

            size: (height, width) of the picture that is asked for. A pipeline passes it on.
            keypoints_size: (height, width) of the picture whose pixels x and y are, if not of the one asked for; (1, 1) for
                relative ones, in 0–1.
            keypoint_threshold: joints, and people who have a score of their own, are left out below it. A visibility of
                1 or 2 passes, and so do torchvision's joints, whose scores are on no scale.
            keypoint_format: the order of the joints if it is not COCO's: "openpose" (18), "openpose25", "crowdpose"
                (14), "coco_wholebody" (133), or the name of each joint. Files that name their joints need none.
            image_id: id or file name of a picture in a COCO json, or a list of them.
            palette: "openpose" reads the joints back from the colours of a skeleton picture, and draws them anew. Only
                pictures that these joints explain are accepted: bodies without hands and faces, not resized, no JPEG.

            label_limbs: where a label map is passed beside the keypoints, put its label of people under the limbs. Without
                that label there, a person becomes a smear.

        Returns:
            float32 `(B, 3, H, W)` in [-1, 1], black being -1: of `size` where the aspect is that of the keypoints' own
            picture, else of the latter, in whose pixels they are drawn.

        Raises:
            TypeError: for other types and number formats.
            ValueError: for other shapes and contents, people who are all outside the picture, skeleton pictures that
                cannot be read for certain, and where nothing says how large the picture is.
            FileNotFoundError: if there is no such file.
        """
        given = {
            "keypoints_size": keypoints_size,
            "keypoint_threshold": keypoint_threshold,
            "keypoint_format": keypoint_format,
            "image_id": image_id,
            "palette": palette,
        }
        del label_limbs  # see beside()
        options = {**self.options, **{name: option for name, option in given.items() if option is not None}}
        own_size = options.get("keypoints_size")
        own_size = None if own_size is None else requested_size(own_size, None, None)
        pictures = [_drawn(pose, size, own_size) for pose in self._poses(value, **options)]
        check_one_size([(picture.shape[0], picture.shape[1]) for picture in pictures], self.name)
        return _as_tensor(pictures)

    def beside(
        self, followed: Mapping[str, Tensor], others: Sequence[Condition], options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Label maps with people under the limbs, if that is asked for; otherwise a warning where nobody is."""
        limbs = (followed[self.name] > -1).any(dim=1)  # (b, H, W)
        changed = {}
        for other in others:
            label = other.person_label
            if label is None or not bool(limbs.any()):
                continue
            labels = followed[other.name]
            if options.get("label_limbs", self.options.get("label_limbs", False)):
                changed[other.name] = torch.where(limbs, label, labels)
            elif (
                float(((labels == label) & limbs).sum() / limbs.expand(max(len(labels), len(limbs)), -1, -1).sum())
                < 0.1
            ):
                warn(
                    f"{self.name} shows people where {other.name} has none: the label under their limbs decides, and they "
                    "become smears. Draw people into the map, or pass label_limbs=True."
                )
        return changed

    def _poses(
        self,
        value: Any,
        *,
        keypoint_threshold: float = 0.3,
        keypoint_format: Any = None,
        image_id: Any = None,
        palette: str | None = None,
        keypoints_size: Any = None,
        label_limbs: bool = False,
    ) -> list[Pose]:
        """The people of each picture."""
        del label_limbs  # see beside()
        if isinstance(keypoint_threshold, bool) or not isinstance(keypoint_threshold, numbers.Real):
            raise TypeError(f"keypoint_threshold is a number from 0 to 1, got {keypoint_threshold!r}.")
        if not 0 <= keypoint_threshold <= 1:
            raise ValueError(f"keypoint_threshold is a number from 0 to 1, got {keypoint_threshold}.")
        if palette is None:
            return read_poses(
                value, keypoint_format=keypoint_format, image_id=image_id, threshold=float(keypoint_threshold),
                relative=keypoints_size is not None and tuple(keypoints_size) == (1, 1),
            )  # fmt: skip
        if palette != "openpose":
            raise ValueError(f"there is no palette {palette!r} of skeleton pictures; known is 'openpose'.")
        if keypoint_format is not None or image_id is not None:
            raise ValueError("palette='openpose' is for a picture, which has no keypoint_format and no image_id.")
        return [_seen_in(pixels) for pixels in to_numpy(from_pixels(value, self.name))]


def _as_tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    """Pictures uint8 (H, W, 3) -> float32 (B, 3, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.stack(pictures)).float() / 127.5 - 1
    return rearrange(pixels, "b h w c -> b c h w").contiguous()


def _seen_in(pixels: np.ndarray) -> Pose:
    """The pose that a skeleton picture of OpenPose's shows: uint8 (H, W, 3)."""
    height, width, _ = pixels.shape
    return Pose(to_coco(read_openpose_picture(pixels), JOINT_ORDERS["openpose"]), (height, width))


def _drawn(pose: Pose, size: tuple[int, int] | None, keypoints_size: tuple[int, int] | None) -> np.ndarray:
    """The skeletons of a pose as a picture: uint8 (H, W, 3)."""
    if pose.size is not None and keypoints_size not in (None, pose.size):
        raise ValueError(
            f"keypoints says that its picture is {pose.size[0]}×{pose.size[1]}, but keypoints_size={keypoints_size}: "
            "leave keypoints_size out."
        )
    if pose.relative:
        if size is None:
            raise ValueError(
                "the keypoints are relative, so nothing says how large the picture is: give size=(height, width)."
            )
        people = pose.people * (size[1], size[0], 1)
        _check_inside(people, size, size)
        return render_skeletons(people, size)
    pose_size = pose.size or keypoints_size or size
    if pose_size is None:
        raise ValueError(
            "nothing says how large the picture of the keypoints is: give size=(height, width), of which they are pixels, "
            "or keypoints_size= if they are pixels of another picture."
        )
    target = size if size is not None and same_aspect(pose_size, size) else pose_size
    people = pose.people.copy()
    people[..., :2] *= target[1] / pose_size[1], target[0] / pose_size[0]
    _check_inside(people, target, pose_size)
    return render_skeletons(people, target)


def _check_inside(people: np.ndarray, size: tuple[int, int], pose_size: tuple[int, int]) -> None:
    spots = people[people[..., 2] > 0, :2]
    if len(spots) and not ((spots >= 0) & (spots < (size[1], size[0]))).all(axis=-1).any():
        spots = spots * (pose_size[1] / size[1], pose_size[0] / size[0])
        (left, top), (right, bottom) = spots.min(axis=0), spots.max(axis=0)
        raise ValueError(
            f"all keypoints lie outside the picture of {pose_size[0]}×{pose_size[1]} pixels (height × width): x runs from {left:.4g} "
            f"to {right:.4g}, y from {top:.4g} to {bottom:.4g}. If they are pixels of another picture, pass its "
            "keypoints_size=(height, width)."
        )

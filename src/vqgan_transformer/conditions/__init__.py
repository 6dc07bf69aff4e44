"""What a user passes -> what a GPT reads: one file for each kind of condition."""

from __future__ import annotations

from .class_label import ClassCondition, ClassConfig
from .condition import Condition
from .coordinates import CoordinatesCondition, CoordinatesConfig
from .depth import DepthCondition, DepthConfig
from .image import ImageCondition, ImageConfig
from .keypoints import KeypointsCondition, KeypointsConfig
from .label_spaces import LABEL_SPACES, LabelSpace, LabelTranslation, label_space, translate
from .layout import LayoutCondition, LayoutConfig, LayoutWindows
from .segmentation import SegmentationCondition, SegmentationConfig
from .skeleton import render_skeletons
from .unconditional import Unconditional, UnconditionalConfig

__all__ = [
    "LABEL_SPACES",
    "ClassCondition",
    "ClassConfig",
    "Condition",
    "CoordinatesCondition",
    "CoordinatesConfig",
    "DepthCondition",
    "DepthConfig",
    "ImageCondition",
    "ImageConfig",
    "KeypointsCondition",
    "KeypointsConfig",
    "LabelSpace",
    "LabelTranslation",
    "LayoutCondition",
    "LayoutConfig",
    "LayoutWindows",
    "SegmentationCondition",
    "SegmentationConfig",
    "Unconditional",
    "UnconditionalConfig",
    "label_space",
    "render_skeletons",
    "translate",
]

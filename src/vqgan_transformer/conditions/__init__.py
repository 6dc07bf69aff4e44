"""What a user passes -> what a GPT reads: one file for each kind of condition."""

from __future__ import annotations

from .class_label import ClassCondition as ClassCondition
from .class_label import ClassConfig as ClassConfig
from .condition import Condition as Condition
from .control_pictures import CannyCondition as CannyCondition
from .control_pictures import EdgeCondition as EdgeCondition
from .control_pictures import HEDCondition as HEDCondition
from .control_pictures import LineartCondition as LineartCondition
from .coordinates import CoordinatesCondition as CoordinatesCondition
from .coordinates import CoordinatesConfig as CoordinatesConfig
from .depth import DepthCondition as DepthCondition
from .depth import DepthConfig as DepthConfig
from .image import ImageCondition as ImageCondition
from .image import ImageConfig as ImageConfig
from .keypoints import KeypointsCondition as KeypointsCondition
from .keypoints import KeypointsConfig as KeypointsConfig
from .label_spaces import LABEL_SPACES as LABEL_SPACES
from .label_spaces import LabelSpace as LabelSpace
from .label_spaces import LabelTranslation as LabelTranslation
from .label_spaces import label_space as label_space
from .label_spaces import translate as translate
from .layout import LayoutCondition as LayoutCondition
from .layout import LayoutConfig as LayoutConfig
from .layout import LayoutWindows as LayoutWindows
from .registry import KINDS as KINDS
from .segmentation import SegmentationCondition as SegmentationCondition
from .segmentation import SegmentationConfig as SegmentationConfig
from .skeleton import render_skeletons as render_skeletons
from .text import TextCondition as TextCondition
from .text import TextConfig as TextConfig
from .unconditional import Unconditional as Unconditional
from .unconditional import UnconditionalConfig as UnconditionalConfig

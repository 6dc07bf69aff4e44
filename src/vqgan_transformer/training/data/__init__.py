"""Where training data come from: folders as people have them, lists of files, and data sets of other libraries.

Whatever the form, a source is a sequence of samples, and a sample is a dictionary from "image" and the names of
conditions ("segmentation", "depth", "keypoints", "layout", "class_label", …) to what a user would pass to a pipeline:
paths mostly. Nothing is read here but names and small tables; :mod:`..samples` reads the pictures.
"""

from __future__ import annotations

from ...errors import DataError
from .opening import open_data
from .source import Source, split

__all__ = ["DataError", "Source", "open_data", "split"]

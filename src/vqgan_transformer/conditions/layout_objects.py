"""Reads what people have for the objects of a layout: boxes in lists, as detectors return them, and in COCO's form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..geometry import Size, same_aspect

__all__ = ["BoxFormat", "in_picture", "is_object", "reaches", "relative_box", "taken_apart"]

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
"""(left, top, right, bottom), (left, top, width, height) or (centre, width, height)."""

_LABELS = ("categories", "category", "labels", "label", "names", "name", "category_id")
_BOXES = ("bbox", "bboxes", "boxes", "box")


def is_object(item: Any) -> bool:
    """Whether something is an object of a layout, not a layout nor one of an object's parts."""
    if isinstance(item, Mapping):
        return True
    return (
        isinstance(item, list | tuple) and len(item) > 1 and (isinstance(item[0], str) or hasattr(item[0], "__index__"))
    )


def taken_apart(item: Any) -> tuple[Any, tuple[float, float, float, float], tuple[str, ...]]:
    """The label, box and attributes of an object.

    Raises:
        TypeError: for something else.
        ValueError: for a box of other than four finite numbers.
    """
    attributes: Any = ()
    if isinstance(item, Mapping) and {"label", "box"} <= item.keys():
        label, box, attributes = item["label"], item["box"], item.get("attributes", ())
        if isinstance(box, Mapping) and {"xmin", "ymin", "xmax", "ymax"} <= box.keys():
            box = [box[key] for key in ("xmin", "ymin", "xmax", "ymax")]
    elif isinstance(item, list | tuple) and len(item) in (2, 3, 5):
        label, box = item[0], item[1:] if len(item) == 5 else item[1]
        attributes = item[2] if len(item) == 3 else ()
    else:
        raise TypeError(f"layout: an object is (label, (x0, y0, x1, y1)), got {item!r}.")
    try:
        numbers = [float(number) for number in box]
    except (TypeError, ValueError) as error:
        raise TypeError(f"layout: the box of {label!r} should be four numbers, got {box!r}.") from error
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"layout: the box of {label!r} should be four finite numbers, got {box!r}.")
    a, b, c, d = numbers
    return label, (a, b, c, d), (attributes,) if isinstance(attributes, str) else tuple(attributes)


def relative_box(
    label: Any, box: tuple[float, float, float, float], layout_size: Size | None, box_format: BoxFormat
) -> list[float]:
    """Left, top, right and bottom of a user's box, relative to the picture.

    Args:
        label: of the object, for messages.
        box: as :func:`taken_apart` gives it.
        layout_size: (height, width) of the picture in whose pixels it is; ``None`` where it is relative.
        box_format: what its numbers mean.

    Raises:
        ValueError: for boxes that reach out of the picture, or have no area.
    """
    a, b, c, d = box
    if box_format == "xywh":
        c, d = a + c, b + d
    elif box_format == "cxcywh":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    height, width = layout_size if layout_size is not None else (1, 1)
    corners = [a / width, b / height, c / width, d / height]
    if not all(-1e-9 <= corner <= 1 + 1e-9 for corner in corners):
        unit = f"the picture has {height}×{width} pixels" if layout_size is not None else "relative boxes lie in 0–1"
        raise ValueError(
            f"layout: the box {box} of {label!r} ({box_format}) reaches out of the picture: {unit}. Cut it off at "
            "the edge; for boxes in pixels, pass layout_size=(height, width)."
        )
    if corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise ValueError(
            f"layout: the box {box} of {label!r} has no area. Boxes are read as {box_format}; if yours are "
            "otherwise, pass box_format='xyxy', 'xywh' or 'cxcywh'."
        )
    return [min(max(corner, 0.0), 1.0) for corner in corners]


def in_picture(value: Any, whole: Size, box_format: str | None) -> tuple[list[Any], Size | None]:
    """The objects that a data set has of a picture, and the picture of which their boxes are pixels, if they are.

    Boxes in COCO's form are cut off at the picture's edge, beyond which data sets often reach by a fraction of a pixel;
    those of which nothing is left are no objects. Boxes that all lie in 0–1 are relative.

    Args:
        value: a COCO json of one picture; ``{"bbox": …, "categories": …}``, as Hugging Face's detection data have it, in
            pixels; or a list of objects as ``LayoutCondition.parse`` takes it, relative or in pixels.
        whole: (height, width) of the picture.
        box_format: of the boxes; for COCO's forms "xywh" where nothing is said.

    Raises:
        TypeError: for something else.
        ValueError: for boxes that are not of the picture.
    """
    if not isinstance(value, list | tuple | Mapping):
        raise TypeError(f"layout is a list of objects or a dictionary of boxes, got {type(value).__name__}.")
    if value and all(isinstance(item, Mapping) and "bbox" in item for item in value):
        value = {key: [item[key] for item in value] for key in value[0] if all(key in item for item in value)}
    if not isinstance(value, Mapping):
        boxes = np.array([taken_apart(item)[1] for item in value]).reshape(-1, 4)
        return list(value), whole if boxes.max(initial=0) >= 2 else None
    if "annotations" in value:
        names = {category["id"]: category["name"] for category in value.get("categories", ())}
        labels = [
            names.get(annotation.get("category_id"), annotation.get("category_id"))
            for annotation in value["annotations"]
        ]
        boxes, stated = _boxes([annotation["bbox"] for annotation in value["annotations"]]), _size(value)
    else:
        label_key, box_key = (next((name for name in names if name in value), None) for names in (_LABELS, _BOXES))
        if label_key is None or box_key is None:
            raise ValueError(
                f"layout is a dictionary with {sorted(map(str, value))}, but without 'bbox' and 'categories'."
            )
        labels, boxes, stated = value[label_key], _boxes(value[box_key]), None
    if stated is not None and not same_aspect(stated, whole):
        raise ValueError(
            f"the boxes are of a picture of {stated[0]}×{stated[1]} pixels, but the picture has {whole[0]}×{whole[1]} "
            "(height×width), another aspect: it was cut or turned since."
        )
    relative = len(boxes) > 0 and boxes.max() <= 1 and not np.array_equal(boxes, np.round(boxes))
    size = (1, 1) if relative else stated or whole
    low, high = _corners(boxes, box_format or "xywh")
    low, high = (corner.clip(0, size[::-1]) for corner in (low, high))
    there: np.ndarray = np.all(high > low, axis=1)
    objects = zip(labels, np.concatenate((low, high), axis=1), there, strict=True)
    return [(label, tuple(box.tolist())) for label, box, seen in objects if seen], size


def _corners(boxes: np.ndarray, box_format: str) -> tuple[np.ndarray, np.ndarray]:
    """The corners, top left and bottom right, of boxes (N, 4) in a format: (N, 2) each."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if box_format == "xyxy":
        return first, second
    return (first, first + second) if box_format == "xywh" else (first - second / 2, first + second / 2)


def _boxes(given: Sequence[Any]) -> np.ndarray:
    """Boxes as float64 (N, 4)."""
    boxes = np.asarray(given, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ValueError("layout: a box has numbers that are not finite.")
    return boxes


def _size(table: Mapping[str, Any]) -> Size | None:
    """(height, width) that a COCO json of one picture gives for it."""
    sides = [(image.get("height"), image.get("width")) for image in table.get("images", ())]
    if len(sides) > 1:
        raise ValueError(f"layout is a COCO json of {len(sides)} pictures, where that of one is expected.")
    height, width = sides[0] if sides else (None, None)
    whole = isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0
    return (int(height), int(width)) if whole else None  # type: ignore[arg-type]  # mypy does not follow `whole`


def reaches(objects: np.ndarray, axis: int, low: float, high: float) -> np.ndarray:
    """Which objects have more than an edge in common with low..high along x (axis 1) or y (axis 2): bool (N,)."""
    overlap = np.minimum(objects[:, axis + 2], high) > np.maximum(objects[:, axis], low)
    seen: np.ndarray = (objects[:, 0] >= 0) & overlap
    return seen

"""LayoutCondition: what is where, as boxes; the scene models of the original (``taming/data/conditional_builder``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..errors import nearest_name
from ..geometry import Canvas
from ..images import from_pixels
from .class_label import class_id
from .condition import AlignedForm, Condition
from .crop import Crop
from .data_forms import Annotations, DataForm, value_of
from .layout_config import ATTRIBUTES, Attribute, LayoutConfig
from .layout_maps import boxes_in_part, canvas_map, label_map
from .layout_objects import BoxFormat, in_picture, is_object, reaches, relative_box, taken_apart

__all__ = ["LayoutCondition", "LayoutConfig", "LayoutWindows"]

Box = tuple[float, float, float, float]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)


class LayoutCondition(Condition):
    """Boxes of objects as a condition.

    In a picture larger than a window, each window has a condition of its own: the objects that reach into it. The order
    of objects means nothing; the original shuffles it each time, here the picture's seed decides it.

    Args:
        labels: names of objects in the order of ids.
        number_of_classes: needed only where there are no names.
        vocab_size: see :class:`LayoutConfig`, also for the other arguments.
        max_objects: likewise.
        points: likewise.
        encode_crop: likewise.
        attributes: likewise.

    Example:
        >>> condition = LayoutCondition(labels=("person", "dog"))
        >>> parsed = condition.parse([("person", (0.1, 0.2, 0.4, 0.9)), ("dog", (0.5, 0.6, 0.8, 0.9))])
        >>> tuple(condition.encode(parsed).shape)
        (1, 92)
    """

    name: ClassVar[str] = "layout"
    also_called: ClassVar[tuple[str, ...]] = ("boxes", "bboxes", "objects")
    spatial: ClassVar[bool] = False
    config_class: ClassVar[type] = LayoutConfig
    config: LayoutConfig
    in_data: ClassVar[DataForm] = Annotations("instances.json", ("layout", "objects"), "instances_")

    def __init__(
        self,
        labels: Sequence[str] | None = None,
        *,
        number_of_classes: int | None = None,
        vocab_size: int = 8192,
        max_objects: int = 30,
        points: Literal["corners", "centre"] = "corners",
        encode_crop: bool = True,
        attributes: Sequence[Attribute] = (),
    ):
        super().__init__()
        if number_of_classes is None:
            if labels is None:
                raise ValueError("LayoutCondition needs labels= or number_of_classes=.")
            number_of_classes = len(labels)
        self.config = LayoutConfig(
            number_of_classes=number_of_classes,
            labels=None if labels is None else tuple(labels),
            vocab_size=vocab_size,
            max_objects=max_objects,
            points=points,
            encode_crop=encode_crop,
            attributes=tuple(attributes),
        )

    @property
    def vocab_size(self) -> int:
        """The number of tokens."""
        return self.config.vocab_size

    def parse(
        self,
        value: Any,
        *,
        layout_size: tuple[int, int] | None = None,
        box_format: BoxFormat | None = None,
    ) -> Tensor:
        """Layouts from what people keep them in.

        Args:
            value: a layout, or a list of layouts. A layout is a list of objects, each one of these:

                - ``(label, box)``, a name or id and four numbers;
                - ``(label, box, attributes)``, where ``attributes`` are names, e.g. ``("group_of",)``;
                - ``[label, x0, y0, x1, y1]``;
                - ``{"label": ..., "box": ...}``, the box as numbers or as ``{"xmin": ..., "ymin": ..., "xmax": ...,
                  "ymax": ...}``, as the object detectors of transformers give them; a ``"score"`` is not looked at.

            layout_size: (height, width) of the picture in whose pixels boxes are given. Without it they are relative:
                (0, 0) is the picture's top left corner, (1, 1) the bottom right one.
            box_format: "xyxy" (left, top, right, bottom), which is taken where nothing is said; "xywh" (left, top, width, height; as in COCO's files) or
                "cxcywh" (centre, width, height).

        Returns:
            float64 (B, N, 5), relative boxes: the object's id (with its attributes), left, top, right, bottom. N is that
            of the longest layout; others are filled up with -1.

        Raises:
            TypeError: for what is no layout, with the object that is none.
            ValueError: for unknown labels and attributes (with the nearest name), boxes outside of the picture or
                without area, and empty layouts.
        """
        layout_size = self._option("layout_size", layout_size)
        box_format = self._option("box_format", box_format, "xyxy")
        if box_format not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError(f"box_format must be 'xyxy', 'xywh' or 'cxcywh', got {box_format!r}.")
        if layout_size is not None and (len(layout_size) != 2 or min(layout_size) <= 0):
            raise ValueError(f"layout_size is (height, width) in pixels, got {layout_size!r}.")
        if not isinstance(value, list | tuple) or not len(value):
            raise TypeError(
                f"layout is a list of objects, e.g. [('person', (0.1, 0.2, 0.5, 0.9))], not empty; got {value!r}."
            )
        several = all(isinstance(item, list | tuple) and len(item) and is_object(item[0]) for item in value)
        layouts = list(value) if several else [value]
        read = [[self._object(item, layout_size, box_format) for item in layout] for layout in layouts]
        parsed = torch.full((len(read), max(map(len, read)), 5), -1.0, dtype=torch.float64)
        for row, objects in zip(parsed, read, strict=True):
            row[: len(objects)] = torch.tensor(objects, dtype=torch.float64)
        return parsed

    def encode(self, parsed: Tensor, *, crop: Box = WHOLE) -> Tensor:
        """Tokens of layouts as a window sees them.

        Objects that do not reach into the window are left out; the others keep their order. A point (x, y) becomes
        round(y · (n - 1)) · n + round(x · (n - 1)) on a grid of n×n cells.

        Args:
            parsed: float (B, N, 5), as :meth:`parse` gives it.
            crop: (left, top, right, bottom) of the window in the whole picture, relative.

        Returns:
            int64 (B, C), C being the config's ``length``.

        Raises:
            ValueError: for another shape, or a window with more objects than there are places.
        """
        if parsed.ndim != 3 or parsed.shape[2] != 5:
            raise ValueError(f"layouts have the shape (B, N, 5), see parse(); got {tuple(parsed.shape)}.")
        rows = [self._tokens(objects, crop) for objects in parsed.double().cpu().numpy()]
        return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, self.config.length, dtype=torch.int64)

    def for_canvas(self, parsed: Tensor, canvas: Canvas, seeds: Sequence[int]) -> LayoutWindows:
        """Layouts of some pictures, for each window of a canvas.

        Args:
            parsed: one for each picture, or one for several that follow each other.
            canvas: the pictures' size and token grid.
            seeds: of the pictures; they decide the order of objects.

        Raises:
            ValueError: where a window has more objects than there are places.
        """
        repeated = parsed.repeat_interleave(len(seeds) // len(parsed), dim=0)
        ordered = torch.stack([objects[_order(objects, seed)] for objects, seed in zip(repeated, seeds, strict=True)])
        return LayoutWindows(self, ordered, canvas)

    def part(self, parsed: Tensor, box: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
        """The boxes of a part of a picture, cut off at its edge; what does not reach into it is left out."""
        return boxes_in_part(parsed, box, size)

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """A label for each pixel: of the smallest box there."""
        return "labels", self.config.number_of_classes

    def on_canvas(self, parsed: Tensor, canvas: Canvas) -> Tensor:
        """Layouts as label maps, int64 (B, H, W); see :func:`.layout_maps.label_map`."""
        return torch.stack([canvas_map(objects, self.config.number_of_classes, canvas) for objects in parsed])

    def prefix_length(self, window: tuple[int, int]) -> int:
        """Tokens of a layout, whatever the window."""
        del window
        return self.config.length

    def read_sample(self, sample: Mapping[str, Any]) -> Any:
        """What the data have, in one of the forms of :func:`.layout_objects.in_picture`."""
        return value_of(sample, self.name)

    def call_value(self, sample: Mapping[str, Any]) -> Any:
        """The objects as relative boxes; without the picture, as the data have them."""
        if "image" not in sample:
            return sample[self.name]
        height, width = from_pixels(sample["image"]).shape[-2:]
        taken_apart = [
            (divmod(int(token), self.config.number_of_classes), tuple(box))
            for token, *box in self.objects_of(self.read_sample(sample), (height, width)).tolist()
        ]
        return [(label, box, _attributes(modifier)) for (modifier, label), box in taken_apart]

    def cut(self, sample: Any, crop: Crop, whole: tuple[int, int], order: np.random.Generator) -> Tensor:
        """Tokens of the objects that reach into a piece of a picture, int64 (C,), in an order drawn anew.

        In a mirror they are those of the mirrored picture.

        Raises:
            ValueError: for more objects than the condition has places for.
        """
        objects = self.objects_of(sample, whole)
        most = self.config.max_objects
        if len(objects) > most:
            raise ValueError(
                f"layout has {len(objects)} objects, but the condition places for {most}: raise max_objects"
            )
        objects = objects[torch.from_numpy(order.permutation(len(objects)))]
        left, right = crop.left / whole[1], (crop.left + crop.width) / whole[1]
        top, bottom = crop.top / whole[0], (crop.top + crop.height) / whole[0]
        if crop.flipped:
            left, right = 1 - right, 1 - left
            objects = torch.stack(
                (objects[:, 0], 1 - objects[:, 3], objects[:, 2], 1 - objects[:, 1], objects[:, 4]), dim=1
            )
        return self.encode(objects[None], crop=(left, top, right, bottom))[0]

    def cut_for_aligned(self, sample: Any, crop: Crop, whole: tuple[int, int], order: np.random.Generator) -> Tensor:
        """The label map of a piece of a picture, int64 (h, w); see :func:`.layout_maps.label_map`."""
        del order
        return label_map(self.objects_of(sample, whole), self.config.number_of_classes, crop, whole)

    def encode_cut(self, cut: Tensor) -> Tensor:
        """What :meth:`cut` gave, which are tokens already, since they tell where in the picture the piece lies."""
        return cut

    def objects_of(self, value: Any, whole: tuple[int, int]) -> Tensor:
        """Objects of a training picture, float64 (N, 5), as :meth:`parse` gives them; there may be none.

        Args:
            value: what :meth:`read_sample` gave.
            whole: (height, width) of the picture in pixels.

        Raises:
            ValueError: for objects that the condition does not know.
        """
        items, size = in_picture(value, whole, self.options.get("box_format"))
        own_format: BoxFormat | None = "xyxy" if isinstance(value, Mapping) else None
        objects = torch.empty(0, 5, dtype=torch.float64)
        if items:
            objects = self.parse(items, layout_size=size, box_format=own_format)[0]
        return objects

    def show(self, parsed: Tensor, size: tuple[int, int] = (256, 256)) -> list[Image.Image]:
        """Layouts as named boxes on white pictures of (height, width)."""
        pictures = []
        for objects in parsed.tolist():
            picture = Image.new("RGB", (size[1], size[0]), "white")
            pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
            for index, (label, *box) in enumerate(row for row in objects if row[0] >= 0):
                left, top, right, bottom = (x * (size[1 - axis % 2] - 1) for axis, x in enumerate(box))
                colour = _COLOURS[index % len(_COLOURS)]
                pen.rectangle((left, top, right, bottom), outline=colour, width=2)
                pen.text((left + 4, top + 3), self._name(int(label)), fill=colour, font=font)
            pictures.append(picture)
        return pictures

    def _name(self, token: int) -> str:
        """The name of an object's token, with its attributes."""
        modifier, label = divmod(token, self.config.number_of_classes)
        name = self.config.labels[label] if self.config.labels is not None else str(label)
        return ", ".join([name, *_attributes(modifier)])

    def _object(self, item: Any, layout_size: tuple[int, int] | None, box_format: BoxFormat) -> list[float]:
        """One object of a user's layout: id with attributes, left, top, right, bottom."""
        label, box, attributes = taken_apart(item)
        token = class_id(label, self.config.labels, self.config.number_of_classes, "layout")
        for attribute in attributes:
            if attribute not in self.config.attributes:
                known = ", ".join(self.config.attributes) or "none"
                raise ValueError(
                    f"layout: this checkpoint knows no attribute {attribute!r} of objects, it knows {known}."
                    f"{nearest_name(str(attribute), self.config.attributes)}"
                )
        token += self.config.number_of_classes * sum({ATTRIBUTES[attribute] for attribute in attributes})
        return [float(token), *relative_box(label, box, layout_size, box_format)]

    def _tokens(self, objects: np.ndarray, crop: Box) -> np.ndarray:
        # (N, 5) -> int64 (C,)
        config = self.config
        seen = objects[reaches(objects, 1, crop[0], crop[2]) & reaches(objects, 2, crop[1], crop[3])]
        if len(seen) > config.max_objects:
            raise _too_many(len(seen), config.max_objects)
        low, high = seen[:, 1:3], seen[:, 3:5]  # (x, y) of the corners
        if not config.encode_crop:
            start, extent = np.array(crop[:2]), np.subtract(crop[2:], crop[:2])
            # as the original has it: a box that starts left of the window keeps its whole width
            size = (high - low) / extent
            low = ((low - start) / extent).clip(0, 1)
            high = low + np.minimum(size, 1 - low)
        points = [low, high] if config.points == "corners" else [low + (high - low) / 2]
        tokens = np.full((config.max_objects, 1 + len(points)), config.none, dtype=np.int64)
        tokens[: len(seen), 0] = seen[:, 0]
        for index, point in enumerate(points):
            tokens[: len(seen), 1 + index] = self._cells(point)
        corners = self._cells(np.array(crop).reshape(2, 2)) if config.encode_crop else np.empty(0, np.int64)
        return np.concatenate((tokens.ravel(), corners))

    def _cells(self, points: np.ndarray) -> np.ndarray:
        # (N, 2), x and y -> int64 (N,); rounded half to even, as Python and numpy do
        x, y = np.rint(points * (self.config.sections - 1)).astype(np.int64).T
        cells: np.ndarray = y * self.config.sections + x
        return cells


class LayoutWindows:
    """Layouts of a batch of pictures, encoded for each window; a ``WindowCondition`` of the sampler.

    Args:
        condition: encodes.
        parsed: float (B, N, 5), objects in the order in which they are encoded.
        canvas: the pictures' size and token grid.

    Attributes:
        batch: B.

    Raises:
        ValueError: where a window has more objects than there are places.
    """

    def __init__(self, condition: LayoutCondition, parsed: Tensor, canvas: Canvas):
        self.condition = condition
        self.batch = len(parsed)
        # a grid below the window's size is cut from a whole window, and padded sizes from the next multiple
        drawn = [max(length, window) for length, window in zip(canvas.grid, canvas.window, strict=True)]
        height, width = (pixels / (canvas.factor * length) for pixels, length in zip(canvas.size, drawn, strict=True))
        self.parsed = parsed * torch.tensor([1, width, height, width, height], dtype=torch.float64)
        self.drawn, self.extent = drawn, canvas.window
        self._check()

    def window(self, top: int, left: int) -> Tensor:
        """Tokens for the window whose first place is (top, left): int64 (B, C)."""
        (height, width), (rows, cols) = self.drawn, self.extent
        x, y = left / width, top / height
        return self.condition.encode(self.parsed, crop=(x, y, x + cols / width, y + rows / height))

    def _check(self) -> None:
        """Counts objects in all windows at once, so that an impossible layout is refused before anything is drawn."""
        most = self.condition.config.max_objects
        if self.parsed.shape[1] <= most:
            return
        for objects in self.parsed.numpy():
            down, across = (
                np.stack([reaches(objects, axis, k / length, (k + size) / length) for k in range(length - size + 1)])
                for axis, length, size in ((2, self.drawn[0], self.extent[0]), (1, self.drawn[1], self.extent[1]))
            )
            count = int((down.astype(np.float32) @ across.T.astype(np.float32)).max())  # (tops, lefts)
            if count > most:
                raise _too_many(count, most)


def _attributes(modifier: int) -> tuple[str, ...]:
    """The names of the attributes whose bits are set."""
    return tuple(attribute for attribute, bit in ATTRIBUTES.items() if modifier & bit)


def _order(objects: Tensor, seed: int) -> list[int]:
    """The order in which the picture with a seed has its objects: a random one, by a counter-based generator."""
    # the sampler's noise has the key (seed, 0)
    words = np.random.Philox(key=np.array([seed, 1], np.uint64)).random_raw(len(objects))
    return sorted(range(len(objects)), key=lambda index: (bool(objects[index, 0] < 0), int(words[index])))


def _too_many(count: int, most: int) -> ValueError:
    return ValueError(
        f"layout: {count} objects reach into one window, but this checkpoint has places for {most}. Leave out the "
        "smallest ones."
    )

"""Condition: what a user passes -> what a GPT reads."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import cycle
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import nearest_name
from ..geometry import Canvas
from ..images import to_pil
from ..storage.pretrained import Pretrained
from ..vqgan.model import VQGAN
from .crop import Crop
from .data_forms import DataForm, value_of
from .map_sizes import continued, scaled
from .word_card import word_card

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AlignedForm", "Condition"]

AlignedForm = Literal["labels", "values", "class", "picture", "embeddings"]
"""The forms in which an aligned GPT reads what a user passes; ``ConditionInput`` describes them."""

SHOWN = 16
"""Names of labels that a condition shows when it is printed."""


class Condition(Pretrained, nn.Module):
    """One kind of input that a GPT was trained to follow, from the user's form of it to tokens.

    The data flow one way: :meth:`parse` reads and checks what a user passes, :meth:`resize` and :meth:`extend_to` fit a
    map to the size of the picture, :meth:`encode` makes tokens of it. In training, :attr:`in_data` says where data have
    it, :meth:`read_sample` reads it by the same :meth:`parse`, :meth:`cut` cuts it as its picture was cut.

    Attributes:
        name: the keyword of a pipeline's call, and the folder in a saved pipeline.
        keywords: further keywords of a call under which it may be passed.
        also_called: what other programs call this keyword, for messages that teach.
        spatial: whether the condition is a map that the picture follows; otherwise it is of the picture as a whole.
        needs_input: whether somebody has to pass it; otherwise it follows from the picture's size alone
            (:meth:`default`), and training data have nothing of it.
        in_data: where training data have it.
        options: of :meth:`parse`, where a call or training passes no others; see :meth:`reading`. They are about the data
            at hand, and not saved.
    """

    name: ClassVar[str]
    keywords: ClassVar[tuple[str, ...]] = ()
    also_called: ClassVar[tuple[str, ...]] = ()
    spatial: ClassVar[bool]
    needs_input: ClassVar[bool] = True
    in_data: ClassVar[DataForm]
    options: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """A condition with the fields of a config."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(config)})

    def __repr__(self) -> str:
        """The labels or classes that it knows and the options that it was told; not the layers of its tokenizer."""
        told = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{type(self).__name__}({', '.join(filter(None, [self.known, *told]))})"

    @property
    def known(self) -> str:
        """The labels or classes that it knows, in a line, those that it was trained on first; empty without names."""
        names = getattr(self.config, "labels", None) or ()
        trained = getattr(self.config, "trained_labels", None) or names
        space = getattr(self.config, "label_space", None)
        first = ", ".join(repr(name) for name in trained[:SHOWN]) + ", …" * (len(trained) > SHOWN)
        count = f"{len(trained)} of {len(names)}" if len(trained) < len(names) else str(len(names))
        return f"{count} labels{f' of {space}' if space else ''}: {first}" if names else ""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """The number of ids that :meth:`encode` can give; a GPT's vocabulary must have as many."""
        raise NotImplementedError

    @property
    def downsample_factor(self) -> int:
        """Pixels of a map that a token stands for, along each side; 1 where there are no maps."""
        return 1

    @abstractmethod
    def parse(self, value: Any) -> Tensor:
        """What a user passes, checked, as the map or ids that the other methods take.

        Kinds with options have them as keyword-only parameters of this method. One of them is not the user's: a kind
        that declares ``size`` is told the (height, width) in pixels that was asked for, or ``None``.

        Returns:
            For maps int64 `(B, H, W)` (labels) or float32 `(B, C, H, W)`; for ids int64 `(B,)`.

        Raises:
            TypeError: for another type or number format.
            ValueError: for values and shapes that cannot be what is meant.
        """
        raise NotImplementedError

    @property
    def option_names(self) -> list[str]:
        """The options of :meth:`parse` that a user may pass."""
        return [name for name in self._keywords if name != "size"]

    @property
    def takes_size(self) -> bool:
        """Whether :meth:`parse` has to know how large the picture is."""
        return "size" in self._keywords

    @property
    def _keywords(self) -> list[str]:
        parameters = inspect.signature(self.parse).parameters.items()
        return [name for name, parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

    def read(self, value: Any, options: Mapping[str, Any], sizes: Sequence[tuple[int, int]] = ()) -> list[Tensor]:
        """What a user passes for some pictures, as :meth:`parse` gives it for each.

        Args:
            value: of all pictures.
            options: of :meth:`parse`.
            sizes: (height, width) of each picture, or one for all; none where they are not known yet.
        """
        items, told = self.items(value), [dict(options)]
        if self.takes_size:
            told = [{**options, "size": size} for size in sizes] or [{**options, "size": None}]
            if len(items) == 1 and len(set(sizes)) > 1:
                items = items * len(sizes)
        parsed = (self.parse(item, **item_options) for item, item_options in zip(items, cycle(told), strict=False))
        return [row for rows in parsed for row in torch.split(rows, 1)]

    def reading(self, **options: Any) -> Self:
        """The same condition for data of another form: what training reads, and what a call leaves open.

        Args:
            **options: of :meth:`parse`, e.g. ``reading(label_space="ade20k-150")`` or ``reading(near="small", invalid=0)``.

        Raises:
            TypeError: for an option that the kind does not have.
        """
        for name in options:
            if name not in self.option_names:
                known = ", ".join(self.option_names) or "none"
                raise TypeError(
                    f"{self.name} has no option {name!r}, only {known}.{nearest_name(name, self.option_names)}"
                )
        changed = copy.copy(self)
        changed.options = {**self.options, **options}
        return changed

    def _option(self, name: str, value: Any, default: Any = None) -> Any:
        """An option: what a call passes, or what the condition was told, or the default."""
        return value if value is not None else self.options.get(name, default)

    def items(self, value: Any) -> list[Any]:
        """What a user passes for several pictures, in parts that :meth:`parse` takes and that may differ in size."""
        return [value]

    def default(self, size: tuple[int, int]) -> Tensor | None:
        """What stands for the condition when a user passes nothing, as :meth:`parse` gives it; ``None``: nothing does."""
        del size
        return None

    def chosen_by(self, seeds: Sequence[int]) -> Tensor | None:
        """What seeds choose where a user passes nothing, one row a seed; ``None`` for kinds that stay open then."""
        del seeds
        return None

    def may_have(self, colour: Sequence[float]) -> Tensor:
        """Which of the ids that a seed chooses from go with a picture of a mean colour.

        Args:
            colour: RGB in [0, 1], the mean of what is known of the picture.

        Returns:
            bool (vocab_size,), at least one true.
        """
        del colour
        return torch.ones(self.vocab_size, dtype=torch.bool)

    def settled(self, parsed: Tensor, seeds: Sequence[int]) -> Tensor:
        """What :meth:`parse` gave, with what it leaves to chance decided by the pictures' seeds.

        Args:
            parsed: one row for each picture, or for several that follow each other.
            seeds: of the pictures.
        """
        del seeds
        return parsed

    def resize(self, parsed: Tensor, size: tuple[int, int]) -> Tensor:
        """A map scaled to (height, width): nearest for labels, bilinear for numbers (anti-aliased on the way down).

        What is no map is returned as it is.
        """
        return scaled(parsed, size) if self.spatial else parsed

    def extend_to(self, parsed: Tensor, size: tuple[int, int]) -> Tensor:
        """A map continued to (height, width) by repeating its last row and column.

        What is no map is returned as it is.

        Raises:
            ValueError: for a size smaller than the map.
        """
        return continued(parsed, size) if self.spatial else parsed

    def part(self, parsed: Tensor, box: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
        """What is of a part of a picture of `size`: (top, left, bottom, right) in pixels."""
        return parsed[..., box[0] : box[2], box[1] : box[3]] if self.spatial else parsed

    @abstractmethod
    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of what :meth:`parse` gave: int64 `(B, h, w)` of a map, `(B, 1)` of ids.

        Raises:
            ValueError: for a map whose sides are no multiples of :attr:`downsample_factor`.
        """
        raise NotImplementedError

    def for_canvas(self, parsed: Tensor, canvas: Canvas, seeds: Sequence[int]) -> Any:
        """What the sampler takes for some pictures of a canvas.

        Args:
            parsed: what :meth:`parse` gave, maps as large as the canvas' pictures; one for each picture, or one for
                several that follow each other.
            canvas: the pictures' size and token grid.
            seeds: of the pictures; they decide what is arbitrary in a condition.

        Returns:
            tokens, as :meth:`encode` gives them, one row a picture: each map is continued to the whole grid by its
            edge. Kinds whose tokens differ from window to window return a
            :class:`~vqgan_transformer.sampler.windows.WindowCondition`.
        """
        tokens = self.encode(self.extend_to(self.settled(parsed, seeds), canvas.painted))
        return tokens.repeat_interleave(len(seeds) // len(tokens), dim=0)

    def show(self, parsed: Tensor, size: tuple[int, int] = (256, 256)) -> list[Image.Image]:
        """What :meth:`parse` gave, as people look at it: an RGB picture of each.

        Args:
            parsed: maps are shown in their own size.
            size: (height, width) of the pictures of what is no map.
        """
        if self.spatial:
            return to_pil(parsed.expand(-1, 3, -1, -1))
        return [word_card(self.describe(row), size) for row in parsed]

    def describe(self, parsed: Tensor) -> str:
        """One row of what :meth:`parse` gave, in words."""
        del parsed
        return self.name.replace("_", " ")

    @property
    def says_where(self) -> bool:
        """Whether it says what is where in a picture; where nothing does, the picture can be planned first."""
        return self.aligned_input is not None and self.aligned_input[0] in ("labels", "values", "picture")

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """Form and size of what an aligned GPT reads (see ``ConditionInput``); ``None`` for kinds that only stand in front."""
        return None

    @property
    def aligned_inputs(self) -> tuple[Mapping[str, Any], ...]:
        """The arguments of each ``ConditionInput`` of an aligned GPT; nothing of a kind that is no condition at all.

        Raises:
            ValueError: for a kind that has no aligned form.
        """
        if self.aligned_input is None:
            raise ValueError(f"{self.name} has no aligned form: use a GPT with conditioning='prefix'.")
        return ({"name": self.name, "form": self.aligned_input[0], "size": self.aligned_input[1]},)

    def on_canvas(self, parsed: Tensor, canvas: Canvas) -> Tensor:
        """What :meth:`parse` gave, for pictures of a canvas, as :meth:`for_aligned` takes it: maps of the whole grid."""
        return self.extend_to(parsed, canvas.painted)

    def for_aligned(self, parsed: Tensor) -> Tensor:
        """Maps of full resolution, or ids, as an aligned GPT reads them."""
        return parsed

    def gpt_inputs(self, parsed: Tensor) -> dict[str, Tensor]:
        """What :meth:`parse` gave, by the names under which an aligned GPT reads it."""
        return {self.name: self.for_aligned(parsed)}

    def from_aligned(self, values: Tensor) -> Tensor:
        """What :meth:`for_aligned` gave, as :meth:`parse` has it."""
        return values

    def prefix_length(self, window: tuple[int, int]) -> int:
        """Tokens that a GPT of the paper's form reads for a window of (height, width) tokens."""
        return window[0] * window[1] if self.spatial else 1

    def beside(
        self, followed: Mapping[str, Tensor], others: Sequence[Condition], options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """What becomes of other conditions of the same pictures, by their names; nothing, for most kinds.

        Args:
            followed: what ``parse`` gave of each kind, this one's included, in one size.
            others: the other kinds.
            options: of this one.
        """
        del followed, others, options
        return {}

    @property
    def person_label(self) -> int | None:
        """The label of people in a label map; ``None`` for other kinds, and where there is none."""
        return None

    def check_tokens(self) -> None:
        """Refuses a condition that cannot make tokens as it is.

        Raises:
            ValueError: that says what it lacks.
        """

    @property
    def tokenizer(self) -> VQGAN | None:
        """The VQGAN that makes the tokens; ``None`` for kinds that need none, or have none here."""
        return None

    def from_tokens(self, tokens: Tensor) -> Tensor | None:
        """Maps that tokens stand for, as :meth:`parse` has them; ``None`` for kinds whose tokens are no maps."""
        del tokens
        return None

    @property
    def sample_kinds(self) -> tuple[str, ...]:
        """What a training sample must have for the condition to be read and cut, where nothing else is read of it."""
        return ("image", self.name) if self.needs_input else ("image",)

    def read_sample(self, sample: Mapping[str, Any]) -> Any:
        """What a training sample has of the condition, whole: what :meth:`cut` takes.

        Raises:
            KeyError: where the sample has nothing of it.
            TypeError: as :meth:`parse`.
            ValueError: as :meth:`parse`.
        """
        return self.parse(value_of(sample, self.name))[0] if self.needs_input else None

    def call_value(self, sample: Mapping[str, Any]) -> Any:
        """What a pipeline's call takes for the condition that a training sample has."""
        return value_of(sample, self.name)

    def extent(self, sample: Any) -> tuple[int, int] | None:
        """(height, width) of what :meth:`read_sample` gave, where it tells the size of its picture."""
        return (sample.shape[-2], sample.shape[-1]) if self.spatial and self.needs_input else None

    def drawn_crudely(self, sample: Any, generator: np.random.Generator) -> Any:
        """What :meth:`read_sample` gave, drawn at random as crudely as people draw it; unchanged for most kinds."""
        del generator
        return sample

    def cut(self, sample: Any, crop: Crop, whole: tuple[int, int], order: np.random.Generator) -> Tensor:
        """The part of the condition that belongs to a piece of its picture, without the batch axis.

        Args:
            sample: what :meth:`read_sample` gave.
            crop: the piece.
            whole: (height, width) of the picture in pixels.
            order: decides what is arbitrary in the condition.
        """
        del order
        if not self.needs_input:
            default = self.default(whole)
            assert default is not None
            sample = default[0]
        if not self.spatial:
            return torch.as_tensor(sample)
        return crop.of_numbers(sample) if sample.is_floating_point() else crop.of_labels(sample)

    def cut_for_aligned(self, sample: Any, crop: Crop, whole: tuple[int, int], order: np.random.Generator) -> Tensor:
        """As :meth:`cut`, but what :meth:`for_aligned` takes; the same, for most kinds."""
        return self.cut(sample, crop, whole, order)

    def encode_cut(self, cut: Tensor) -> Tensor:
        """Tokens of a batch of what :meth:`cut` gave."""
        return self.encode(cut)

    def forward(self, parsed: Tensor) -> Tensor:
        """The same as :meth:`encode`."""
        return self.encode(parsed)

"""What a GPT reads of a call's conditions: exactly one in the paper's form; any of them, or none, in the aligned form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..conditions import Condition
from ..geometry import Canvas, Size
from ..gpt.model import CondGPT
from ..vqgan.model import VQGAN

__all__ = ["AnyConditions", "OneCondition", "gpt_inputs"]


@dataclass(frozen=True)
class AnyConditions:
    """The aligned form: what conditions give as it is, at the resolution of pixels, or as an id of the whole picture.

    Attributes:
        conditions: of the checkpoint.
    """

    conditions: Sequence[Condition]

    def check_parts(self, vqgan: VQGAN, gpt: CondGPT) -> None:
        """Refuses conditions that give something else than the GPT reads.

        Raises:
            ValueError: that says which, and why.
        """
        if gpt.config.downsample_factor != vqgan.downsample_factor:
            raise ValueError(
                f"a token of the VQGAN stands for {vqgan.downsample_factor} pixels a side, but the GPT reads maps for "
                f"tokens of {gpt.config.downsample_factor}."
            )
        reads = {read.name: (read.form, read.size) for read in gpt.config.conditions}
        for condition in self.conditions:
            if condition.aligned_input is None or reads.get(condition.name) != condition.aligned_input:
                raise ValueError(
                    f"{condition.name} gives {condition.aligned_input}, but of this name the GPT reads "
                    f"{reads.get(condition.name)}."
                )

    def check_given(self, given: Collection[str]) -> None:
        """Any kinds go together."""

    def check_scored(self, canvas: Canvas) -> None:
        """Tokens of any canvas can be scored."""

    def defaults(self, given: Collection[str], size: Size) -> dict[str, Tensor]:
        """What stands for conditions that are not given, for each that has such a thing."""
        defaults = {condition.name: condition.default(size) for condition in self.left_open(given)}
        return {name: default for name, default in defaults.items() if default is not None}

    def left_open(self, given: Collection[str]) -> list[Condition]:
        """The conditions that nobody gave."""
        return [condition for condition in self.conditions if condition.name not in given]

    def read(self, given: Mapping[str, Tensor], canvas: Canvas, seeds: Sequence[int]) -> Any:
        """What the sampler takes for pictures of a canvas with these seeds: a map or id of each kind, one row a seed."""
        read: dict[str, Tensor] = {}
        for condition in self.conditions:
            if condition.name in given:
                settled = condition.settled(given[condition.name], seeds)
                read |= condition.gpt_inputs(condition.on_canvas(settled, canvas))
        return {name: rows.repeat_interleave(len(seeds) // len(rows), dim=0) for name, rows in read.items()}


class OneCondition(AnyConditions):
    """The paper's form: tokens of one condition, on the picture's grid."""

    def check_parts(self, vqgan: VQGAN, gpt: CondGPT) -> None:
        """Refuses conditions whose tokens the GPT cannot read.

        Raises:
            ValueError: that says which, and why.
        """
        if not self.conditions:
            raise ValueError("give at least one condition; Unconditional() stands for none.")
        for condition in self.conditions:
            condition.check_tokens()
            if condition.vocab_size > gpt.config.condition_ids:
                raise ValueError(
                    f"{condition.name} makes {condition.vocab_size} different tokens, but the GPT's vocabulary has only "
                    f"{gpt.config.condition_ids}."
                )
            if condition.spatial and condition.downsample_factor != vqgan.downsample_factor:
                raise ValueError(
                    f"a token of the {condition.name} condition stands for {condition.downsample_factor} pixels a side, "
                    f"one of the picture for {vqgan.downsample_factor}; the paper's form needs the same grid."
                )

    def check_given(self, given: Collection[str]) -> None:
        """Refuses kinds, by name, that cannot be followed together, and too few of them.

        Raises:
            TypeError: for several.
            ValueError: for none, where none of the conditions has a default.
        """
        if len(given) > 1:
            raise TypeError(f"this checkpoint follows one condition at a time, got {' and '.join(given)}.")
        if not given and not self.defaults(given, (1, 1)):
            first = self.conditions[0].name
            raise ValueError(f"this checkpoint paints from {first}: pass {first}=….")

    def check_scored(self, canvas: Canvas) -> None:
        """Refuses a canvas whose tokens cannot be scored, since it is smaller than a window.

        Raises:
            ValueError: for it.
        """
        if any(side < window for side, window in zip(canvas.grid, canvas.window, strict=True)):
            least = tuple(side * canvas.factor for side in canvas.window)
            raise ValueError(
                f"a picture of {canvas.size[0]}×{canvas.size[1]} pixels is smaller than the window of this GPT, which is "
                f"{least[0]}×{least[1]}: its likelihood, by which candidates are compared, cannot be told."
            )

    def defaults(self, given: Collection[str], size: Size) -> dict[str, Tensor]:
        """What stands for the condition where nothing is given: the first default there is."""
        return {} if given else dict([*super().defaults(given, size).items()][:1])

    def left_open(self, given: Collection[str]) -> list[Condition]:
        """The conditions that the GPT could read now: none beside one that is given."""
        return [] if given else super().left_open(given)

    def read(self, given: Mapping[str, Tensor], canvas: Canvas, seeds: Sequence[int]) -> Any:
        """What the sampler takes for pictures of a canvas with these seeds; see ``Condition.for_canvas``."""
        [condition] = [condition for condition in self.conditions if condition.name in given]
        return condition.for_canvas(given[condition.name], canvas, seeds)


def gpt_inputs(gpt: CondGPT, conditions: Sequence[Condition]) -> AnyConditions:
    """What a GPT reads of some conditions."""
    return AnyConditions(conditions) if gpt.config.conditioning == "aligned" else OneCondition(conditions)

"""Which comparisons guide a draw: what is dropped from the conditions, and how far to move away from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import nearest_name
from ..gpt.model import CondGPT
from .draw import guide

__all__ = ["Guidance"]


@dataclass(frozen=True)
class Guidance:
    """The comparisons of one call.

    Attributes:
        scales: how far each comparison moves the logits; 1 would be not at all.
        dropped: of an aligned model, the kinds of condition that each is made without. A prefix has but one condition.
    """

    scales: tuple[float, ...]
    dropped: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, gpt: CondGPT, scale: float | Mapping[str, float], given: Iterable[str]) -> Guidance:
        """What a setting means for a model.

        A number compares with no condition at all, but for tokens that are known: those of a picture to complete stay
        known. A dictionary compares with each of its kinds dropped by itself.

        Args:
            gpt: the model.
            scale: the sampler's ``guidance_scale``.
            given: the kinds of condition of an aligned model that are given; dropping others would change nothing.

        Raises:
            TypeError: for a dictionary and a model with a prefix.
            ValueError: for a kind that the model does not know.
        """
        if gpt.config.conditioning == "prefix":
            if isinstance(scale, Mapping):
                raise TypeError("this GPT has one condition: guidance_scale is a number, not one for each kind.")
            return cls((), ()) if scale == 1 else cls((scale,), (frozenset(),))
        kinds = {one.name: one.form for one in gpt.config.conditions}
        if isinstance(scale, Mapping):
            for name in scale:
                if name not in kinds:
                    known = ", ".join(kinds) or "none"
                    raise ValueError(
                        f"this GPT has no condition {name!r}.{nearest_name(name, kinds)} It reads: {known}."
                    )
            terms = [(number, frozenset({name})) for name, number in scale.items()]
        else:
            terms = [(scale, frozenset(name for name, form in kinds.items() if form != "tokens"))]
        given = set(given)
        terms = [(number, names & given) for number, names in terms if number != 1 and names & given]
        return cls(tuple(number for number, _ in terms), tuple(names for _, names in terms))

    def applied(self, logits: Tensor) -> Tensor:
        """Logits moved away from those of poorer conditions; the moves of several comparisons add up.

        Args:
            logits: (R·(1 + N), ...): R rows with all conditions, then as many for each of the N comparisons.

        Returns:
            (R, ...).
        """
        if not self.scales:
            return logits
        conditional, *poorer = logits.chunk(1 + len(self.scales))
        moved = [guide(conditional, other, scale) for other, scale in zip(poorer, self.scales, strict=True)]
        return moved[0] if len(moved) == 1 else sum(moved) - (len(moved) - 1) * conditional

"""What a GPT knows of a kind of condition that it reads from a dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ConditionInput"]

_FORMS = ("labels", "values", "class", "tokens", "picture", "embeddings")


@dataclass(frozen=True)
class ConditionInput:
    """A kind of condition that a model reads from a dictionary.

    Args:
        name: the key in the dictionary of conditions, which is the keyword of the pipeline's call.
        form: "labels", a map of label ids int64 (B, H, W), -1 where unknown; "values", a map of numbers
            float (B, size, H, W), NaN where unknown; "class", ids int64 (B,), -1 where unknown; "tokens", the tokens of
            the picture itself where they are known, int64 (B, h, w), -1 where not; "picture", float (B, size, H, W) in
            [-1, 1], read by a pretrained encoder; "embeddings", float (B, length, size), such as a caption's, which
            stand in front of the tokens, with a bool mask (B, length) under the name + "_mask" that says which are
            seen. A picture or embeddings with a NaN in them are unknown.
        size: the number of labels, channels, classes, codes, or numbers of an embedding.
        length: positions of embeddings; ``None`` for other forms.
        octaves: of values in [0, 1], such as coordinates: sin(2^k π x) and cos(2^k π x) are read beside x, for k from 0
            to octaves − 1, so that a place can be told from its neighbours (the positional encoding of NeRF, Mildenhall
            et al. 2020, eq. 4).
        always_known: whether it is there in every picture, as coordinates are: ``condition_dropout`` leaves it, and what
            guidance compares with knows it, too.

    Raises:
        ValueError: for another form, no name, no size, or a length or octaves that do not go with the form.
    """

    name: str
    form: Literal["labels", "values", "class", "tokens", "picture", "embeddings"]
    size: int
    length: int | None = None
    octaves: int = 0
    always_known: bool = False

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise ValueError(f"form is one of {', '.join(map(repr, _FORMS))}; got {self.form!r}.")
        if not self.name or self.size < 1:
            raise ValueError(f"a condition needs a name and a size from 1 on, got {self.name!r} and {self.size}.")
        if (self.length is not None) != (self.form == "embeddings") or (self.length is not None and self.length < 1):
            raise ValueError(f"length is for embeddings, from 1 on; got {self.length} for {self.form!r}.")
        if not 0 <= self.octaves <= (16 if self.form == "values" else 0):
            raise ValueError(f"octaves are for values, from 0 to 16; got {self.octaves} for {self.form!r}.")

    @property
    def is_compared(self) -> bool:
        """Whether guidance compares with pictures without it. Known tokens and what is always known stay."""
        return self.form != "tokens" and not self.always_known

"""What a GPT knows of a kind of condition that it reads from a dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ConditionInput", "PictureEncoderConfig"]

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
        """Whether guidance compares with pictures without it: neither of known tokens nor of what is always known."""
        return self.form != "tokens" and not self.always_known


@dataclass(frozen=True)
class PictureEncoderConfig:
    """A DINOv2 (Oquab et al. 2023) that reads conditions of the form "picture".

    Args:
        hidden_size: its width.
        num_hidden_layers: its blocks.
        num_attention_heads: heads of a block.
        mlp_ratio: hidden units of a feed-forward part, in widths.
        patch_size: pixels of a patch along each side; a picture is resized so that each token has one patch.
        image_size: of the pictures that its table of positions is for.
        resize: "nearest", or "bicubic" with aligned corners.

    Raises:
        ValueError: for sizes below 1, a width that is no multiple of the heads, or another way to resize.
    """

    hidden_size: int = 384
    num_hidden_layers: int = 12
    num_attention_heads: int = 6
    mlp_ratio: int = 4
    patch_size: int = 14
    image_size: int = 518
    resize: Literal["nearest", "bicubic"] = "nearest"

    def __post_init__(self) -> None:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "mlp_ratio", "patch_size", "image_size")
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"PictureEncoderConfig.{name} must be at least 1, got {getattr(self, name)}.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads, got {self.hidden_size} and "
                f"{self.num_attention_heads}."
            )
        if self.resize not in ("nearest", "bicubic"):
            raise ValueError(f"resize is 'nearest' or 'bicubic', got {self.resize!r}.")

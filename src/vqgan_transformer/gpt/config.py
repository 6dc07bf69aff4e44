"""CondGPTConfig: everything that shapes a CondGPT. Its choices are independent as far as they make sense together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, TypeVar

from .condition_input import ConditionInput

__all__ = ["CondGPTConfig", "PictureEncoderConfig"]

Value = TypeVar("Value")


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


@dataclass(frozen=True)
class CondGPTConfig:
    """Everything that shapes a CondGPT.

    Three choices are independent. *How conditions enter*: as tokens in front of those of the image
    (``conditioning="prefix"``, the paper's form), whose last one, a class, may also modulate the norms
    (``modulation``); or from a dictionary (``conditioning="aligned"``), embeddings in front, and features of all other
    kinds added at the place that is drawn, before chosen layers. *Positions*: learned, also of the place that is drawn
    (``target_positions``), or 2-D rotary. *Attention*: to all that comes before in a window ("full"), or to a
    neighbourhood of the place ("local"), for which positions are rotary and nothing stands in front.

    Args:
        vocab_size: embeddings and logits: at least the image's codebook, and all ids of condition tokens unless those
            have a table of their own.
        block_size: the longest sequence, condition included. A window of 16×16 image tokens behind 256 condition
            tokens needs 511, since the last token is never read. Aligned models have no such limit: ``None``.
        n_layer: blocks.
        n_head: attention heads. It cannot be read off the weights.
        n_embd: width; a multiple of n_head.
        window: (height, width) in tokens of the crops the model was trained on, which the sampler slides.
        n_unmasked: the first positions (the condition) that all see each other; 0 for the original's plain causal mask.
        embedding_dropout: probability after the embeddings.
        residual_dropout: probability after attention and in the feed-forward part.
        attention_dropout: probability on attention weights.
        pkeep: probability with which training keeps an image token that the model reads; the others become random.
            Targets stay. The train functions see to it (``GPTTraining.pkeep``), not the model.
        null_token: the id that all condition tokens take when the condition is dropped, for models trained so. Needed
            for classifier-free guidance.
        norm: "layer" or "rms" (root mean square; Zhang and Sennrich 2019).
        feed_forward: "gelu", or "swiglu" with a gate (Shazeer 2020).
        feed_forward_width: hidden units of the feed-forward part. By default 4·n_embd for "gelu", and for "swiglu" the
            multiple of 64 from 8/3·n_embd on, which has about as many weights.
        bias: whether the linear layers of blocks add one.
        position: "learned", a table with a vector for each position; or "rope2d", where queries and keys of image
            tokens are rotated by their row and column in the window (:mod:`.positions`).
        condition_vocab_size: ids of a table of their own for condition tokens, the null token's included; ``None`` for
            the paper's one table that image and condition share.
        token_order: in which a window's tokens are read. Only "row_major" can be slid over a picture; the others are
            those of the paper's ablation (:mod:`vqgan_transformer.training.token_orders`).
        conditioning: "prefix", the condition is tokens; or "aligned", it is a dictionary of the kinds in ``conditions``.
        attention: "full", all that comes before in a window; or "local": a place sees, of those before it,
            ``rows_above`` rows and in each of them ``columns_beside`` columns either side.
        rows_above: see ``attention``.
        columns_beside: see ``attention``; a place sees the token above it only from 1 on.
        conditions: the kinds of condition in the dictionary, any of which may be absent from a call.
        downsample_factor: pixels of a condition's map that a token stands for along each side, an even number; for
            models with a dictionary.
        condition_width: channels of the condition encoder.
        condition_depth: its blocks at the resolution of tokens; block k reaches 2^k + 1 tokens further.
        condition_layers: the blocks of the GPT to whose input the features of the condition are added.
        modulation: "none"; or what scales, shifts and gates each block's parts (adaptive norms; Peebles and Xie 2023):
            "condition", the embedding of the last condition token, or "condition_and_step", that and a learned vector
            for each position.
        qk_norm: whether queries and keys are normalised, head by head.
        norm_eps: what the norms add to a variance.
        norm_out_affine: whether the norm before the head has weights of its own.
        head_bias: whether the head adds a bias.
        start_token: whether a learned vector stands in front of everything else. A window needs something in front.
        target_positions: whether learned vectors also say which place is drawn next (Yu et al. 2024, RAR).
        position_table: columns of the table in which "rope2d" finds the row and the column of a token by its flat
            number in the window; by default those of the window. With a table a window may have any shape that holds no
            more tokens.
        picture_encoder: what reads conditions of the form "picture".
        guidance: the scale of classifier-free guidance that the logits have by themselves, where a training taught it
            (``GPTTraining.distill_guidance``); 1: none. Samplers with this scale read a place once, those with others twice.

    Raises:
        ValueError: where two fields contradict each other or one is out of range.
    """

    vocab_size: int
    block_size: int | None = None
    n_layer: int = 12
    n_head: int = 8
    n_embd: int = 256
    window: tuple[int, int] = (16, 16)
    n_unmasked: int = 0
    embedding_dropout: float = 0.0
    residual_dropout: float = 0.0
    attention_dropout: float = 0.0
    pkeep: float = 1.0
    null_token: int | None = None
    norm: Literal["layer", "rms"] = "layer"
    feed_forward: Literal["gelu", "swiglu"] = "gelu"
    feed_forward_width: int | None = None
    bias: bool = True
    position: Literal["learned", "rope2d"] = "learned"
    condition_vocab_size: int | None = None
    token_order: Literal["row_major", "spiral_in", "spiral_out", "z_curve", "subsample", "alternate"] = "row_major"
    conditioning: Literal["prefix", "aligned"] = "prefix"
    attention: Literal["full", "local"] = "full"
    rows_above: int = 4
    columns_beside: int = 4
    conditions: tuple[ConditionInput, ...] = ()
    downsample_factor: int | None = None
    condition_width: int = 128
    condition_depth: int = 3
    condition_layers: tuple[int, ...] = (0,)
    modulation: Literal["none", "condition", "condition_and_step"] = "none"
    qk_norm: bool = False
    norm_eps: float = 1e-5
    norm_out_affine: bool = True
    head_bias: bool = False
    start_token: bool = False
    target_positions: bool = False
    position_table: int | None = None
    picture_encoder: PictureEncoderConfig | None = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_layer", "n_head", "n_embd", "rows_above", "columns_beside"):
            if getattr(self, name) < 1:
                raise ValueError(f"CondGPTConfig.{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("block_size", "feed_forward_width", "condition_vocab_size", "position_table"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"CondGPTConfig.{name} must be at least 1 or None, got {getattr(self, name)}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {getattr(self, name)!r}.")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd must be a multiple of n_head, got {self.n_embd} and {self.n_head}.")
        if self.position == "rope2d" and self.head_width % 4:
            raise ValueError(
                f"rope2d rotates pairs of a head's channels, half by row and half by column: n_embd/n_head must be a "
                f"multiple of 4, got {self.head_width}."
            )
        if len(self.window) != 2 or min(self.window) < 1:
            raise ValueError(f"window is (height, width) in tokens, got {self.window}.")
        for name in ("embedding_dropout", "residual_dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}.")
        if not 0 < self.pkeep <= 1:
            raise ValueError(f"pkeep must lie in (0, 1], got {self.pkeep}.")
        if self.null_token is not None and not 0 <= self.null_token < self.condition_ids:
            raise ValueError(f"null_token must lie in 0..{self.condition_ids - 1}, got {self.null_token}.")
        if isinstance(self.guidance, bool) or not isinstance(self.guidance, int | float) or not 0 < self.guidance < inf:
            raise ValueError(f"guidance must be a positive number, got {self.guidance!r}.")
        if not 0 < self.norm_eps < 1:
            raise ValueError(f"norm_eps must lie in (0, 1), got {self.norm_eps}.")
        if self.position_table is not None and self.position != "rope2d":
            raise ValueError('position_table= goes with position="rope2d".')
        if self.conditioning == "prefix":
            self._check_prefix()
        else:
            self._check_dictionary()
        if self.attention == "full":
            self._check_window()
        else:
            self._check_neighbourhood()

    def _check_prefix(self) -> None:
        if self.attention != "full":
            raise ValueError('local attention goes with conditioning="aligned": a condition in front is out of reach.')
        if self.conditions or self.picture_encoder is not None:
            raise ValueError('conditions= are for conditioning="aligned"; in front stand tokens of any kind.')

    def _check_window(self) -> None:
        if self.block_size is None:
            raise ValueError(
                'a GPT that reads windows needs a block_size, the longest sequence; one with attention="local" has none.'
            )
        front = 1 + self.start_token if self.front_length is None else max(1, self.front_length)
        if front + self.window_length - 1 > self.block_size:
            what = "one condition token" if front == 1 else f"{front} positions in front of them"
            raise ValueError(
                f"a window of {self.window[0]}×{self.window[1]} tokens and {what} need a block_size of "
                f"{front + self.window_length - 1}, got {self.block_size}."
            )
        if self.front_length == 0:
            raise ValueError("nothing stands in front of a window's first token: give embeddings or start_token=True.")
        if not 0 <= self.n_unmasked <= self.block_size:
            raise ValueError(f"n_unmasked must lie in 0..block_size, got {self.n_unmasked}.")
        if self.target_positions and self.position != "learned":
            raise ValueError('target_positions= go with position="learned".')

    def _check_neighbourhood(self) -> None:
        if self.position != "rope2d":
            raise ValueError('attention="local" goes with position="rope2d".')
        for name, unused in (
            ("block_size", None), ("n_unmasked", 0), ("start_token", False), ("position_table", None),
            ("target_positions", False),
        ):  # fmt: skip
            if getattr(self, name) != unused:
                raise ValueError(f"{name} is for models that read windows; this one sees neighbourhoods.")
        if self.token_order != "row_major":
            raise ValueError(f"an aligned model draws row by row, not in the order {self.token_order!r}.")
        if [kind for kind in self.conditions if kind.form == "embeddings"]:
            raise ValueError('embeddings stand in front, out of reach of attention="local".')

    def _check_dictionary(self) -> None:
        for name, unused in (("null_token", None), ("condition_vocab_size", None), ("modulation", "none")):
            if getattr(self, name) != unused:
                raise ValueError(f"{name} is for conditions that are tokens; this model reads a dictionary.")
        names = [kind.name for kind in self.conditions]
        if len(set(names)) < len(names):
            raise ValueError(f"each kind of condition may be given once, got {names}.")
        if len([kind for kind in self.conditions if kind.form == "embeddings"]) > 1:
            raise ValueError("one kind of embeddings can stand in front.")
        if self.downsample_factor is None or self.downsample_factor < 2 or self.downsample_factor % 2:
            raise ValueError(
                f"an aligned model needs the even downsample_factor of its VQGAN, got {self.downsample_factor}."
            )
        if self.condition_width < 2 or self.condition_width % 2:
            raise ValueError(f"condition_width must be an even number, got {self.condition_width}.")
        if not 0 <= self.condition_depth <= 8:
            raise ValueError(f"condition_depth must lie in 0..8, got {self.condition_depth}.")
        layers = self.condition_layers
        if not layers or sorted(set(layers)) != list(layers) or not 0 <= layers[0] <= layers[-1] < self.n_layer:
            raise ValueError(f"condition_layers are blocks 0..{self.n_layer - 1} in ascending order, got {layers}.")
        if [kind for kind in self.conditions if kind.form == "tokens" and kind.size > self.vocab_size]:
            raise ValueError(f"known tokens are of the picture: their size is at most {self.vocab_size}.")
        if bool([kind for kind in self.conditions if kind.form == "picture"]) != (self.picture_encoder is not None):
            raise ValueError('picture_encoder= goes with conditions of the form "picture".')

    @property
    def front_length(self) -> int | None:
        """Positions in front of the image's first token; ``None`` where the condition's tokens decide."""
        if self.conditioning == "prefix":
            return None
        return self.start_token + sum(kind.length or 0 for kind in self.conditions)

    @property
    def can_drop_conditions(self) -> bool:
        """Whether there is something that stands for "no condition"."""
        return self.conditioning == "aligned" or self.null_token is not None

    def check_dropout(self, probability: float) -> None:
        """Refuses to drop conditions, with a probability above 0, where nothing stands for none.

        Raises:
            ValueError: if so.
        """
        if probability and not self.can_drop_conditions:
            raise ValueError("condition_dropout needs a GPT with a null_token (fitting_config gives it one).")

    def check_follows(self, names: Sequence[str]) -> None:
        """Refuses conditions that cannot be followed together.

        Args:
            names: of the conditions.

        Raises:
            ValueError: for several where tokens of one stand in front, or none.
        """
        if self.conditioning == "prefix" and len(names) != 1:
            raise ValueError(
                f"the paper's form follows one condition, got {', '.join(names)}: pass one, or config= of an aligned GPT."
            )

    @property
    def reads_tokens(self) -> bool:
        """Whether conditions are read as tokens of them; otherwise as maps and ids."""
        return self.conditioning == "prefix"

    def in_front(self, conditions: Sequence[Value]) -> Sequence[Value]:
        """Those of some conditions whose tokens stand in front."""
        return conditions if self.reads_tokens else ()

    def reads(self, names: Iterable[str]) -> list[str]:
        """Those of some names whose conditions are read."""
        known = {kind.name for kind in self.conditions}
        return [name for name in names if self.conditioning == "prefix" or name in known]

    def gather(self, names: Iterable[str], *, tokens: Callable[[str], Any], values: Callable[[str], Any]) -> Any:
        """What a model reads, from what is given for each name.

        Args:
            names: of the conditions that are given.
            tokens: gives a condition as tokens, where that is what the model reads; then there is one.
            values: gives a condition as a map or ids, likewise; the model reads a dictionary of them.
        """
        read = self.reads(names)
        if self.reads_tokens:
            (name,) = read
            return tokens(name)
        return {name: values(name) for name in read}

    @property
    def window_length(self) -> int:
        """Image tokens of a window."""
        return self.window[0] * self.window[1]

    @property
    def head_width(self) -> int:
        """Channels of an attention head."""
        return self.n_embd // self.n_head

    @property
    def hidden_width(self) -> int:
        """Hidden units of a block's feed-forward part."""
        if self.feed_forward_width is not None:
            return self.feed_forward_width
        return 4 * self.n_embd if self.feed_forward == "gelu" else -(-8 * self.n_embd // (3 * 64)) * 64

    @property
    def condition_ids(self) -> int:
        """How many ids a condition token may have: 0..condition_ids - 1."""
        return self.vocab_size if self.condition_vocab_size is None else self.condition_vocab_size


TOKEN_ORDERS = ("row_major", "spiral_in", "spiral_out", "z_curve", "subsample", "alternate")
_CHOICES = {
    "norm": ("layer", "rms"),
    "feed_forward": ("gelu", "swiglu"),
    "position": ("learned", "rope2d"),
    "conditioning": ("prefix", "aligned"),
    "attention": ("full", "local"),
    "token_order": TOKEN_ORDERS,
    "modulation": ("none", "condition", "condition_and_step"),
}

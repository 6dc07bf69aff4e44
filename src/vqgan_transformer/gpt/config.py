"""CondGPTConfig: everything that shapes a CondGPT, of the paper's form or the aligned one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CondGPTConfig", "ConditionInput"]


@dataclass(frozen=True)
class ConditionInput:
    """A kind of condition that an aligned model reads.

    Args:
        name: the key in the dictionary of conditions, which is the keyword of the pipeline's call.
        form: "labels", a map of label ids int64 (B, H, W), -1 where unknown; "values", a map of numbers
            float (B, size, H, W), NaN where unknown; "class", ids int64 (B,), -1 where unknown; "tokens", the tokens of
            the picture itself where they are known, int64 (B, h, w), -1 where not.
        size: the number of labels, channels, classes or codes.

    Raises:
        ValueError: for another form, no name or no size.
    """

    name: str
    form: Literal["labels", "values", "class", "tokens"]
    size: int

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise ValueError(f"form is one of {', '.join(map(repr, _FORMS))}; got {self.form!r}.")
        if not self.name or self.size < 1:
            raise ValueError(f"a condition needs a name and a size from 1 on, got {self.name!r} and {self.size}.")


@dataclass(frozen=True)
class CondGPTConfig:
    """Everything that shapes a CondGPT.

    In the paper's form (``conditioning="prefix"``) the tokens of the condition stand in front of those of the image. In
    the aligned form (``conditioning="aligned"``, with ``position="rope2d"`` and ``attention="local"``) features of the
    condition are added at the place to be drawn, and each place sees a neighbourhood of those before it.

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
            Targets stay.
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
        conditioning: "prefix" or "aligned".
        attention: "full", or "local": a place sees, of those before it, ``rows_above`` rows and in each of them
            ``columns_beside`` columns either side. The aligned form's.
        rows_above: see ``attention``.
        columns_beside: see ``attention``; a place sees the token above it only from 1 on.
        conditions: the kinds of condition that an aligned model reads, any of which may be absent from a call.
        downsample_factor: pixels of a condition's map that a token stands for along each side, an even number; for
            aligned models.
        condition_width: channels of the condition encoder.
        condition_depth: its blocks at the resolution of tokens; block k reaches 2^k + 1 tokens further.
        condition_layers: the blocks of the GPT to whose input the features of the condition are added.

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
    conditioning: Literal["prefix", "aligned"] = "prefix"
    attention: Literal["full", "local"] = "full"
    rows_above: int = 4
    columns_beside: int = 4
    conditions: tuple[ConditionInput, ...] = ()
    downsample_factor: int | None = None
    condition_width: int = 128
    condition_depth: int = 3
    condition_layers: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_layer", "n_head", "n_embd", "rows_above", "columns_beside"):
            if getattr(self, name) < 1:
                raise ValueError(f"CondGPTConfig.{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("block_size", "feed_forward_width", "condition_vocab_size"):
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
        if self.conditioning == "prefix":
            self._check_prefix()
        else:
            self._check_aligned()

    def _check_prefix(self) -> None:
        if self.block_size is None:
            raise ValueError("a GPT whose condition stands in front needs a block_size, the longest sequence.")
        if self.attention != "full":
            raise ValueError('local attention goes with conditioning="aligned": a condition in front is out of reach.')
        if self.conditions:
            raise ValueError('conditions= are for conditioning="aligned"; in front stand tokens of any kind.')
        if self.window_length > self.block_size:
            raise ValueError(
                f"a window of {self.window[0]}×{self.window[1]} tokens and one condition token need a block_size of "
                f"{self.window_length}, got {self.block_size}."
            )
        if not 0 <= self.n_unmasked <= self.block_size:
            raise ValueError(f"n_unmasked must lie in 0..block_size, got {self.n_unmasked}.")

    def _check_aligned(self) -> None:
        if self.position != "rope2d" or self.attention != "local":
            raise ValueError('conditioning="aligned" goes with position="rope2d" and attention="local".')
        for name, unused in (
            ("block_size", None),
            ("n_unmasked", 0),
            ("null_token", None),
            ("condition_vocab_size", None),
        ):
            if getattr(self, name) != unused:
                raise ValueError(f"{name} is for conditions that stand in front; an aligned model has none.")
        names = [one.name for one in self.conditions]
        if len(set(names)) < len(names):
            raise ValueError(f"each kind of condition may be given once, got {names}.")
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
        if [one for one in self.conditions if one.form == "tokens" and one.size > self.vocab_size]:
            raise ValueError(f"known tokens are of the picture: their size is at most {self.vocab_size}.")

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


_FORMS = ("labels", "values", "class", "tokens")
_CHOICES = {
    "norm": ("layer", "rms"),
    "feed_forward": ("gelu", "swiglu"),
    "position": ("learned", "rope2d"),
    "conditioning": ("prefix", "aligned"),
    "attention": ("full", "local"),
}

"""CondGPTConfig: everything that shapes a CondGPT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CondGPTConfig"]


@dataclass(frozen=True)
class CondGPTConfig:
    """Everything that shapes a CondGPT.

    Args:
        vocab_size: embeddings and logits: at least the image's codebook, and all ids of condition tokens unless those
            have a table of their own.
        block_size: the longest sequence, condition included. A window of 16×16 image tokens behind 256 condition
            tokens needs 511, since the last token is never read.
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
        token_order: in which a window's tokens are read. Only "row_major" can be slid over a picture; the others are
            those of the paper's ablation (:mod:`vqgan_transformer.training.token_orders`).

    Raises:
        ValueError: where two fields contradict each other or one is out of range.
    """

    vocab_size: int
    block_size: int
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

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"CondGPTConfig.{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("feed_forward_width", "condition_vocab_size"):
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
        if self.window_length > self.block_size:
            raise ValueError(
                f"a window of {self.window[0]}×{self.window[1]} tokens and one condition token need a block_size of "
                f"{self.window_length}, got {self.block_size}."
            )
        if not 0 <= self.n_unmasked <= self.block_size:
            raise ValueError(f"n_unmasked must lie in 0..block_size, got {self.n_unmasked}.")
        for name in ("embedding_dropout", "residual_dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}.")
        if not 0 < self.pkeep <= 1:
            raise ValueError(f"pkeep must lie in (0, 1], got {self.pkeep}.")
        if self.null_token is not None and not 0 <= self.null_token < self.condition_ids:
            raise ValueError(f"null_token must lie in 0..{self.condition_ids - 1}, got {self.null_token}.")

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
_CHOICES = {"norm": ("layer", "rms"), "feed_forward": ("gelu", "swiglu"), "position": ("learned", "rope2d"), "token_order": TOKEN_ORDERS}

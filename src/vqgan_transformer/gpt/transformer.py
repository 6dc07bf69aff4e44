"""The parameters that all forms of a CondGPT are made of, and what they do whatever the form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Block
from .config import CondGPTConfig
from .features import DictionaryInput
from .linear import Linear
from .norms import Modulation, Modulator, normalisation
from .positions import Positions, window_rotation

__all__ = ["Transformer"]


class Transformer(nn.Module):
    """Embeddings, blocks and head of a GPT.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.config = config
        width, length = config.n_embd, config.block_size or 0
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        if config.condition_vocab_size is not None:
            self.condition_embedding = nn.Embedding(config.condition_vocab_size, width)
        if config.conditioning == "aligned":
            self.aligned = DictionaryInput(config)
        if config.position == "learned":
            self.position_embedding = nn.Parameter(torch.zeros(1, length, width))
        if config.target_positions:
            self.target_embedding = nn.Parameter(torch.zeros(1, config.window_length, width))
        if config.start_token:
            self.start_token = nn.Parameter(0.02 * torch.randn(width))
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_out = normalisation(config, affine=config.norm_out_affine)
        self.head = Linear(width, config.vocab_size, bias=config.head_bias)
        self.modulator = Modulator(config) if config.modulation != "none" else None
        for child in self.children():
            if not isinstance(child, DictionaryInput):
                child.apply(_initialise)
        if self.modulator is not None:
            self.modulator.initialise()

    def embed_condition(self, condition: Tensor) -> Tensor:
        """Condition tokens (B, C) -> (B, C, n_embd), from their own table or the image's."""
        shared = self.config.condition_vocab_size is None
        embedded: Tensor = (self.token_embedding if shared else self.condition_embedding)(condition)
        return embedded

    def positions(self, front: int, length: int) -> Positions:
        """Where the first ``length`` positions of a sequence lie.

        Args:
            front: positions in front of the tokens.
            length: of the sequence.
        """
        config, weight = self.config, self.head.weight
        if config.position == "rope2d":
            where = torch.arange(length, device=weight.device)
            columns = config.position_table or config.window[1]
            turned = window_rotation(
                where, condition=front, width=columns, head_width=config.head_width, dtype=weight.dtype
            )
            return Positions(None, turned)
        added = self.position_embedding[0, :length]
        if config.target_positions and length >= front:
            # position front - 1 predicts the first place
            count = min(length - front + 1, config.window_length)
            targets = self.target_embedding[0, :count]
            added = added + nn.functional.pad(targets, (0, 0, front - 1, length - front + 1 - count))
        return Positions(added, None)

    def logits(self, hidden: Tensor, modulation: Modulation | None = None) -> Tensor:
        """What the last block gives, (..., n_embd) -> (..., V)."""
        scored: Tensor = self.head(self.before_head(hidden, modulation))
        return scored

    def before_head(self, hidden: Tensor, modulation: Modulation | None = None) -> Tensor:
        """The norm behind the last block, and what modulates it."""
        normed: Tensor = self.norm_out(hidden)
        if self.modulator is None or modulation is None:
            return normed
        return self.modulator.before_head(normed, modulation)

    def block_modulation(self, index: int, modulation: Modulation | None) -> Tensor | None:
        """What modulates a block."""
        if self.modulator is None or modulation is None:
            return None
        return self.modulator.of_block(modulation, index)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)

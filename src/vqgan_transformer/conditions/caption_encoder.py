"""Words to embeddings, by the encoder of a T5 (Raffel et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["CaptionEncoder"]


class CaptionEncoder:
    """The encoder of a T5, loaded when the first words come.

    Args:
        source: the id of its repository on the Hugging Face Hub, or a folder.
        length: positions of a caption; longer ones are refused.
    """

    def __init__(self, source: str, length: int):
        self.source, self.length = source, length
        self._loaded: tuple[Any, Any] | None = None

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Captions -> float32 embeddings (B, length, size), and a mask (B, length), 1 where there are words.

        Words stand at the end: positions in front of them are padded.

        Raises:
            ImportError: without transformers and sentencepiece.
            ValueError: for a caption that has more positions.
        """
        tokenizer, encoder = self._load()
        for caption in captions:
            positions = len(tokenizer(caption).input_ids)
            if positions > self.length:
                raise ValueError(
                    f"the caption has {positions} positions, but this checkpoint reads {self.length}: shorten it. It begins "
                    f"{caption[:60]!r}."
                )
        tokens = tokenizer(list(captions), max_length=self.length, padding="max_length", return_tensors="pt")
        embeddings = encoder(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        return embeddings.float(), tokens.attention_mask

    def offload(self) -> None:
        """Lets the encoder go."""
        self._loaded = None

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            try:
                import sentencepiece  # noqa: F401 - the tokenizer needs it, and would say so less clearly
                from transformers import AutoTokenizer, T5EncoderModel
            except ImportError as error:
                raise ImportError(
                    "words are encoded by transformers: pip install 'vqgan-transformer[text]', or pass prompt_embeds= with "
                    f"what the encoder of {self.source} gives."
                ) from error
            try:
                tokenizer = AutoTokenizer.from_pretrained(self.source, padding_side="left")
                encoder: Any = T5EncoderModel.from_pretrained(
                    self.source, dtype=torch.bfloat16
                )  # has types in part only
            except OSError as error:
                raise FileNotFoundError(
                    f"the encoder of captions, {self.source}, can neither be found here nor be downloaded: {error} Pass "
                    "prompt_embeds= with what it gives elsewhere."
                ) from error
            self._loaded = tokenizer, encoder.eval()
        return self._loaded

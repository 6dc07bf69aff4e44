"""TextCondition: a caption, as words or as embeddings that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import warn
from ..text_files import read_text
from .caption_encoder import CaptionEncoder
from .condition import AlignedForm, Condition
from .data_forms import DataForm, Files

__all__ = ["TextCondition", "TextConfig"]


@dataclass(frozen=True)
class TextConfig:
    """What a checkpoint knows of captions.

    Args:
        length: positions of a caption.
        size: numbers of an embedding.
        encoder: the T5 on the Hugging Face Hub, or in a folder, whose encoder makes embeddings of words.
        default_prompt: the caption of a call that gives none, where there is an encoder.

    Raises:
        ValueError: for sizes below 1.
    """

    length: int = 120
    size: int = 2048
    encoder: str = "google/flan-t5-xl"
    default_prompt: str = "a high-quality image"

    def __post_init__(self) -> None:
        if self.length < 1 or self.size < 1:
            raise ValueError(f"length and size must be at least 1, got {self.length} and {self.size}.")


@dataclass(frozen=True)
class _Captions(Files):
    """Captions in a column of a table, or a text file for each picture."""

    @property
    def endings(self) -> tuple[str, ...]:
        return (".txt",)

    def from_cell(self, cell: Any, folder: Path) -> Any:
        return str(cell)


class TextCondition(Condition):
    """A caption as a condition.

    Args:
        length: see :class:`TextConfig`, also for the other arguments.
        size: numbers of an embedding.
        encoder: makes embeddings of words.
        default_prompt: the caption of a call that gives none.

    Example:
        >>> condition = TextCondition(length=4, size=2)
        >>> tuple(condition.parse(torch.zeros(4, 2)).shape)
        (1, 4, 3)
    """

    name: ClassVar[str] = "text"
    keywords: ClassVar[tuple[str, ...]] = ("prompt", "prompt_embeds")
    also_called: ClassVar[tuple[str, ...]] = ("caption", "prompts")
    spatial: ClassVar[bool] = False
    config_class: ClassVar[type] = TextConfig
    in_data: ClassVar[DataForm] = _Captions("captions", ("text", "caption", "prompt"))

    def __init__(
        self,
        *,
        length: int = 120,
        size: int = 2048,
        encoder: str = "google/flan-t5-xl",
        default_prompt: str = "a high-quality image",
    ):
        super().__init__()
        self.config = TextConfig(length, size, encoder, default_prompt)
        self._encoder = CaptionEncoder(encoder, length)
        self._default: Tensor | None = None  # encoded once

    @property
    def vocab_size(self) -> int:
        """None: a caption is embeddings, not ids."""
        return 0

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """Embeddings."""
        return "embeddings", self.config.size

    def check_tokens(self) -> None:
        """Refuses the form of a GPT that reads tokens.

        Raises:
            ValueError: always.
        """
        raise ValueError("a caption is embeddings: it goes with a GPT that reads a dictionary of conditions.")

    def parse(self, value: Any, *, prompt_mask: Any = None) -> Tensor:
        """Captions as embeddings.

        Args:
            value: words, or a list of them, one for each picture; or embeddings, float `(B, length, size)` or
                `(length, size)`, as the encoder gives them for a tokenizer that pads on the left.
            prompt_mask: of embeddings, bool or 0 and 1, `(B, length)` or `(length,)`: which positions are words. By
                default all.

        Returns:
            float32 `(B, length, size + 1)`; the last number of a position is 1 where it is seen and 0 where not.

        Raises:
            ImportError: for words, without the extra that encodes them.
            FileNotFoundError: for words, where the encoder cannot be had.
            TypeError: for anything else than words or embeddings.
            ValueError: for other shapes, embeddings that are not finite, and a mask beside words.
        """
        if isinstance(value, str | Path) or (
            isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        ):
            if prompt_mask is not None:
                raise ValueError("prompt_mask= is for embeddings: words say themselves which positions they fill.")
            words = [value] if isinstance(value, str | Path) else list(value)
            embeddings, mask = self._encoder([read_text(w).strip() if isinstance(w, Path) else w for w in words])
        else:
            embeddings = _batched(value, 3, "prompt_embeds")
            mask = torch.ones(embeddings.shape[:2]) if prompt_mask is None else _batched(prompt_mask, 2, "prompt_mask")
        wanted = (len(embeddings), self.config.length, self.config.size)
        if tuple(embeddings.shape) != wanted or tuple(mask.shape) != wanted[:2]:
            raise ValueError(
                f"a caption of this checkpoint is {self.config.length} embeddings of {self.config.size} numbers and a mask of as "
                f"many positions, got {tuple(embeddings.shape)} and {tuple(mask.shape)}."
            )
        if not embeddings.isfinite().all():
            raise ValueError("the embeddings of the caption are not finite.")
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError("prompt_mask is True (or 1) where a position is a word, False (or 0) where it is not.")
        return torch.cat((embeddings, mask[..., None].to(embeddings)), dim=-1)

    def items(self, value: Any) -> list[Any]:
        """Each of several captions in words; embeddings stay together."""
        several = isinstance(value, list | tuple) and all(isinstance(words, str) for words in value)
        return [[words] for words in value] if several else [value]

    def default(self, size: tuple[int, int]) -> Tensor | None:
        """The default prompt, or nothing where it cannot be encoded: then the GPT's learned empty caption counts.

        Models of this kind were trained without words only where they were also trained without a picture, so that a
        picture with no words at all is a state that they never saw; a warning says so.
        """
        del size
        if find_spec("transformers") is not None and find_spec("sentencepiece") is not None:
            if self._default is None:
                self._default = self.parse(self.config.default_prompt)
            return self._default
        warn(
            "no caption is given, and without the extra 'text' the default prompt cannot be encoded: the learned empty caption is "
            "used, which these models never saw together with a picture to follow. Pass prompt_embeds=, or pip install "
            "'vqgan-transformer[text]'."
        )
        return None

    def gpt_inputs(self, parsed: Tensor) -> dict[str, Tensor]:
        """Embeddings (B, length, size), and which of them are seen, bool (B, length)."""
        return {self.name: parsed[..., :-1], f"{self.name}_mask": parsed[..., -1] > 0.5}

    def encode(self, parsed: Tensor) -> Tensor:
        """Captions have no tokens.

        Raises:
            ValueError: always.
        """
        raise ValueError("a caption is embeddings; it has no tokens.")

    def offload(self) -> None:
        """Lets the encoder's memory go; it is loaded again when words are to be encoded."""
        self._encoder.offload()

    def describe(self, parsed: Tensor) -> str:
        """How many words' positions a caption fills."""
        return f"text, {int(parsed[..., -1].sum())} positions"


def _batched(value: Any, dimensions: int, name: str) -> Tensor:
    """Numbers with a leading axis, float32 on the CPU."""
    try:
        numbers = torch.as_tensor(value).detach().float().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is made of numbers, got {type(value).__name__}.") from error
    numbers = numbers[None] if numbers.ndim == dimensions - 1 else numbers
    if numbers.ndim != dimensions:
        raise ValueError(f"{name} has {dimensions} axes, the pictures first, got the shape {tuple(numbers.shape)}.")
    return numbers

"""What became of pictures on their way through a pipeline: numbers, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

__all__ = ["Diagnosis"]

FEW_TOKENS = 2048
"""Below it, the frequencies of codes are those of single pictures, which no model can know."""


@dataclass(frozen=True)
class Diagnosis:
    """What became of some pictures on their way through a pipeline. ``print`` it.

    Attributes:
        psnr: peak signal-to-noise ratio of each reconstruction in dB, of pixels in [-1, 1]; larger is better. It is the
            limit that the tokenizer sets: no sample can be sharper.
        codes_used: different tokens in these pictures.
        codebook_size: tokens there are.
        tokens: number of tokens in these pictures.
        nats: mean negative log-likelihood of a token of each picture under its condition; smaller is better.
        unigram_entropy: nats per token of a model that knows how frequent each code is in these pictures, and nothing
            else.
        nats_of_others: the same as ``nats``, but under the condition of the next picture; empty where there is only one
            picture or no condition. As small as ``nats``, the GPT does not follow its condition.
        sheet: photo, condition, reconstruction and sample side by side, a row for each picture.
    """

    psnr: list[float]
    codes_used: int
    codebook_size: int
    tokens: int
    nats: list[float]
    unigram_entropy: float
    nats_of_others: list[float]
    sheet: Image.Image

    @property
    def findings(self) -> list[str]:
        """What these numbers mean, in sentences; what is at fault first."""
        psnr, nats = _mean(self.psnr), _mean(self.nats)
        few = f" Of {self.tokens} tokens that says little: pass more pictures." if self.tokens < FEW_TOKENS else ""
        found = []
        if psnr < 20:
            found.append(
                f"The tokenizer loses much: {psnr:.1f} dB. Look at the reconstructions: samples cannot be better. "
                "Fine-tune the VQGAN on such pictures first."
            )
        # a picture cannot have more codes than tokens, so that few pictures say nothing of a large codebook
        if self.codes_used < 0.1 * min(self.codebook_size, self.tokens):
            found.append(
                f"Only {self.codes_used} of {self.codebook_size} codes are in use: the codebook has collapsed, or these "
                "pictures are unlike those it was trained on."
            )
        if nats > self.unigram_entropy:
            found.append(
                f"The GPT is worse than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per token): it "
                f"does not know such pictures, or was trained with another VQGAN.{few}"
            )
        elif nats > 0.9 * self.unigram_entropy:
            found.append(
                f"The GPT is hardly better than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per "
                f"token): train it longer, or on more pictures of this kind.{few}"
            )
        if self.nats_of_others and _mean(self.nats_of_others) - nats < 0.01 * nats:
            found.append(
                f"The GPT does not follow its condition: under that of another picture, a picture is as likely "
                f"({_mean(self.nats_of_others):.2f} against {nats:.2f} nats per token)."
            )
        return found or ["Neither stage stands out: what is left to judge are the samples themselves."]

    def __str__(self) -> str:
        others = f", {_mean(self.nats_of_others):.2f} under another's" if self.nats_of_others else ""
        lines = [
            f"tokenizer   {_mean(self.psnr):.1f} dB (worst {min(self.psnr):.1f}), {self.codes_used} of "
            f"{self.codebook_size} codes in {self.tokens} tokens",
            f"GPT         {_mean(self.nats):.2f} nats per token under the picture's condition{others}; "
            f"{self.unigram_entropy:.2f} for counting codes, {math.log(self.codebook_size):.2f} for guessing",
            *(f"- {finding}" for finding in self.findings),
        ]
        return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

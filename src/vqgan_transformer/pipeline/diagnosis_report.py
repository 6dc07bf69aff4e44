"""What became of pictures on their way through a pipeline: numbers, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from .report_page import html_page, picture_page

__all__ = ["Diagnosis"]

FEW_TOKENS = 2048
"""Below it, the frequencies of codes are those of single pictures, which no model can know."""


_TOKENIZER_FIRST = (
    "Train the VQGAN next, on pictures like these: train_vqgan(pictures, folder, init=pipe.vqgan). The GPT has to follow, "
    "since codes change their meaning: train_cond_gpt(data, folder, vqgan=…, init=pipe)."
)
_GPT_NEXT = "train the GPT next, on pictures like these: train_cond_gpt(data, folder, init=pipe)."
_NOTHING = (
    "Nothing asks for training. Compare many samples with many pictures (evaluate_generation), and conditions with what is "
    "read back from samples (reader=, evaluate_faithfulness)."
)


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
        readings: how well a reader finds the condition in the "photo", the "reconstruction" and the "sample", by condition
            and metric; larger is better. Empty where there was no reader.
    """

    psnr: list[float]
    codes_used: int
    codebook_size: int
    tokens: int
    nats: list[float]
    unigram_entropy: float
    nats_of_others: list[float]
    sheet: Image.Image
    readings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def findings(self) -> list[str]:
        """What these numbers mean, in sentences; what is at fault first."""
        return [finding for finding, _ in self._found()] or [
            "Neither stage stands out: what is left to judge are the samples themselves."
        ]

    @property
    def next_step(self) -> str:
        """What to train or to try next, in sentences."""
        return next((advice for _, advice in self._found()), _NOTHING)

    def _found(self) -> list[tuple[str, str]]:
        """Findings, each with what to do about it; what comes first has to be mended first."""
        return [*self._of_tokenizer(), *self._of_gpt(), *self._of_samples()]

    def _of_tokenizer(self) -> Iterator[tuple[str, str]]:
        psnr = _mean(self.psnr)
        if psnr < 20:
            yield (
                f"The tokenizer loses much: {psnr:.1f} dB. Look at the reconstructions: samples cannot be better. "
                "Fine-tune the VQGAN on such pictures first.",
                _TOKENIZER_FIRST,
            )
        for name, by_stage in self.readings.items():
            if by_stage["reconstruction"] < 0.8 * by_stage["photo"]:
                yield (
                    f"The tokenizer loses what the condition is about ({name}): {by_stage['photo']:.2f} in photographs, "
                    f"{by_stage['reconstruction']:.2f} in their reconstructions.",
                    _TOKENIZER_FIRST,
                )
        # a picture cannot have more codes than tokens, so that few pictures say nothing of a large codebook
        if self.codes_used < 0.1 * min(self.codebook_size, self.tokens):
            yield (
                f"Only {self.codes_used} of {self.codebook_size} codes are in use: the codebook has collapsed, or these "
                "pictures are unlike those it was trained on.",
                f"{_TOKENIZER_FIRST} VQGANTraining.modern() revives codes that nobody uses.",
            )

    def _of_gpt(self) -> Iterator[tuple[str, str]]:
        nats = _mean(self.nats)
        few = f" Of {self.tokens} tokens that says little: pass more pictures." if self.tokens < FEW_TOKENS else ""
        if nats > self.unigram_entropy:
            yield (
                f"The GPT is worse than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per token): it "
                f"does not know such pictures, or was trained with another VQGAN.{few}",
                f"See that VQGAN and GPT belong together; then {_GPT_NEXT}",
            )
        elif nats > 0.9 * self.unigram_entropy:
            yield (
                f"The GPT is hardly better than counting codes ({nats:.2f} against {self.unigram_entropy:.2f} nats per "
                f"token): train it longer, or on more pictures of this kind.{few}",
                _GPT_NEXT[0].upper() + _GPT_NEXT[1:],
            )
        if self.nats_of_others and _mean(self.nats_of_others) - nats < 0.01 * nats:
            yield (
                f"The GPT does not follow its condition: under that of another picture, a picture is as likely "
                f"({_mean(self.nats_of_others):.2f} against {nats:.2f} nats per token).",
                "See that maps and pictures of the training data belong together (pictures/ of the run shows them side by "
                f"side); then {_GPT_NEXT} condition_dropout=0.1 makes guidance possible.",
            )

    def _of_samples(self) -> Iterator[tuple[str, str]]:
        for name, by_stage in self.readings.items():
            if by_stage["sample"] < 0.8 * by_stage["reconstruction"]:
                yield (
                    f"Samples follow their condition less than reconstructions do ({name}): {by_stage['sample']:.2f} against "
                    f"{by_stage['reconstruction']:.2f}.",
                    "Try guidance_scale=1.5 to 3, or condition_strength, which need no training. If that is not enough, "
                    f"{_GPT_NEXT}",
                )

    def save(self, path: str | Path) -> Path:
        """Writes the report: numbers, findings, what to do next, and the sheet.

        Args:
            path: ends with ``.html`` (one file with all in it) or ``.png``.

        Raises:
            ValueError: for another ending.
        """
        path = Path(path).expanduser()
        if path.suffix == ".html":
            path.write_text(html_page("Diagnosis", str(self), self.sheet), encoding="utf-8")
        elif path.suffix == ".png":
            picture_page(str(self), self.sheet).save(path)
        else:
            raise ValueError(f"a report is an .html or a .png file, got {path.name!r}.")
        return path

    def __str__(self) -> str:
        others = f", {_mean(self.nats_of_others):.2f} under another's" if self.nats_of_others else ""
        lines = [
            f"tokenizer   {_mean(self.psnr):.1f} dB (worst {min(self.psnr):.1f}), {self.codes_used} of "
            f"{self.codebook_size} codes in {self.tokens} tokens",
            f"GPT         {_mean(self.nats):.2f} nats per token under the picture's condition{others}; "
            f"{self.unigram_entropy:.2f} for counting codes, {math.log(self.codebook_size):.2f} for guessing",
            *(
                f"{name}: " + ", ".join(f"{value:.2f} in the {stage}" for stage, value in by_stage.items())
                for name, by_stage in self.readings.items()
            ),
            *(f"- {finding}" for finding in self.findings),
            f"Next: {self.next_step}",
        ]
        return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

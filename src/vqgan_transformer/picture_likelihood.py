"""Whether a generator is loaded rightly, told by one picture: its tokens in their places against the same ones shuffled.

A trained model finds the tokens of any smooth picture far likelier in their places than out of them. One that is loaded
wrongly in some layer, position or norm does not, and neither does one with the tokenizer of another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .pipeline.pipeline import ImageSynthesisPipeline
from .pipeline.scoring import score

__all__ = ["PictureLikelihood", "picture_likelihood"]

LEAST_GAIN = 0.5
"""Nats a token that a trained model gains by the places of tokens; an untrained one gains next to nothing."""


@dataclass(frozen=True)
class PictureLikelihood:
    """What a model says of a picture.

    Attributes:
        in_place: mean log-likelihood of a token of the picture, in nats.
        shuffled: of the same tokens in random places.
    """

    in_place: float
    shuffled: float

    @property
    def told_apart(self) -> bool:
        """Whether the model knows places, as a trained one does."""
        return self.in_place - self.shuffled >= LEAST_GAIN

    def __str__(self) -> str:
        return f"{self.in_place:.3f} nats a token in place, {self.shuffled:.3f} shuffled"


@torch.no_grad()
def picture_likelihood(
    pipe: ImageSynthesisPipeline, make_picture: Callable[[int, int, int], Tensor]
) -> PictureLikelihood:
    """Scores a picture of one window, and its tokens in a random order.

    Conditions that may be left out are. Where one is needed, it is class 0, or a map by the same formula as the picture.

    Args:
        pipe: the generator with its tokenizer.
        make_picture: (channels, height, width) -> float (1, channels, height, width) in [-1, 1], one-hot where there are
            more than three channels.

    Raises:
        ValueError: where the condition that is needed is of another kind.
    """
    factor = pipe.vqgan.downsample_factor
    height, width = (side * factor for side in pipe.gpt.config.window)
    picture = make_picture(pipe.vqgan.config.in_channels, height, width).to(pipe.vqgan.to_codes.weight)
    try:
        batch, tokens, in_place = score(pipe, pipe.log_likelihood, picture, {})
        again: Callable[[Tensor], Tensor] = batch.log_likelihood
    except ValueError:  # a condition is needed
        tokens, condition = pipe.vqgan.encode(picture), _condition(pipe, make_picture, height, width)
        plain = pipe.sampler.with_settings(guidance_scale=1.0, condition_strength={})
        again = partial(plain.log_likelihood, pipe.gpt, condition)
        in_place = again(tokens)
    order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(0)).to(tokens.device)
    shuffled = again(tokens.flatten()[order].view_as(tokens))
    return PictureLikelihood(in_place.item(), shuffled.item())


def _condition(
    pipe: ImageSynthesisPipeline, make_picture: Callable[[int, int, int], Tensor], height: int, width: int
) -> Tensor:
    """Tokens of the first condition."""
    condition = pipe.conditions[0]
    if not condition.spatial:
        return torch.zeros(1, 1, dtype=torch.long, device=pipe.device)
    if condition.tokenizer is None:
        raise ValueError(f"it needs {condition.name}, for which there is no formula")
    tokenizer = condition.tokenizer
    return tokenizer.encode(make_picture(tokenizer.config.in_channels, height, width).to(tokenizer.to_codes.weight))

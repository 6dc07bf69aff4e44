"""What a GPT learns: the tokens of pictures, or the logits that a teacher has under guidance."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..gpt.model import CondGPT
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..sampler.config import SamplerConfig
from ..sampler.guidance import Guidance
from ..sampler.token_grids import check_strengths
from ..storage.config_json import to_json
from .settings import GPTTraining
from .token_cache import digest_of_weights

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["GuidedTeacher", "Objective", "TrueTokens", "objective_of", "unigram_nats"]


class Objective(Protocol):
    """What logits are compared with.

    Attributes:
        init_may_be_best: whether what a run starts from may be its result, if nothing that it learns is better.
    """

    init_may_be_best: bool

    def facts(self) -> dict[str, Any]:
        """What the numbers of a run depend on, as JSON: a resumed run learns from the same."""

    def prepare(self, accelerator: Accelerator) -> None:
        """Moves to the device, and takes on the precision, of a training that begins."""

    def loss(self, logits: Tensor, tokens: Tensor, read: Tensor, condition: Any, known: Tensor | None = None) -> Tensor:
        """The mean over places that are not known beforehand, in nats.

        Args:
            logits: float (B, h, w, V), of the GPT that learns.
            tokens: int64 (B, h, w), of the pictures.
            read: int64 (B, h, w), what the GPT read of them.
            condition: what it followed, as the GPT reads it.
            known: bool (B, h, w), where tokens are known; ``None``: nowhere.
        """

    def reference(self, training: np.ndarray, held_out: np.ndarray, codebook_size: int) -> dict[str, float]:
        """What the loss is to be seen beside, by name, from the tokens of all samples."""


class TrueTokens:
    """Each token, given the condition and the tokens before it (paper, equation 8)."""

    init_may_be_best = True

    def facts(self) -> dict[str, Any]:
        """Nothing that the recipe does not say."""
        return {}

    def prepare(self, accelerator: Accelerator) -> None:
        """Nothing is to be moved."""

    def loss(self, logits: Tensor, tokens: Tensor, read: Tensor, condition: Any, known: Tensor | None = None) -> Tensor:
        """Cross-entropy, as :class:`Objective` says."""
        nats = F.cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view_as(tokens)
        return _mean_of_unknown(nats, known)

    def reference(self, training: np.ndarray, held_out: np.ndarray, codebook_size: int) -> dict[str, float]:
        """What knowing only the frequency of each token would give."""
        return {"unigram_nats": unigram_nats(training, held_out, codebook_size)}


class GuidedTeacher:
    """The logits that a GPT has under guidance, so that one pass says what took two (Meng et al. 2023).

    Args:
        gpt: the teacher; nothing of it changes.
        settings: of the sampler whose guidance and strengths count; its filters do not.

    Raises:
        ValueError: for guidance that is no single number above 0 or grows along the raster, a scale under which the GPT says what it
            says anyway, and strengths of what it does not read.
    """

    init_may_be_best = False  # it has no guidance of its own, which the result is said to have

    def __init__(self, gpt: CondGPT, settings: SamplerConfig) -> None:
        self.gpt, self.settings, self.precision = gpt.eval().requires_grad_(False), settings, nullcontext
        check_strengths(gpt, settings)
        scale = settings.guidance_scale
        if isinstance(scale, dict) or scale == 0 or settings.guidance_schedule is not None:
            raise ValueError(
                "distill_guidance=True teaches one guidance_scale above 0, the same for all conditions and places, but the sampler "
                f"of init= has guidance_scale={scale!r} and guidance_schedule={settings.guidance_schedule!r}."
            )
        if not Guidance.of(gpt, settings, gpt.conditioning.names).comparisons:
            raise ValueError(
                f"distill_guidance=True has nothing to learn: the sampler of init= has guidance_scale={scale}, which its GPT does "
                "in one pass already. Say what is to be learnt: pipe.sampler = pipe.sampler.with_settings(guidance_scale=2.0) and "
                'init=pipe, or "guidance_scale": 2.0 in sampler/config.json of its folder.'
            )

    def facts(self) -> dict[str, Any]:
        """Its weights, and how it is guided."""
        kept = ("guidance_scale", "condition_strength")
        settings = to_json(self.settings)
        return {"teacher": {"weights": digest_of_weights(self.gpt), **{name: settings[name] for name in kept}}}

    def prepare(self, accelerator: Accelerator) -> None:
        """As :class:`Objective` says."""
        self.gpt.to(accelerator.device)
        self.precision = accelerator.autocast

    @torch.no_grad()
    def logits(self, read: Tensor, condition: Any) -> Tensor:
        """What is learnt, float (B, h, w, V); arguments as for :meth:`loss`."""
        conditioning, strength = self.gpt.conditioning, self.settings.condition_strength or None
        guidance = Guidance.of(self.gpt, self.settings, conditioning.given(condition))
        poorer = [conditioning.without(condition, comparison.dropped) for comparison in guidance.comparisons]
        with self.precision():
            scored = [self.gpt(read, each, strength=strength) for each in (condition, *poorer)]
        return guidance.applied(torch.cat(scored))

    def loss(self, logits: Tensor, tokens: Tensor, read: Tensor, condition: Any, known: Tensor | None = None) -> Tensor:
        """How far the logits are from the teacher's (Kullback–Leibler divergence), as :class:`Objective` says."""
        taught = self.logits(read, condition).log_softmax(-1)
        apart = F.kl_div(logits.to(taught.dtype).log_softmax(-1), taught, reduction="none", log_target=True)
        return _mean_of_unknown(apart.sum(-1), known)

    def reference(self, training: np.ndarray, held_out: np.ndarray, codebook_size: int) -> dict[str, float]:
        """Nothing: a distance of 0 is what can be reached."""
        return {}


def objective_of(training: GPTTraining, init: ImageSynthesisPipeline | None) -> Objective:
    """What a run learns.

    Args:
        training: the recipe.
        init: what the run starts from, which is the teacher where the recipe asks for one.

    Raises:
        ValueError: for a recipe that asks for a teacher, and ``init`` that is none, or has no guidance to teach.
    """
    if not training.distill_guidance:
        return TrueTokens()
    if init is None:
        raise ValueError("distill_guidance=True learns what the sampler of init= does: pass init=, a trained pipeline.")
    if not init.gpt.config.can_drop_conditions:
        raise ValueError("distill_guidance=True needs a GPT that can drop conditions; that of init= has no null_token.")
    return GuidedTeacher(copy.deepcopy(init.gpt), init.sampler.config)


def unigram_nats(training: np.ndarray, held_out: np.ndarray, codebook_size: int) -> float:
    """Nats per held-out token for somebody who knows how often each token occurs in training, and nothing else."""
    counts = np.bincount(training.ravel(), minlength=codebook_size) + 1.0
    return float(-np.log(counts / counts.sum())[held_out.ravel()].mean())


def _mean_of_unknown(nats: Tensor, known: Tensor | None) -> Tensor:
    """The mean over places (B, h, w) that are not known beforehand."""
    if known is None:
        return nats.mean()
    return (nats * ~known).sum() / (~known).sum().clamp(min=1)

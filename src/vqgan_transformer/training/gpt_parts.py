"""The models of a second stage's run: a GPT that fits its tokenizers, and all of them checked against each other."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..conditions import Condition, Unconditional
from ..gpt.condition_input import ConditionInput
from ..gpt.config import CondGPTConfig
from ..gpt.model import CondGPT
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..sampler.sampler import SlidingWindowSampler
from ..vqgan.model import VQGAN
from .conditioning import condition_inputs
from .settings import GPTTraining

__all__ = ["finetuning", "fitting_config", "parts_of_a_run"]


def fitting_config(
    vqgan: VQGAN, condition: Condition | Sequence[Condition] | None, training: GPTTraining, **sizes: Any
) -> CondGPTConfig:
    """The config of a GPT for given tokenizers: vocabulary, window and sequence follow from them.

    Args:
        vqgan: the tokenizer of pictures.
        condition: the kind of condition, or several for ``conditioning="aligned"``; ``None`` for none.
        training: whose ``crop_size`` is the window and whose ``condition_dropout`` needs a null token.
        **sizes: further fields, e.g. ``n_layer=24, n_head=16, n_embd=1024``. ``conditioning="aligned"`` brings 2-D rotary
            positions and local attention with it, and the reading of known tokens, for pictures to complete.
    """
    given = Unconditional() if condition is None else condition
    conditions = tuple(given) if isinstance(given, Sequence) else (given,)
    factor = vqgan.downsample_factor
    window = training.crop[0] // factor, training.crop[1] // factor
    if sizes.get("conditioning") == "aligned":
        fields: dict[str, Any] = {
            "vocab_size": vqgan.codebook_size,
            "window": window,
            "position": "rope2d",
            "attention": "local",
            "conditions": (*condition_inputs(conditions), ConditionInput("known", "tokens", vqgan.codebook_size)),
            "downsample_factor": factor,
        }
        return CondGPTConfig(**{**fields, **sizes})
    condition = conditions[0] if conditions else Unconditional()
    count = window[0] * window[1]
    length = condition.prefix_length(window)
    vocabulary = max(vqgan.codebook_size, condition.vocab_size)
    null = {"null_token": vocabulary} if training.condition_dropout else {}
    fields = {
        "vocab_size": vocabulary + len(null),
        "block_size": length + count - 1,
        "window": window,
        **null,
    }
    config = CondGPTConfig(**{**fields, **sizes})
    config.check_follows([part.name for part in conditions])
    return config


def finetuning(init: ImageSynthesisPipeline) -> GPTTraining:
    """The recipe by default for a pipeline that is trained further: conditions are dropped where its GPT knows how."""
    config = init.gpt.config
    window = tuple(side * init.vqgan.downsample_factor for side in config.window)
    return GPTTraining.finetune(crop_size=window, condition_dropout=0.1 if config.can_drop_conditions else 0.0)


def parts_of_a_run(
    vqgan: VQGAN | None,
    condition: Condition | Sequence[Condition] | None,
    config: CondGPTConfig | None,
    init: ImageSynthesisPipeline | None,
    training: GPTTraining,
) -> tuple[VQGAN, tuple[Condition, ...], CondGPT]:
    """The models of a run, checked against each other and the recipe; those of ``init`` are copied."""
    if init is not None:
        if vqgan is not None:
            _compare_tokens(init.vqgan, vqgan, training)
        vqgan = vqgan if vqgan is not None else copy.deepcopy(init.vqgan)
        condition = condition if condition is not None else copy.deepcopy(init.conditions)
        if config is not None and config != init.gpt.config:
            raise ValueError("init= brings the GPT's config: leave config= out.")
        # what learns from true tokens unlearns the guidance that it had
        learnt: Any = init.sampler.config.guidance_scale if training.distill_guidance else 1.0
        config = replace(init.gpt.config, guidance=learnt)
    if vqgan is None:
        raise ValueError("the second stage needs vqgan=, a trained tokenizer of pictures (see train_vqgan), or init=.")
    given = condition if condition is not None else Unconditional()
    conditions = tuple(given) if isinstance(given, Sequence) else (given,)
    factor, crop = vqgan.downsample_factor, training.crop
    if crop[0] % factor or crop[1] % factor:
        raise ValueError(f"crop_size={training.crop_size} must be a multiple of the VQGAN's factor {factor}.")
    config = config if config is not None else fitting_config(vqgan, conditions, training)
    config.check_follows([part.name for part in conditions])
    window = crop[0] // factor, crop[1] // factor
    if config.window != window:
        raise ValueError(
            f"crops of {crop[0]}×{crop[1]} pixels are {window[0]}×{window[1]} tokens, but the GPT's window is "
            f"{config.window[0]}×{config.window[1]}: pass crop_size=({config.window[0] * factor}, {config.window[1] * factor})."
        )
    config.check_dropout(training.condition_dropout)
    if isinstance(training.kind_dropout, Mapping):
        kinds = [part.name for part in conditions]
        for name in training.kind_dropout:
            if name not in kinds:
                raise ValueError(f"kind_dropout names {name!r}, but the kinds are {', '.join(kinds)}.")
    # the pipeline knows what fits what
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        gpt = CondGPT(config)
    if init is not None:
        gpt = gpt.to(init.gpt.head.weight.dtype)
        gpt.load_state_dict(init.gpt.state_dict())
    ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, sampler=SlidingWindowSampler(), conditions=conditions)
    return vqgan, conditions, gpt


def _compare_tokens(before: VQGAN, now: VQGAN, training: GPTTraining) -> None:
    """Warns where a GPT would go on with the tokens of another VQGAN than it was trained on, and refuses where it cannot."""
    made_by = ("encoder.", "to_codes.", "quantizer.")
    old, new = ({n: t for n, t in vqgan.state_dict().items() if n.startswith(made_by)} for vqgan in (before, now))
    if old.keys() != new.keys() or any(not torch.equal(old[name].cpu(), new[name].cpu().to(old[name])) for name in old):
        if training.distill_guidance:
            raise ValueError(
                "vqgan= makes other tokens of pictures than the VQGAN of init=, so its GPT has nothing to teach "
                "(distill_guidance=True): leave vqgan= out, or train on the new tokens first."
            )
        warnings.warn(
            "vqgan= makes other tokens of pictures than the VQGAN of init=, on whose tokens its GPT was trained: it has to "
            "learn them anew.",
            stacklevel=4,
        )

"""Checkpoints of taming-transformers, the paper's original program.

A run is a folder with `checkpoints/last.ckpt` and `configs/…-project.yaml`. Its file holds a VQGAN, or a transformer with
the VQGAN of its pictures (`first_stage_model`) and that of its condition (`cond_stage_model`), if the condition has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, warn
from ...gpt.config import CondGPTConfig
from ...sampler.sampler import SamplerConfig
from ...vqgan.model import VQGANConfig
from .family import Family, Known, Tensors
from .ibq import says_ibq
from .opened import Opened
from .original_names import rename_gpt
from .original_vqgan import is_original, names_ldm, vqgan_from
from .taming_conditions import condition_of
from .taming_run import STAGES, Run
from .vqgan_shapes import count, made

__all__ = ["FAMILY"]

PREFIXES = (*STAGES.values(), "transformer.", "loss.", "model_ema.")


def detect(opened: Opened) -> bool:
    """Whether a file holds a VQGAN by the original's names, or a transformer."""
    if "transformer.tok_emb.weight" in opened.tensors:
        return True
    # the same names come from other programs, which say so
    said = opened.class_name is not None or names_ldm(opened) or says_ibq(opened)
    upward = "decoder.up.0.upsample.conv.weight" in opened.tensors
    return is_original(opened.tensors) and "decoder.conv_in.weight" in opened.tensors and not said and not upward


def read_vqgan(
    opened: Opened, *, config: str | Path | None = None, stage: str = "image"
) -> tuple[VQGANConfig, Tensors]:
    """A VQGAN, from its own run or out of a transformer's.

    Args:
        opened: a run folder or a file.
        config: the yaml file, where it does not lie in its usual place. Without one, the config is inferred from shapes.
        stage: of a transformer's run "image" or "condition".
    """
    if stage not in STAGES:
        raise ValueError(f"stage is 'image' or 'condition', got {stage!r}.")
    run = Run(opened, opened.with_yaml(config))
    if run.is_transformer:
        return run.stage(stage)
    if stage == "condition":
        raise CheckpointError(f"{run.opened} is a VQGAN by itself: it has no condition. Leave stage out.")
    if run.model is not None and "target" in run.model and run.model.target == "Net2NetTransformer":
        raise CheckpointError(f"{run.model.where} describes a transformer, but {run.opened} holds a VQGAN alone.")
    if run.model is None and not opened.lightning and opened.format is None:
        warn(
            f"{opened} has no yaml file beside it, and several programs share the names of its tensors: taken for one of "
            "taming-transformers, which has the nearest codes and pictures in [-1, 1]. Pass format='taming' to say so, "
            "format='muse' for open-muse's (pictures in [0, 1]) or format='ibq' for IBQ's (codes by inner product)."
        )
    return vqgan_from(run.model, run.tensors, run.opened)


def read_gpt(
    opened: Opened, *, config: str | Path | None = None, n_head: int | None = None, window: Sequence[int] = (16, 16)
) -> tuple[CondGPTConfig, Tensors]:
    """The transformer of a run.

    Args:
        opened: a run folder or a file.
        config: the yaml file, where it does not lie in its usual place.
        n_head: attention heads, where there is no config; nothing else says how many there are.
        window: (height, width) in tokens of the crops it was trained on; those of all published runs by default.
    """
    return _gpt(_transformer(opened, config), n_head, window)


def read_pipeline(
    opened: Opened,
    *,
    config: str | Path | None = None,
    n_head: int | None = None,
    window: Sequence[int] = (16, 16),
    labels: Sequence[str] | None = None,
) -> dict[str, Known]:
    """All parts of a transformer's run.

    Args:
        opened: a run folder or a file.
        config: as for :func:`read_gpt`.
        n_head: as for :func:`read_gpt`.
        window: as for :func:`read_gpt`.
        labels: the names of a segmentation's labels, where they are none of the published lists.
    """
    run = _transformer(opened, config)
    name, condition = condition_of(run, labels)
    # scene models draw a place that has 7 rows above it and 7 columns left of it, others 8
    sampler = SamplerConfig(centre=(7, 7) if name == "layout" else None)
    return {
        "vqgan": ("VQGAN", *run.stage("image")),
        "gpt": ("CondGPT", *_gpt(run, n_head, window)),
        "sampler": ("SlidingWindowSampler", sampler, {}),
        f"conditions/{name}": condition,
    }


def read_condition(
    wanted: str, opened: Opened, *, config: str | Path | None = None, labels: Sequence[str] | None = None
) -> tuple[Any, Tensors]:
    """The condition of a transformer's run, if it is of the class ``wanted``."""
    run = _transformer(opened, config)
    kind, *condition = condition_of(run, labels)[1]
    if kind != wanted:
        raise CheckpointError(f"the condition of {run.opened} is of the class {kind}.")
    return condition[0], condition[1]


CONDITIONS = (
    "SegmentationCondition",
    "DepthCondition",
    "ImageCondition",
    "LayoutCondition",
    "ClassCondition",
    "CoordinatesCondition",
    "Unconditional",
)


# ---------------------------------------------------------------------------------------------------------------------
# The transformer and its stages
# ---------------------------------------------------------------------------------------------------------------------


def _transformer(opened: Opened, config: str | Path | None) -> Run:
    run = Run(opened, opened.with_yaml(config))
    if not run.is_transformer:
        raise CheckpointError(f"{run.opened} holds a VQGAN and no transformer: load it with VQGAN.from_pretrained.")
    if run.model is not None and "transformer_config" not in run.model.section("params"):
        raise CheckpointError(f"{run.model.where} describes no transformer, but {run.opened} holds one.")
    strange = [name for name in run.tensors if not name.startswith(PREFIXES)]
    if strange:
        permuted = strange[0].startswith("permuter.")
        reason = "orders its tokens in another way than row by row" if permuted else "has parts that are not known"
        raise CheckpointError(f"{run.opened} {reason} ({', '.join(strange[:5])}): it cannot be loaded.")
    return run


def _gpt(run: Run, n_head: int | None, window: Sequence[int]) -> tuple[CondGPTConfig, Tensors]:
    tensors = run.opened.below("transformer.")
    vocab_size, n_embd = run.opened.shape("transformer.tok_emb.weight", 2)
    _, block_size, _ = run.opened.shape("transformer.pos_emb", 3)
    fields: dict[str, Any] = {"vocab_size": vocab_size, "block_size": block_size, "n_embd": n_embd}
    fields["n_layer"] = count(tensors, r"blocks\.(\d+)\.")
    where = str(run.opened)
    if run.model is not None:
        parameters = run.model.section("params")
        section = parameters.section("transformer_config").section("params")
        where = section.where
        fields = {name: section.whole(name) for name in ("vocab_size", "block_size")}
        fields |= {"n_layer": section.whole("n_layer", 12), "n_embd": section.whole("n_embd", 256)}
        given = section.whole("n_head", 8)
        if n_head is not None and n_head != given:
            raise ValueError(f"n_head={n_head} contradicts {where}.n_head, which is {given}: leave n_head out.")
        n_head = given
        fields |= {"n_unmasked": section.whole("n_unmasked", 0), "pkeep": parameters.number("pkeep", 1.0)}
        dropouts = {
            "embedding_dropout": "embd_pdrop",
            "residual_dropout": "resid_pdrop",
            "attention_dropout": "attn_pdrop",
        }
        fields |= {ours: section.number(theirs, 0.0) for ours, theirs in dropouts.items()}
        if parameters.whole("downsample_cond_size", -1) > -1:
            raise CheckpointError(f"{parameters.where}.downsample_cond_size is not supported.")
    elif n_head is None:
        raise CheckpointError(
            f"{run.opened} has no config, and weights do not say how many attention heads a GPT has. Pass config= with "
            "the run's project.yaml, or n_head= (16 in all published models but a few)."
        )
    height, width = window
    return made(CondGPTConfig, where, **fields, n_head=n_head, window=(height, width)), rename_gpt(tensors)


FAMILY = Family(
    name="taming",
    description="a run of taming-transformers (a folder with checkpoints/last.ckpt and configs/…-project.yaml, or the file)",
    examples=("boris/vqgan_f16_16384", "thomwolf/vqgan_imagenet_f16_1024", "2020-11-09T13-31-51_sflckr"),
    gives="encode, decode; a pipeline where there is a transformer",
    checked="taming-transformers",
    detect=detect,
    readers={
        "VQGAN": read_vqgan,
        "CondGPT": read_gpt,
        "ImageSynthesisPipeline": read_pipeline,
        **{name: partial(read_condition, name) for name in CONDITIONS},
    },
)

"""Checkpoints of taming-transformers, the paper's original program.

A run is a folder with `checkpoints/last.ckpt` and `configs/…-project.yaml`. Its file holds a VQGAN, or a transformer with
the VQGAN of its pictures (`first_stage_model`) and that of its condition (`cond_stage_model`), if the condition has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...conditions import ClassConfig, CoordinatesConfig, DepthConfig, SegmentationConfig, UnconditionalConfig
from ...conditions.imagenet import imagenet_names
from ...conditions.label_spaces import space_of_size
from ...errors import CheckpointError
from ...gpt.config import CondGPTConfig
from ...vqgan.model import VQGANConfig
from ..weights import StoredTensor
from .family import Family, Known, Tensors
from .opened import Opened
from .original_names import rename_gpt, rename_vqgan
from .vqgan_shapes import config_from_shapes, count, made
from .yaml_section import Section

__all__ = ["FAMILY", "is_original", "vqgan_from"]

STAGES = {"image": "first_stage_model.", "condition": "cond_stage_model."}
PREFIXES = (*STAGES.values(), "transformer.", "loss.", "model_ema.")
PUBLISHED_LABELS = (182, 183, 151)


def is_original(names: Mapping[str, Any]) -> bool:
    """Whether names of tensors are those of the original's VQGAN, whatever the program that wrote them."""
    return {"encoder.conv_in.weight", "encoder.mid.block_1.conv1.weight", "quant_conv.weight"} <= names.keys()


def detect(opened: Opened) -> bool:
    """Whether a file holds a VQGAN by the original's names, or a transformer."""
    if "transformer.tok_emb.weight" in opened.tensors:
        return True
    # the same names come from other programs, which say so
    said = opened.class_name is not None or (
        opened.model is not None and "ldm." in str(opened.model.data.get("target"))
    )
    upward = "decoder.up.0.upsample.conv.weight" in opened.tensors
    return is_original(opened.tensors) and "decoder.conv_in.weight" in opened.tensors and not said and not upward


@dataclass(frozen=True)
class Run:
    """A checkpoint and the config that goes with it.

    Attributes:
        opened: the file.
        model: the config's section "model"; ``None`` if there is no config.
    """

    opened: Opened
    model: Section | None

    @property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """By the original's names, not read yet."""
        return self.opened.tensors

    @property
    def is_transformer(self) -> bool:
        """Whether it holds a GPT beside VQGANs."""
        return "transformer.tok_emb.weight" in self.tensors


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
        return _stage(run, stage)
    if stage == "condition":
        raise CheckpointError(f"{run.opened} is a VQGAN by itself: it has no condition. Leave stage out.")
    if run.model is not None and run.model.target == "Net2NetTransformer":
        raise CheckpointError(f"{run.model.where} describes a transformer, but {run.opened} holds a VQGAN alone.")
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
    name, condition = _condition(run, labels)
    return {
        "vqgan": ("VQGAN", *_stage(run, "image")),
        "gpt": ("CondGPT", *_gpt(run, n_head, window)),
        f"conditions/{name}": condition,
    }


def read_condition(
    wanted: str, opened: Opened, *, config: str | Path | None = None, labels: Sequence[str] | None = None
) -> tuple[Any, Tensors]:
    """The condition of a transformer's run, if it is of the class ``wanted``."""
    run = _transformer(opened, config)
    found, *condition = _condition(run, labels)[1]
    if found != wanted:
        raise CheckpointError(f"the condition of {run.opened} is a {found}, not a {wanted}.")
    return condition[0], condition[1]


CONDITIONS = ("SegmentationCondition", "DepthCondition", "ClassCondition", "CoordinatesCondition", "Unconditional")


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


def _stage(run: Run, stage: str) -> tuple[VQGANConfig, Tensors]:
    tensors = run.opened.below(STAGES[stage])
    if "quant_conv.weight" not in tensors:
        raise CheckpointError(f"{run.opened} holds no VQGAN for its {stage} ({STAGES[stage]}…).")
    names = {"image": "first_stage_config", "condition": "cond_stage_config"}
    section = run.model.section("params") if run.model is not None else None
    shared = section is not None and section.data.get(names[stage]) == "__is_first_stage__"
    section = section.section(names["image" if shared else stage]) if section is not None else None
    return vqgan_from(section, tensors, run.opened)


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


def _condition(run: Run, labels: Sequence[str] | None) -> tuple[str, Known]:
    """The condition's name in a pipeline, and what there is of it. Classes are compared by name, never imported."""
    if run.model is None:
        raise CheckpointError(f"{run.opened} does not say what its condition is. Pass config= with its project.yaml.")
    parameters = run.model.section("params")
    given, where = parameters.data.get("cond_stage_config"), f"{parameters.where}.cond_stage_config"
    if given == "__is_unconditional__" or parameters.flag("unconditional", False):
        return "unconditional", _known(
            "Unconditional", UnconditionalConfig, where, token=parameters.whole("sos_token", 0)
        )
    if given == "__is_first_stage__":
        raise CheckpointError(
            f"{where}: pictures as a condition ({given}) are not supported. Its VQGAN and CondGPT load."
        )
    section = parameters.section("cond_stage_config")
    options = section.section("params") if "params" in section else Section({}, f"{where}.params")
    kind = section.target
    if kind in ("VQModel", "VQSegmentationModel"):
        return _condition_with_vqgan(run, kind, options, labels)
    if kind == "Labelator":
        count = options.whole("n_classes")
        names = imagenet_names() if count == 1000 else None  # of the published model
        return "class_label", _known("ClassCondition", ClassConfig, where, number_of_classes=count, labels=names)
    if kind == "CoordStage":
        numbers = {"codebook_size": options.whole("n_embed"), "downsample_factor": options.whole("down_factor")}
        return "coordinates", _known("CoordinatesCondition", CoordinatesConfig, where, **numbers)
    if kind == "SOSProvider":
        return "unconditional", _known("Unconditional", UnconditionalConfig, where, token=options.whole("sos_token"))
    raise CheckpointError(
        f"{where}.target is {kind!r}; known are VQModel, VQSegmentationModel, Labelator, CoordStage and SOSProvider."
    )


def _condition_with_vqgan(run: Run, kind: str, options: Section, labels: Sequence[str] | None) -> tuple[str, Known]:
    config, tensors = _stage(run, "condition")
    tensors = {f"vqgan.{name}": tensor for name, tensor in tensors.items()}
    name: str
    ours: type
    fields: dict[str, Any]
    if kind == "VQModel" and config.in_channels == 1:
        name, ours, fields = "depth", DepthConfig, {}
    elif kind == "VQModel":
        raise CheckpointError(
            f"{options.where}: a condition of {config.in_channels} channels is not supported; one channel is depth, and "
            "label maps are VQSegmentationModel."
        )
    else:
        name, ours, fields = "segmentation", SegmentationConfig, _label_names(config.in_channels, labels)
    return name, _known(
        ours.__name__.replace("Config", "Condition"), ours, options.where, tensors, vqgan=config, **fields
    )


def _label_names(count: int, labels: Sequence[str] | None) -> dict[str, Any]:
    if labels is not None:
        return {"labels": tuple(labels)}
    space = space_of_size(count) if count in PUBLISHED_LABELS else None
    if space is not None:
        return {"labels": space.names, "label_space": space.title}
    return {"labels": tuple(f"label {number}" for number in range(count))}


# ---------------------------------------------------------------------------------------------------------------------
# VQGANs
# ---------------------------------------------------------------------------------------------------------------------

# options of the original's autoencoder that change what it computes: name -> (what it has to be, what it is by default)
FIXED = {
    "double_z": (False, True),
    "resamp_with_conv": (True, True),
    "give_pre_end": (False, False),
    "tanh_out": (False, False),
    "use_linear_attn": (False, False),
}


def vqgan_from(
    section: Section | None, tensors: Mapping[str, StoredTensor], where: object
) -> tuple[VQGANConfig, Tensors]:
    """A VQGAN by its config, or by shapes alone, and its tensors by our names."""
    renamed = rename_vqgan(tensors)
    if section is not None:
        return _config_from_yaml(section), renamed
    # of all published files; the original's yaml cannot ask for anything else
    return config_from_shapes(renamed, where, legacy_commitment=True), renamed


def _config_from_yaml(section: Section) -> VQGANConfig:
    kinds = {
        "VQModel": "nearest",
        "VQSegmentationModel": "nearest",
        "VQModelInterface": "nearest",
        "GumbelVQ": "gumbel",
    }
    if section.target not in kinds:
        raise CheckpointError(f"{section.where}.target is {section.target!r}; known are {', '.join(kinds)}.")
    parameters = section.section("params")
    network = parameters.section("ddconfig")
    for name, (needed, default) in FIXED.items():
        if network.flag(name, default) is not needed:
            shown = "missing (true by default)" if name not in network else "not " + str(needed).lower()
            raise CheckpointError(f"{network.where}.{name} is {shown}: this variant is not supported.")
    if "remap" in parameters:
        raise CheckpointError(f"{parameters.where}.remap is not supported.")
    attention = network.data.get("attn_type", "vanilla")
    if attention not in ("vanilla", "none"):
        raise CheckpointError(f"{network.where}.attn_type is {attention!r}; known are vanilla and none.")
    multipliers = network.wholes("ch_mult")
    # attention sits at nominal resolutions: those that a training crop would have
    resolutions = [network.whole("resolution") // 2**level for level in range(len(multipliers))]
    return made(
        VQGANConfig,
        parameters.where,
        in_channels=network.whole("in_channels"),
        out_channels=network.whole("out_ch"),
        channels=network.whole("ch"),
        channel_multipliers=multipliers,
        num_res_blocks=network.whole("num_res_blocks"),
        attention_levels=tuple(
            level for level, size in enumerate(resolutions) if size in network.wholes("attn_resolutions")
        ),
        mid_attention=attention != "none",
        dropout=network.number("dropout", 0.0),
        latent_channels=network.whole("z_channels"),
        quantizer=kinds[section.target],
        codebook_size=parameters.whole("n_embed"),
        code_dim=parameters.whole("embed_dim"),
        legacy_commitment=True,  # of all published files; the original's yaml cannot ask for anything else
        **({"kl_weight": parameters.number("kl_weight", 1e-8)} if section.target == "GumbelVQ" else {}),
    )


# ---------------------------------------------------------------------------------------------------------------------
# Small things
# ---------------------------------------------------------------------------------------------------------------------


def _known(class_name: str, config: type, where: str, tensors: Tensors | None = None, /, **fields: Any) -> Known:
    return class_name, made(config, where, **fields), tensors or {}


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

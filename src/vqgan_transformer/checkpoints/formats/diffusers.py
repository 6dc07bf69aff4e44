"""diffusers' VQModel, from a folder of its own or a pipeline's ``vqvae``, ``vqgan`` or ``movq``; and back to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...errors import CheckpointError, shown, warn
from ...storage.atomic_folder import atomic_folder
from ...storage.config_json import from_json, read_json, to_json
from ...storage.diffusers_settings import DiffusersSettings
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import Replacement, replaced
from .vqgan_shapes import config_from_shapes

if TYPE_CHECKING:
    from ...vqgan.model import VQGAN

__all__ = ["FAMILY", "save_diffusers"]

UNIT_RANGE = "_unit_range"
"""Our own note in the config; diffusers ignores names with a leading underscore."""

FROM_DIFFUSERS = [
    (r"^encoder\.down_blocks\.", "encoder.levels."),
    (r"^decoder\.up_blocks\.", "decoder.levels."),  # both stand in the order in which they run
    (r"\.mid_block\.resnets\.0\.", ".middle.block1."),
    (r"\.mid_block\.resnets\.1\.", ".middle.block2."),
    (r"\.mid_block\.attentions\.0\.", ".middle.attention."),
    (r"\.resnets\.", ".blocks."),
    (r"\.(down|up)samplers\.0\.conv\.", r".\1sample."),
    (r"\.(to_q|query)\.", ".query."),
    (r"\.(to_k|key)\.", ".key."),
    (r"\.(to_v|value)\.", ".value."),
    (r"\.(to_out\.0|proj_attn)\.", ".out."),
    (r"\.(group_norm|spatial_norm)\.", ".norm."),
    (r"\.conv_norm_out\.", ".norm_out."),
    (r"\.conv_shortcut\.", ".shortcut."),
    (r"\.norm_layer\.", ".norm."),
    (r"\.conv_y\.", ".scale."),
    (r"\.conv_b\.", ".shift."),
    (r"^quantize\.embedding\.", "quantizer.codebook."),
    (r"^quant_conv\.", "to_codes."),
    (r"^post_quant_conv\.", "from_codes."),
]
TO_DIFFUSERS: list[tuple[str, Replacement]] = [
    (r"^to_codes\.", "quant_conv."),
    (r"^from_codes\.", "post_quant_conv."),
    (r"^quantizer\.codebook\.", "quantize.embedding."),
    (r"\.shift\.", ".conv_b."),
    (r"\.scale\.", ".conv_y."),
    (r"(norm\d?|norm_out)\.norm\.", r"\1.norm_layer."),
    (r"\.shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"(?<=attention)\.norm\.|(?<=attentions\.\d)\.norm\.", ".group_norm."),
    (r"\.group_norm\.norm_layer\.", ".spatial_norm.norm_layer."),
    (r"\.group_norm\.(conv_[yb])\.", r".spatial_norm.\1."),
    (r"\.out\.", ".to_out.0."),
    (r"\.(query|key|value)\.", lambda match: f".to_{match[1][0]}."),
    (r"\.(down|up)sample\.", r".\1samplers.0.conv."),
    (r"\.blocks\.", ".resnets."),
    (r"\.middle\.attention\.", ".mid_block.attentions.0."),
    (r"\.middle\.block1\.", ".mid_block.resnets.0."),
    (r"\.middle\.block2\.", ".mid_block.resnets.1."),
    (r"^decoder\.levels\.", "decoder.up_blocks."),
    (r"^encoder\.levels\.", "encoder.down_blocks."),
]


def detect(opened: Opened) -> bool:
    """Whether the names are those of a VQModel; a diffusers autoencoder without codebook is none."""
    return {"encoder.down_blocks.0.resnets.0.norm1.weight", "quantize.embedding.weight"} <= opened.tensors.keys()


def read_vqgan(
    opened: Opened, *, unit_range: bool | None = None, norm_groups: int | None = None
) -> tuple[VQGANConfig, Tensors]:
    """A VQModel. What shapes do not tell (groups, activation) comes from its config.json.

    Args:
        opened: the folder, or its file.
        unit_range: whether it was trained on pictures in [0, 1] instead of [-1, 1]. By default those of aMUSEd were,
            which are known by their settings.
        norm_groups: of its normalisations, where there is no config.json; 32 by default.
    """
    settings = opened.config
    if settings.get("act_fn", "silu") not in ("silu", "swish"):
        raise CheckpointError(f"{opened}: act_fn is {shown(settings['act_fn'])}; known is 'silu'.")
    groups = settings.get("norm_num_groups", norm_groups or 32)
    if type(groups) is not int or groups < 1:
        raise CheckpointError(f"{opened}: norm_num_groups should be a whole number, got {shown(groups)}.")
    if norm_groups not in (None, groups):
        raise ValueError(f"norm_groups={norm_groups} contradicts the config.json of {opened}, which says {groups}.")
    spatial = "decoder.conv_norm_out.norm_layer.weight" in opened.tensors
    if spatial and groups != 32:
        raise CheckpointError(f"{opened}: spatial normalisation has 32 groups in diffusers, not {groups}.")
    renamed = {replaced(name, FROM_DIFFUSERS): tensor for name, tensor in opened.tensors.items()}
    for name, tensor in renamed.items():
        if "attention" in name and len(tensor.shape) == 2:
            renamed[name] = _as_convolution(tensor)
    widths = {tensor.shape[:1] for name, tensor in renamed.items() if name.endswith(".norm1.weight")}
    if not settings and norm_groups is None and any(width % groups for (width,) in filter(None, widths)):
        raise CheckpointError(
            f"{opened} has no config.json beside it, and is not divided into {groups} groups, as is usual: put the config.json "
            "there, or pass norm_groups= and unit_range=."
        )
    norm: dict[str, Any] = {"norm": "spatial" if spatial else "group", "norm_groups": groups}
    config = config_from_shapes(renamed, opened, claims=settings, legacy_commitment=True, **norm)
    if unit_range is None:
        unit_range = _is_amused(config, opened) if UNIT_RANGE not in settings else settings[UNIT_RANGE] is True
    if not settings:
        warn(
            f"{opened} has no config.json beside it, which weights do not replace: taken to have {groups} groups in its "
            f"normalisations and pictures in {'[0, 1]' if unit_range else '[-1, 1]'}. Put the config.json there, or pass "
            "norm_groups= and unit_range=."
        )
    return replace(config, unit_range=unit_range, diffusers=_kept(settings, opened)), renamed


def _is_amused(config: VQGANConfig, opened: Opened) -> bool:
    """Whether it is a tokenizer of aMUSEd: its latents are looked up, and there is no attention at its core."""
    looked_up = opened.config.get("lookup_from_codebook", not opened.config) is True
    return looked_up and not config.mid_attention


def _kept(settings: Mapping[str, Any], opened: Opened) -> DiffusersSettings | None:
    """The settings for pipelines of diffusers, where they are other than by default."""
    fields = {name: settings[name] for name in DiffusersSettings.__dataclass_fields__ if settings.get(name) is not None}
    kept: DiffusersSettings = from_json(DiffusersSettings, fields, f"the config.json of {opened}")
    return kept if kept != DiffusersSettings() else None


def _as_convolution(tensor: StoredTensor) -> StoredTensor:
    """A matrix as the 1×1 convolution that does the same."""
    return StoredTensor((*tensor.shape, 1, 1), tensor.dtype, lambda: tensor.read()[:, :, None, None])


def save_diffusers(vqgan: VQGAN, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes what ``diffusers.VQModel.from_pretrained`` reads.

    Raises:
        FileExistsError: for a folder with a checkpoint of another program.
        ValueError: for a VQGAN that a VQModel cannot express, with what stands in the way.
    """
    config = vqgan.config
    obstacles = {
        f"quantizer={config.quantizer!r}": config.quantizer != "nearest",
        "unit codes (normalize_codes)": config.normalize_codes,
        "patches (patch_size)": config.patch_size > 1,
        "channel normalisation": config.norm == "channel",
        "spatial normalisation of other than 32 groups": config.norm == "spatial" and config.norm_groups != 32,
        "spatial normalisation by codes of another length than the latents": config.norm == "spatial"
        and config.code_dim != config.latent_channels,
        "averaging between levels": config.downsample == "average",
        "no decoder": not config.has_decoder,
        "levels of different numbers of blocks": len(set(config.encoder_blocks)) > 1
        or config.decoder_blocks != tuple(count + 1 for count in config.encoder_blocks),
    }
    present = [name for name, there in obstacles.items() if there]
    if present:
        raise ValueError(f"diffusers' VQModel cannot express this VQGAN: it has {', '.join(present)}.")
    there = folder / "config.json"
    if there.exists() and "_diffusers_version" not in read_json(there):
        raise FileExistsError(f"{there} is none of diffusers, and would be replaced: give another folder.")
    from huggingface_hub import save_torch_state_dict

    tensors = {}
    for name, tensor in vqgan.state_dict().items():
        tensor = tensor.to(dtype) if dtype is not None else tensor
        name = replaced(name, TO_DIFFUSERS)
        tensors[name] = tensor.flatten(1) if ".attentions." in name and tensor.ndim == 4 and ".to_" in name else tensor
    with atomic_folder(folder, ("diffusion_pytorch_model*.safetensors*",)) as draft:
        (draft / "config.json").write_text(json.dumps(_diffusers_config(config), indent=2) + "\n", encoding="utf-8")
        pattern = "diffusion_pytorch_model{suffix}.safetensors"
        save_torch_state_dict(tensors, draft, filename_pattern=pattern)
        for path in draft.glob("*.safetensors"):
            path.chmod((draft / "config.json").stat().st_mode)  # safetensors makes files that nobody else may read


def _diffusers_config(config: VQGANConfig) -> Mapping[str, Any]:
    levels = range(len(config.widths))
    kinds = ["Attn" if level in config.attention_levels else "" for level in levels]
    return {
        "_class_name": "VQModel",
        "_diffusers_version": "0.30.0",
        UNIT_RANGE: config.unit_range,
        "act_fn": "silu",
        "block_out_channels": list(config.widths),
        "down_block_types": [f"{kind}DownEncoderBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpDecoderBlock2D" for kind in reversed(kinds)],
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.encoder_blocks[0],
        "mid_block_add_attention": config.mid_attention,
        "norm_num_groups": config.norm_groups,
        "norm_type": config.norm,
        "num_vq_embeddings": config.codebook_size,
        "vq_embed_dim": config.code_dim,
        **to_json(config.diffusers or DiffusersSettings()),
    }


FAMILY = Family(
    name="diffusers",
    description="a VQModel of diffusers (a folder with config.json and diffusion_pytorch_model.safetensors)",
    examples=("CompVis/ldm-celebahq-256", "amused/amused-256", "kandinsky-community/kandinsky-2-2-decoder"),
    gives="encode, decode; `save_diffusers` writes it",
    checked="diffusers, both ways",
    detect=detect,
    readers={"VQGAN": read_vqgan},
)

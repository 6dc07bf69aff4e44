"""The original's VQGAN, which several programs write: its config in a yaml file, or read off its shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CheckpointError, shortened, warn
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Tensors
from .opened import Opened
from .original_names import rename_vqgan
from .vqgan_shapes import config_from_shapes, made
from .yaml_section import Section

__all__ = ["config_from_yaml", "is_original", "names_ldm", "vqgan_from"]


def is_original(names: Mapping[str, Any]) -> bool:
    """Whether names of tensors are those of the original's VQGAN, whatever the program that wrote them."""
    return {"encoder.conv_in.weight", "encoder.mid.block_1.conv1.weight", "quant_conv.weight"} <= names.keys()


def names_ldm(opened: Opened) -> bool:
    """Whether the yaml beside a file names a class of latent-diffusion."""
    model = opened.yaml.data.get("model") if opened.yaml is not None else None
    return isinstance(model, dict) and str(model.get("target")).startswith("ldm.")


QUANTIZERS = {
    "VQModel": "nearest",
    "VQSegmentationModel": "nearest",
    "VQModelInterface": "nearest",
    "GumbelVQ": "gumbel",
}
# options of the original's autoencoder that change what it computes: name -> (what it has to be, what it is by default)
FIXED = {
    "double_z": (False, True),
    "resamp_with_conv": (True, True),
    "give_pre_end": (False, False),
    "tanh_out": (False, False),
    "use_linear_attn": (False, False),
}


def vqgan_from(
    section: Section | None, tensors: Mapping[str, StoredTensor], opened: Opened
) -> tuple[VQGANConfig, Tensors]:
    """A VQGAN by its config, or by shapes alone, and its tensors by our names."""
    renamed = rename_vqgan(tensors)
    # of all published files; the original's yaml cannot ask for another commitment
    known: dict[str, Any] = {"legacy_commitment": True}
    if section is None:
        return config_from_shapes(renamed, opened, **known), renamed
    gumbel = "quantizer.projection.weight" in renamed
    section = _with_known_class(section, "GumbelVQ" if gumbel else "VQModel", opened)
    if gumbel:
        known["kl_weight"] = section.section("params").number("kl_weight", 1e-8)
    return config_from_yaml(section, QUANTIZERS, **known), renamed


def _with_known_class(section: Section, by_names: str, opened: Opened) -> Section:
    """A section whose class is one of the original's: another one, or none, counts as such if the user says so.

    Args:
        section: with "target" and "params".
        by_names: the class that the names of the tensors tell.
        opened: the checkpoint.
    """
    if "target" in section and section.target in QUANTIZERS:
        return section
    if "target" in section and opened.format is None:
        raise CheckpointError(
            f"{section.where}.target is {shortened(section.target)!r}; known are {', '.join(QUANTIZERS)}. If it "
            "computes what one of these does, pass format='taming'; if its codes are those with the largest inner product, "
            "format='ibq'."
        )
    if opened.format is None:
        warn(
            f"{section.where} names no class (target:): taken for {by_names} of taming-transformers. Pass format='taming' to "
            "say so, or format='ibq' if its codes are those with the largest inner product."
        )
    return Section({**section.data, "target": by_names}, section.where)


def config_from_yaml(section: Section, quantizers: Mapping[str, str], **known: Any) -> VQGANConfig:
    """The config of a VQGAN from its section of a yaml file.

    Args:
        section: with "target" and "params".
        quantizers: the classes that can be loaded, by the last part of their names, and the quantizer of each.
        **known: fields of the config that the section does not tell.

    Raises:
        CheckpointError: for another class, or an option that changes what is computed.
    """
    if section.target not in quantizers:
        raise CheckpointError(f"{section.where}.target is {section.target!r}; known are {', '.join(quantizers)}.")
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
        quantizer=quantizers[section.target],
        codebook_size=parameters.whole("n_embed"),
        code_dim=parameters.whole("embed_dim"),
        **known,
    )

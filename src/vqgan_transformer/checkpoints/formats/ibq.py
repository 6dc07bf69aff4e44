"""IBQ's tokenizers (Shi et al. 2024): the original's network, with codes by largest inner product.

Their tensors have the original's names, so that the names do not tell the two apart. A yaml file does (a class of IBQ's
program, or the arguments of one by themselves), the running averages of weights that IBQ keeps in the file, or the
published names of files. Where nothing does, but a newer Lightning or more blocks say that it is none of the original's,
the user is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import CheckpointError
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Family, Tensors
from .opened import Opened
from .original_names import rename_vqgan
from .original_vqgan import config_from_yaml, is_original
from .vqgan_shapes import config_from_shapes, count
from .yaml_section import Section

__all__ = ["FAMILY", "ibq_tokenizer", "says_ibq"]

PUBLISHED_NAMES = re.compile(r"imagenet256_\d+|ibq_pretrain_\d+", re.IGNORECASE)

PUBLISHED_BLOCKS = 4
"""Residual blocks at each level of an encoder of IBQ; those of the original have two."""


def detect(opened: Opened) -> bool:
    """Whether a file with the original's names comes from IBQ's program.

    Raises:
        CheckpointError: where it may be either; the message says what to pass.
    """
    if not is_original(opened.tensors) or "decoder.conv_in.weight" not in opened.tensors:
        return False
    if opened.class_name is not None or opened.yaml is not None or says_ibq(opened):
        return says_ibq(opened)
    blocks = count(opened.tensors, r"encoder\.down\.0\.block\.(\d+)\.")
    if "quantize.embedding.weight" in opened.tensors and (opened.lightning >= (2,) or blocks == PUBLISHED_BLOCKS):
        raise CheckpointError(
            f"{opened} may be a tokenizer of IBQ, whose codes are those with the largest inner product, or one of "
            f"taming-transformers, whose codes are the nearest ones; both have the same names of tensors, and there is no "
            f"yaml file beside it. Pass format='ibq' or format='taming'."
        )
    return False


def says_ibq(opened: Opened) -> bool:
    """Whether something says that a file with the original's names comes from IBQ's program."""
    if opened.class_name is not None or "quantize.embedding.weight" not in opened.tensors:
        return False
    if opened.yaml is not None:
        return _section(opened.yaml) is not None
    published = opened.file is not None and PUBLISHED_NAMES.fullmatch(opened.file.stem) is not None
    return published or opened.state_dicts.has_both


def read_vqgan(opened: Opened, *, config: str | Path | None = None) -> tuple[VQGANConfig, Tensors]:
    """A tokenizer.

    Args:
        opened: the file, or the folder with it and its yaml.
        config: the yaml file, where it does not lie beside the file. Without one, the config is inferred from shapes.
    """
    document = opened.with_yaml(config)
    section = _section(document) if document is not None else None
    if document is not None and section is None and opened.format is not None and "model" in document:
        model = document.section("model")  # the user knows that it is one, whatever its class is called
        section = Section({"target": "IBQ", "params": model.data.get("params")}, model.where)
    if document is not None and section is None:
        raise CheckpointError(f"{document.where} describes no tokenizer of IBQ.")
    return ibq_tokenizer(section, opened.tensors, opened)


def ibq_tokenizer(
    section: Section | None, tensors: Mapping[str, StoredTensor], where: object
) -> tuple[VQGANConfig, Tensors]:
    """A tokenizer of IBQ by its section of a yaml file, or by shapes alone; also one inside a generator's file.

    Args:
        section: with "target" and "params"; ``None`` if there is none.
        tensors: by the original's names.
        where: the file, for messages.
    """
    renamed = rename_vqgan(tensors)
    if section is None:
        return config_from_shapes(renamed, where, quantizer="inner_product"), renamed
    parameters = section.section("params")
    for name in ("remap", "l2_normalize"):
        if parameters.data.get(name):
            raise CheckpointError(f"{parameters.where}.{name} is not supported.")
    loss = parameters.data.get("lossconfig")
    weights = loss.get("params") if isinstance(loss, dict) else None
    if not parameters.flag("use_entropy_loss", False):
        entropy: dict[str, Any] = {"entropy_weight": 0.0}
    elif isinstance(weights, dict) and "entropy_loss_weight" in weights:
        entropy = {
            "entropy_weight": Section(weights, f"{parameters.where}.lossconfig.params").number("entropy_loss_weight")
        }
    else:
        entropy = {}  # what the published ones were trained with
    beta = parameters.number("beta", 0.25)
    return config_from_yaml(section, {"IBQ": "inner_product"}, commitment_weight=beta, **entropy), renamed


def _section(document: Section) -> Section | None:
    """The section of a yaml file that describes a tokenizer of IBQ, as "target" and "params"; ``None`` without one.

    It comes as Lightning's command line writes it ("class_path" and "init_args"), or as the arguments by themselves.
    """
    data = document.data
    if {"ddconfig", "n_embed", "embed_dim"} <= data.keys():
        return Section({"target": "IBQ", "params": data}, document.where)
    model = data.get("model")
    if not isinstance(model, dict) or str(model.get("class_path")).rpartition(".")[2] != "IBQ":
        return None
    return Section({"target": "IBQ", "params": model.get("init_args")}, f"{document.where}.model")


FAMILY = Family(
    name="ibq",
    description="a tokenizer of IBQ (SEED-Voken): the original's network, with codes by largest inner product",
    examples=(
        "TencentARC/IBQ-Tokenizer-16384, imagenet256_16384.ckpt",
        "TencentARC/IBQ-Tokenizer-262144-Pretrain, IBQ_pretrain_262144.ckpt",
        "BAAI/Emu3.5-VisionTokenizer, model.ckpt",
    ),
    gives="encode, decode",
    checked="SEED-Voken",
    detect=detect,
    readers={"VQGAN": read_vqgan},
    average=True,
)

"""Well-known models that are no VQGAN and no GPT over one grid of tokens: refused by name, with the reason.

Some of them share names of tensors with families that can be loaded, and would be loaded wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import CheckpointError
from .opened import Opened
from .original_vqgan import is_original

__all__ = ["REFUSED", "RefusedModel", "refuse"]


@dataclass(frozen=True)
class RefusedModel:
    """A model that cannot be loaded.

    Attributes:
        name: what its authors call it.
        reason: what it is instead of what can be loaded; ends a sentence that begins with the name.
        detect: whether a file or folder holds it, by names and shapes of tensors and json; reads no tensor.
    """

    name: str
    reason: str
    detect: Callable[[Opened], bool]


def refuse(opened: Opened) -> None:
    """Raises a CheckpointError for a model that is known and cannot be loaded."""
    for model in REFUSED:
        if model.detect(opened):
            raise CheckpointError(
                f"{opened} is {model.name}, which cannot be loaded: {model.reason}. What can be loaded is listed in "
                "docs/checkpoints.md and docs/models.md."
            )


def _emu3(opened: Opened) -> bool:
    named = opened.class_name in ("Emu3VisionVQ", "Emu3VQVAE", "emu3_vqgan")
    return named or any("encoder.time_res_stack." in name or "encoder.time_conv." in name for name in opened.tensors)


def _continuous(opened: Opened) -> bool:
    """Whether there is an autoencoder by the original's or by diffusers' names, and nothing that makes tokens."""
    names = opened.tensors
    diffusers = {"encoder.conv_in.weight", "encoder.down_blocks.0.resnets.0.conv1.weight"} <= names.keys()
    quantizes = any(name.startswith(("quantize.", "quantizer.")) for name in names)
    with_decoder = "decoder.conv_in.weight" in names
    if opened.class_name == "AutoencoderKL":
        return True
    mean, code = names.get("quant_conv.weight"), names.get("post_quant_conv.weight")
    # of a VQGAN that lacks its codebook, half of the file is missing: it projects to codes, not to means and variances
    to_codes = mean is not None and code is not None and mean.shape[:1] == code.shape[1:2] != (1,)
    return (diffusers or is_original(names)) and with_decoder and not quantizes and not to_codes


def _cosmos(opened: Opened) -> bool:
    names = {path.name for path in opened.path.iterdir()} if opened.path.is_dir() else {opened.path.name}
    return any(name.endswith(".jit") for name in names)


SCALES = "it draws a picture on some ten grids of growing size, not token by token on one"

REFUSED: tuple[RefusedModel, ...] = (
    RefusedModel(
        "a tokenizer of Cosmos (TorchScript)",
        "such files are programs, and nothing in a checkpoint is executed here",
        _cosmos,
    ),
    RefusedModel(
        "a model of Infinity",
        SCALES,
        lambda opened: (
            {"word_embed.weight", "cfg_uncond"} <= opened.tensors.keys() or "quantizer.lfq.mask" in opened.tensors
        ),
    ),
    RefusedModel(
        "the tokenizer of VAR",
        "its codes are sums over some ten grids of growing size, a VQGAN has one grid",
        lambda opened: any(name.startswith("quantize.quant_resi.") for name in opened.tensors),
    ),
    RefusedModel("a model of VAR", SCALES, lambda opened: {"pos_1LC", "word_embed.weight"} <= opened.tensors.keys()),
    RefusedModel(
        "a tokenizer of TiTok",
        "its tokens form a sequence without places, a VQGAN's form a grid",
        lambda opened: {"latent_tokens", "encoder.latent_token_positional_embedding"} <= opened.tensors.keys(),
    ),
    RefusedModel(
        "a tokenizer of Open-MAGVIT2",
        "its decoder rescales every level by statistics of all codes of a picture, which no option of a VQGAN here does",
        lambda opened: "decoder.adaptive.0.gamma.weight" in opened.tensors,
    ),
    RefusedModel("the tokenizer of Emu3", "it encodes videos, with convolutions over time", _emu3),
    RefusedModel(
        "an autoencoder with continuous latents (AutoencoderKL)",
        "it has no codebook, so it makes no tokens",
        _continuous,
    ),
)
"""The models, in the order in which a checkpoint is compared with them."""

"""Well-known models that cannot be loaded are refused by name, with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vqgan_transformer import VQGAN, ImageSynthesisPipeline
from vqgan_transformer.errors import CheckpointError

ORIGINAL = ["encoder.conv_in.weight", "encoder.mid.block_1.conv1.weight", "decoder.conv_in.weight", "quant_conv.weight"]
DIFFUSERS = ["encoder.conv_in.weight", "encoder.down_blocks.0.resnets.0.conv1.weight", "decoder.conv_in.weight"]

# what is in a file: names of its tensors, the config.json beside it; and what the refusal says
FILES = {
    "the original's AutoencoderKL": (ORIGINAL, {}, r"AutoencoderKL\), which cannot be loaded: it has no codebook"),
    "diffusers' AutoencoderKL": (DIFFUSERS, {}, "AutoencoderKL.*no codebook"),
    "an AutoencoderKL by its class": (DIFFUSERS, {"_class_name": "AutoencoderKL"}, "AutoencoderKL"),
    "VAR's tokenizer": (
        [*ORIGINAL, "quantize.embedding.weight", "quantize.quant_resi.qresi_ls.0.weight"], {}, "VAR.*grids"
    ),
    "VAR": (["pos_1LC", "pos_start", "word_embed.weight", "lvl_embed.weight"], {}, "VAR.*grids of growing size"),
    "Infinity": (["cfg_uncond", "pos_start", "word_embed.weight", "lvl_embed.weight"], {}, "Infinity.*growing size"),
    "Infinity's tokenizer": (["encoder.conv_in.conv.weight", "quantizer.lfq.mask"], {}, "Infinity"),
    "TiTok": (["latent_tokens", "encoder.latent_token_positional_embedding"], {}, "TiTok.*without places"),
    "Open-MAGVIT2": (
        ["encoder.conv_in.weight", "decoder.adaptive.0.gamma.weight", "decoder.up.0.block.0.conv1.weight"], {},
        "Open-MAGVIT2.*statistics of all codes"
    ),
    "Emu3": (["encoder.time_res_stack.0.conv1.conv.weight", "quantize.embedding.weight"], {}, "Emu3.*videos"),
    "Emu3 by its class": (["x"], {"model_type": "Emu3VisionVQ"}, "Emu3.*videos"),
}  # fmt: skip


def write(folder: Path, names: list[str], config: dict[str, str]) -> Path:
    torch.save({name: torch.zeros(1, 1, 1, 1) for name in names}, folder / "model.bin")
    if config:
        (folder / "config.json").write_text(json.dumps(config))
    return folder / "model.bin"


@pytest.mark.parametrize(("names", "config", "message"), FILES.values(), ids=FILES)
def test_a_model_that_cannot_be_loaded_is_refused_by_name(names, config, message, tmp_path):
    path = write(tmp_path, names, config)
    for load in (VQGAN.from_pretrained, ImageSynthesisPipeline.from_pretrained, VQGAN.inspect):
        with pytest.raises(CheckpointError, match=message):
            load(path)


def test_torchscript_of_cosmos_is_refused_before_it_is_opened(tmp_path):
    (tmp_path / "encoder.jit").write_bytes(b"not even a zip archive")
    for source in (tmp_path, tmp_path / "encoder.jit"):
        with pytest.raises(CheckpointError, match=r"Cosmos.*nothing in a checkpoint is executed"):
            VQGAN.from_pretrained(source)

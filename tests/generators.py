"""Released generators rebuilt from a formula, and tiny GPTs of every way for conditions to enter."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from vqgan_transformer import CondGPT, CondGPTConfig
from vqgan_transformer.gpt import ConditionInput, PictureEncoderConfig

FOLDER = Path(__file__).parent / "golden" / "generators"
CODES, FACTOR, WINDOW = 24, 4, (4, 4)


def case(name: str) -> dict[str, Any]:
    """A checkpoint's names and shapes, its config, and samples of what its program gives for it."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def write(name: str, folder: Path) -> Path:
    """Writes a checkpoint as its program ships it, and returns its file."""
    description = case(name)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        key: torch.from_numpy(_value(description["seed"], key, shape, kind))
        for key, (shape, kind) in description["parameters"].items()
    }
    path = folder / description["filename"]
    if path.suffix == ".safetensors":
        save_file(weights, path)
    elif path.suffix == ".ckpt":
        torch.save({"epoch": 3, "pytorch-lightning_version": "2.2.0", "state_dict": weights}, path)
    else:
        torch.save(weights, path)
    if path.suffix != ".safetensors":
        (folder / "config.yaml").write_text(yaml.safe_dump(description["config"]))
    return path


def inputs(name: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Picture, caption and mask of a case."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = {key: torch.from_numpy(stored[key]) for key in stored.files}
    picture = arrays["picture"]
    picture = picture.double() / 127.5 - 1 if picture.dtype == torch.uint8 else picture.double()
    return {"picture": picture.to(dtype), "caption": arrays["caption"].to(dtype), "mask": arrays["caption_mask"]}


def _value(seed: int, key: str, shape: list[int], kind: str) -> np.ndarray:
    noise = np.random.default_rng([seed, zlib.crc32(key.encode())]).standard_normal(shape).astype(np.float32)
    if kind == "weight":
        return (noise / np.sqrt(int(np.prod(shape[1:])) if len(shape) > 1 else shape[0])).astype(np.float32)
    scale = {"norm": 0.1, "bias": 0.1, "table": 0.5, "codebook": 1.0}[kind]
    return (float(kind == "norm") + scale * noise).astype(np.float32)


LLAMA: dict[str, Any] = {"norm": "rms", "feed_forward": "swiglu", "bias": False, "position": "rope2d"}
CLASS: dict[str, Any] = {"block_size": 17, "condition_vocab_size": 6, "null_token": 5}
LABELS = ConditionInput("segmentation", "labels", 5)
DICTIONARY: dict[str, Any] = {
    "conditioning": "aligned", "downsample_factor": FACTOR, "condition_width": 8, "condition_depth": 1,
}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "a class in front": LLAMA | CLASS,
    "norms modulated by a class": LLAMA | CLASS | {"modulation": "condition"},
    "norms modulated by class and step, positions of what is drawn next": CLASS
    | {
        "modulation": "condition_and_step", "start_token": True, "target_positions": True, "qk_norm": True,
        "norm_out_affine": False, "head_bias": True, "norm_eps": 1e-6,
    },
    "embeddings in front": LLAMA
    | DICTIONARY
    | {"block_size": 20, "conditions": (ConditionInput("text", "embeddings", 6, length=5),)},
    "features before several blocks": LLAMA
    | DICTIONARY
    | {
        "block_size": 16, "start_token": True, "condition_layers": (0, 2),
        "conditions": (LABELS, ConditionInput("class_label", "class", 3), ConditionInput("known", "tokens", CODES)),
    },
}  # fmt: skip
PICTURES: dict[str, Any] = LLAMA | DICTIONARY | {
    "block_size": 20, "position_table": 4, "condition_layers": (0, 2),
    "conditions": (ConditionInput("depth", "picture", 3), ConditionInput("text", "embeddings", 6, length=5)),
    "picture_encoder": PictureEncoderConfig(12, 1, 2, mlp_ratio=1, image_size=56, resize="bicubic"),
}  # fmt: skip


def made(fields: dict[str, Any]) -> CondGPT:
    """A GPT of three blocks in float64, with weights far from their small start."""
    torch.manual_seed(0)
    gpt = CondGPT(CondGPTConfig(CODES, n_layer=3, n_head=2, n_embd=16, window=WINDOW, **fields)).double().eval()
    with torch.no_grad():
        for name, parameter in gpt.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + (name.endswith("norm1.weight")))
    return gpt


def condition_for(gpt: CondGPT, size: tuple[int, int], batch: int) -> Any:
    """A condition of whole pictures for a GPT, unknown here and there."""
    generator = torch.Generator().manual_seed(size[0] * 100 + size[1])
    if not gpt.config.conditions:
        return torch.randint(5, (batch, 1), generator=generator)
    pixels, given = (size[0] * FACTOR, size[1] * FACTOR), {}
    for kind in gpt.config.conditions:
        if kind.form == "labels":
            given[kind.name] = torch.randint(-1, kind.size, (batch, *pixels), generator=generator)
        elif kind.form == "class":
            given[kind.name] = torch.randint(kind.size, (batch,), generator=generator)
        elif kind.form == "picture":
            given[kind.name] = torch.rand(batch, 3, *pixels, generator=generator, dtype=torch.float64) * 2 - 1
        elif kind.form == "embeddings":
            shape = batch, kind.length, kind.size
            given[kind.name] = torch.randn(shape, generator=generator, dtype=torch.float64)
            given[f"{kind.name}_mask"] = torch.arange(kind.length) >= torch.arange(1, batch + 1)[:, None]
    return given


def rar_shapes(layers: int, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published RAR."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width), "pos_embed": (1, 1280, width), "target_aware_pos_embed": (1, 1280, width),
        "timesteps_embeddings": (1, 356, width), "embeddings.weight": (2026, width),
    }  # fmt: skip
    for layer in range(layers):
        for name, rows, columns in (
            ("attn.qkv", 3 * width, width), ("attn.proj", width, width), ("mlp.fc1", hidden, width),
            ("mlp.fc2", width, hidden), ("adaLN_modulation.1", 6 * width, width),
        ):  # fmt: skip
            shapes |= {f"blocks.{layer}.{name}.weight": (rows, columns), f"blocks.{layer}.{name}.bias": (rows,)}
        for name, count in (
            ("norm1", width),
            ("norm2", width),
            ("attn.q_norm", width // 16),
            ("attn.k_norm", width // 16),
        ):
            shapes |= {f"blocks.{layer}.{name}.{kind}": (count,) for kind in ("weight", "bias")}
    shapes |= {"adaln_before_head.adaLN_modulation.1.weight": (2 * width, width)}
    return shapes | {
        "adaln_before_head.adaLN_modulation.1.bias": (2 * width,), "lm_head.weight": (1024, width),
        "lm_head.bias": (1024,),
    }  # fmt: skip


def llama_blocks(prefix: str, layers: int, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of LlamaGen's blocks."""
    of_block: dict[str, tuple[int, ...]] = {
        "attention.wqkv": (3 * width, width), "attention.wo": (width, width), "feed_forward.w1": (hidden, width),
        "feed_forward.w3": (hidden, width), "feed_forward.w2": (width, hidden), "attention_norm": (width,),
        "ffn_norm": (width,),
    }  # fmt: skip
    return {f"{prefix}{layer}.{name}.weight": shape for layer in range(layers) for name, shape in of_block.items()}


def ibq_ar_shapes(layers: int, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published IBQ-AR, without its tokenizer."""
    shapes = {f"transformer.{name}.weight": (16384, width) for name in ("tok_emb", "head")}
    shapes |= {"transformer.class_emb.embedding_table.weight": (1001, width)}
    shapes |= llama_blocks("transformer.blocks.", layers, width, hidden)
    for name, parts in [*((f"blocks.{layer}", 6) for layer in range(layers)), ("head_nm", 2)]:
        shapes |= {f"transformer.{name}.ada_lin.1.weight": (parts * width, width)}
        shapes |= {f"transformer.{name}.ada_lin.1.bias": (parts * width,)}
    return shapes | {"transformer.head_nm.rmsnorm.weight": (width,)}


def controlar_shapes(encoder: int, tokens: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published ControlAR: an adapter of a width, a table of so many tokens."""
    width, layers, text, patch = 1280, 36, 2048, "adapter.model.embeddings.patch_embeddings.projection"
    shapes: dict[str, tuple[int, ...]] = llama_blocks("layers.", layers, width, 3584) | {
        "adapter.model.embeddings.cls_token": (1, 1, encoder), "adapter.model.embeddings.mask_token": (1, encoder),
        "adapter.model.embeddings.position_embeddings": (1, 1370, encoder), f"{patch}.weight": (encoder, 3, 14, 14),
        f"{patch}.bias": (encoder,), "adapter.model.layernorm.weight": (encoder,),
        "adapter.model.layernorm.bias": (encoder,), "cls_embedding.uncond_embedding": (120, text),
        "condition_mlp.uncond_embedding": (tokens, width), "norm.weight": (width,),
    }  # fmt: skip
    for name in ("tok_embeddings", "condition_embeddings", "output"):
        shapes |= {f"{name}.weight": (16384, width)}
    for name, columns in (
        ("adapter_mlp", encoder), ("cls_embedding.cap_proj", text), ("condition_mlp.cap_proj", width),
        *((f"condition_layers.{k}", width) for k in range(3)),
    ):  # fmt: skip
        shapes |= {f"{name}.fc1.weight": (width, columns), f"{name}.fc2.weight": (width, width)}
    for layer in range(12):
        block = f"adapter.model.encoder.layer.{layer}"
        for name in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            shapes |= {f"{block}.{name}.weight": (encoder, encoder), f"{block}.{name}.bias": (encoder,)}
        for name, rows, columns in (
            ("attention.output.dense", encoder, encoder), ("mlp.fc1", 4 * encoder, encoder),
            ("mlp.fc2", encoder, 4 * encoder),
        ):  # fmt: skip
            shapes |= {f"{block}.{name}.weight": (rows, columns), f"{block}.{name}.bias": (rows,)}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            shapes |= {f"{block}.{name}": (encoder,)}
        shapes |= {f"{block}.layer_scale{k}.lambda1": (encoder,) for k in (1, 2)}
    return shapes


def write_llamagen_tokenizer(folder: Path, codes: int) -> Path:
    """A tokenizer of f = 16 and few codes by LlamaGen's names, all levels of 32 channels and one block."""
    conv, norm = {"weight": (32, 32, 3, 3), "bias": (32,)}, {"weight": (32,), "bias": (32,)}
    point = {"weight": (32, 32, 1, 1), "bias": (32,)}
    block = {"norm1": norm, "conv1": conv, "norm2": norm, "conv2": conv}
    attention = {"norm": norm, "q": point, "k": point, "v": point, "proj_out": point}
    middle = {"mid.0": block, "mid.1": attention, "mid.2": block}
    parts: dict[str, dict[str, Any]] = {}
    for half, blocks, resize in (("encoder", 1, "downsample"), ("decoder", 2, "upsample")):
        deepest = 4 if half == "encoder" else 0
        for level in range(5):
            for number in range(blocks):
                parts[f"{half}.conv_blocks.{level}.res.{number}"] = block
                if level == deepest:
                    parts[f"{half}.conv_blocks.{level}.attn.{number}"] = attention
            if level < 4:
                parts[f"{half}.conv_blocks.{level}.{resize}"] = {"conv": conv}
        parts |= {f"{half}.{name}": part for name, part in middle.items()} | {half: {"norm_out": norm}}
    shapes = {
        f"{part}.{layer}.{name}": shape
        for part, layers in parts.items()
        for layer, tensors in layers.items()
        for name, shape in tensors.items()
    }
    shapes |= {
        "encoder.conv_in.weight": (32, 3, 3, 3), "encoder.conv_in.bias": (32,),
        "encoder.conv_out.weight": (8, 32, 3, 3), "encoder.conv_out.bias": (8,),
        "decoder.conv_in.weight": (32, 8, 3, 3), "decoder.conv_in.bias": (32,),
        "decoder.conv_out.weight": (3, 32, 3, 3), "decoder.conv_out.bias": (3,),
        "quantize.embedding.weight": (codes, 8), "quant_conv.weight": (8, 8, 1, 1), "quant_conv.bias": (8,),
        "post_quant_conv.weight": (8, 8, 1, 1), "post_quant_conv.bias": (8,),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: torch.from_numpy(_value(1, name, list(shape), "weight" if len(shape) > 1 else "bias"))
        for name, shape in shapes.items()
    }
    torch.save({"model": weights}, folder / "vq_ds16_t2i.pt")
    return folder / "vq_ds16_t2i.pt"

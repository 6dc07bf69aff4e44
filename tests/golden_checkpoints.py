"""Checkpoints whose weights follow from a formula, and what the original program computes with them.

`golden/<case>.json` holds the config of a run of the original, the numbers that its inputs start from, and samples of its
outputs in float64. Names and shapes of the weights follow from the config, as the original defines them; their values
from a seed and the name.
"""

from __future__ import annotations

import json
import sys
import types
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in FOLDER.glob("taming_*.json"))

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def case(name: str) -> dict[str, Any]:
    """The description of a case."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def array(entry: dict[str, Any]) -> np.ndarray:
    """An input: values themselves, a grid of labels as one-hot squares, a ramp, or noise from a place in a stream."""
    if "values" in entry:
        return np.array(entry["values"])
    if "squares" in entry:
        labels = np.kron(np.array(entry["squares"]), np.ones((entry["side"], entry["side"]), dtype=int))
        return np.moveaxis(np.eye(entry["labels"], dtype=np.float32)[labels], -1, 0)[None]
    count = int(np.prod(entry["shape"]))
    if "ramp" in entry:
        first, last = entry["ramp"]
        return np.linspace(first, last, count).astype(np.float32).reshape(entry["shape"])
    generator = np.random.default_rng(entry["seed"])
    generator.bit_generator.advance(entry["skip"])  # type: ignore[attr-defined]
    return generator.uniform(-1, 1, count).astype(np.float32).reshape(entry["shape"])


def state_dict(description: dict[str, Any]) -> dict[str, torch.Tensor]:
    """All weights of a case, by the original's names."""
    model = description["config"]["model"]
    return {
        name: torch.from_numpy(_value(description["seed"], name, shape)) for name, shape in _shapes(model["params"])
    }


def write_run(name: str, folder: Path) -> Path:
    """Writes a case as a run folder, with a checkpoint such as Lightning wrote in 2020; returns the folder."""
    description = case(name)
    weights = state_dict(description)
    for key in [key for key in weights if key.endswith("attn.key.weight")]:
        length = weights["transformer.pos_emb"].shape[1]
        weights[key.replace("key.weight", "mask")] = torch.ones(length, length).tril()[None, None]
    weights["loss.perceptual_loss.scaling_layer.shift"] = torch.zeros(1, 3, 1, 1)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "configs").mkdir()
    save_as_lightning(folder / "checkpoints" / "last.ckpt", weights)
    (folder / "configs" / "2020-11-09T13-31-51-project.yaml").write_text(yaml.safe_dump(description["config"]))
    (folder / "configs" / "2020-11-09T13-31-51-lightning.yaml").write_text("lightning:\n  trainer: {}\n")
    return folder


def save_as_lightning(path: Path, weights: dict[str, torch.Tensor], **torch_save_options: Any) -> None:
    """A checkpoint with moments of an optimizer and a class that cannot be imported here."""
    package = "pytorch_lightning.callbacks.model_checkpoint"
    callback = type("ModelCheckpoint", (), {"__module__": package})
    moments = {number: {"step": 7, "exp_avg": torch.zeros(2, 3)} for number in range(3)}
    content = {
        "epoch": 3,
        "global_step": 1234,
        "pytorch-lightning_version": "1.0.8",
        "state_dict": weights,
        "callbacks": {callback: {"monitor": "val/rec_loss", "best": callback()}},
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 4.5e-6, "betas": (0.5, 0.9)}]}],
        "lr_schedulers": [],
    }
    stubs = {name: types.ModuleType(name) for name in (package, "pytorch_lightning.callbacks", "pytorch_lightning")}
    stubs[package].ModelCheckpoint = callback  # type: ignore[attr-defined]
    sys.modules.update(stubs)  # pickling looks the class up by its name
    try:
        torch.save(content, path, **torch_save_options)
    finally:
        for name in stubs:
            del sys.modules[name]


def _value(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape).astype(np.float32)
    layer, _, kind = name.rpartition(".")
    if layer.endswith(("tok_emb", "transformer")):
        return (0.5 * noise).astype(np.float32)  # tables of embeddings and positions
    if kind == "bias":
        return (0.1 * noise).astype(np.float32)
    if "norm" in layer.rpartition(".")[2] or layer.rpartition(".")[2] in ("ln1", "ln2", "ln_f"):
        return (1.0 + 0.1 * noise).astype(np.float32)
    if layer.endswith(("quantize.embedding", "quantize.embed")) or kind == "colorize":
        return noise
    return (noise / np.sqrt(int(np.prod(shape[1:])))).astype(np.float32)


def _shapes(parameters: dict[str, Any]) -> Shapes:
    if "transformer_config" not in parameters:
        yield from _vqgan(parameters)
        return
    yield from _below("first_stage_model", _vqgan(parameters["first_stage_config"]["params"]))
    condition = parameters["cond_stage_config"]
    if isinstance(condition, dict) and "ddconfig" in condition["params"]:
        yield from _below("cond_stage_model", _vqgan(condition["params"]))
    yield from _below("transformer", _gpt(parameters["transformer_config"]["params"]))


def _gpt(parameters: dict[str, Any]) -> Shapes:
    width, vocabulary = parameters["n_embd"], parameters["vocab_size"]
    yield "tok_emb.weight", (vocabulary, width)
    yield "pos_emb", (1, parameters["block_size"], width)
    for block in range(parameters["n_layer"]):
        for norm in ("ln1", "ln2"):
            yield from _norm(f"blocks.{block}.{norm}", width)
        sizes = {f"attn.{role}": (width, width) for role in ("key", "query", "value", "proj")}
        sizes |= {"mlp.0": (4 * width, width), "mlp.2": (width, 4 * width)}
        for layer, size in sizes.items():
            yield f"blocks.{block}.{layer}.weight", size
            yield f"blocks.{block}.{layer}.bias", size[:1]
    yield from _norm("ln_f", width)
    yield "head.weight", (vocabulary, width)


def _vqgan(parameters: dict[str, Any]) -> Shapes:
    network = parameters["ddconfig"]
    latent, code, count = network["z_channels"], parameters["embed_dim"], parameters["n_embed"]
    if "n_labels" in parameters:
        yield "colorize", (3, parameters["n_labels"], 1, 1)
    yield from _below("encoder", _encoder(network))
    yield from _below("decoder", _decoder(network))
    if "temperature_scheduler_config" in parameters:
        yield from _conv("quantize.proj", latent, count, 1)
        yield "quantize.embed.weight", (count, code)
    else:
        yield "quantize.embedding.weight", (count, code)
    yield from _conv("quant_conv", latent, code, 1)
    yield from _conv("post_quant_conv", code, latent, 1)


def _encoder(network: dict[str, Any]) -> Shapes:
    widths = [network["ch"] * multiplier for multiplier in network["ch_mult"]]
    width = network["ch"]
    yield from _conv("conv_in", network["in_channels"], width, 3)
    for level, level_width in enumerate(widths):
        for block in range(network["num_res_blocks"]):
            yield from _residual(f"down.{level}.block.{block}", width, level_width)
            width = level_width
            if network["resolution"] // 2**level in network["attn_resolutions"]:
                yield from _attention(f"down.{level}.attn.{block}", width)
        if level < len(widths) - 1:
            yield from _conv(f"down.{level}.downsample.conv", width, width, 3)
    yield from _tail(width, network["z_channels"])


def _decoder(network: dict[str, Any]) -> Shapes:
    widths = [network["ch"] * multiplier for multiplier in network["ch_mult"]]
    width = widths[-1]
    yield from _conv("conv_in", network["z_channels"], width, 3)
    for level in reversed(range(len(widths))):
        for block in range(network["num_res_blocks"] + 1):
            yield from _residual(f"up.{level}.block.{block}", width, widths[level])
            width = widths[level]
            if network["resolution"] // 2**level in network["attn_resolutions"]:
                yield from _attention(f"up.{level}.attn.{block}", width)
        if level > 0:
            yield from _conv(f"up.{level}.upsample.conv", width, width, 3)
    yield from _tail(width, network["out_ch"], middle=widths[-1])


def _tail(width: int, out_channels: int, *, middle: int | None = None) -> Shapes:
    middle = middle or width
    yield from _residual("mid.block_1", middle, middle)
    yield from _attention("mid.attn_1", middle)
    yield from _residual("mid.block_2", middle, middle)
    yield from _norm("norm_out", width)
    yield from _conv("conv_out", width, out_channels, 3)


def _residual(name: str, before: int, after: int) -> Shapes:
    yield from _norm(f"{name}.norm1", before)
    yield from _conv(f"{name}.conv1", before, after, 3)
    yield from _norm(f"{name}.norm2", after)
    yield from _conv(f"{name}.conv2", after, after, 3)
    if before != after:
        yield from _conv(f"{name}.nin_shortcut", before, after, 1)


def _attention(name: str, width: int) -> Shapes:
    yield from _norm(f"{name}.norm", width)
    for role in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.{role}", width, width, 1)


def _conv(name: str, before: int, after: int, size: int) -> Shapes:
    yield f"{name}.weight", (after, before, size, size)
    yield f"{name}.bias", (after,)


def _norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _below(prefix: str, shapes: Shapes) -> Shapes:
    return ((f"{prefix}.{name}", shape) for name, shape in shapes)

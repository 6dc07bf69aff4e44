"""Checkpoints of other programs whose weights follow from a formula, and what those programs compute with them.

`golden/<case>.json` holds names and shapes of the weights as the program names them, a seed, the files around them, and
samples of the program's outputs in float64. The values of the weights follow from the seed and their names.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

from golden_checkpoints import FOLDER, case

CASES = sorted(
    path.stem for path in FOLDER.glob("*.json") if not path.stem.startswith("taming_") and path.stem != "losses"
)
VQGANS = [name for name in CASES if not name.endswith("gpt")]


def state_dict(name: str) -> dict[str, torch.Tensor]:
    """All weights of a case, by the program's names."""
    description = case(name)
    shapes = dict(_leaves(description["tensors"], ""))
    weights = {key: torch.from_numpy(_value(description["seed"], key, shape)) for key, shape in shapes.items()}
    scale = description.get("codebook_scale", 1.0)
    return {key: scale * tensor if "quantize" in key else tensor for key, tensor in weights.items()}


def write(name: str, folder: Path) -> Path:
    """Writes a case into a folder as its program ships it; returns what a user would load."""
    description = case(name)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {description["prefix"] + key: tensor for key, tensor in state_dict(name).items()}
    path = folder / description["file"]
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in weights.items()}, path)
    else:
        torch.save({"state_dict" if path.suffix == ".ckpt" else "model": weights}, path)
    if description.get("config") is not None:
        (folder / "config.json").write_text(json.dumps(description["config"]))
    if description.get("yaml") is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(description["yaml"]))
    return path if path.suffix == ".pt" else folder


def options(name: str) -> dict[str, Any]:
    """What a user has to say to load a case."""
    return case(name).get("options", {})


def _leaves(branch: dict[str, Any], prefix: str):
    for key, value in branch.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, tuple(value)


def _value(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape).astype(np.float32)
    if name.endswith("bias"):
        return (0.1 * noise).astype(np.float32)
    if name.endswith(("tok_embeddings.weight", "embedding_table.weight")):
        return (0.5 * noise).astype(np.float32)
    if name.replace(".", "").endswith("quantizeembeddingweight"):
        return noise
    if len(shape) == 1:  # scales of normalisations
        return (1.0 + 0.1 * noise).astype(np.float32)
    return (noise / np.sqrt(int(np.prod(shape[1:])))).astype(np.float32)

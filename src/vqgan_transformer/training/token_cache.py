"""Tokens of a data set, computed once: several crops and flips of each picture, and of its condition.

A cache is a folder of memory-mapped arrays and a key: a digest of the tokenizers' weights, of the data's names, sizes and
dates, and of how crops are made. A cache with another key is stale and is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from ..conditions import Condition
from ..hub.config_json import to_json
from ..vqgan.model import VQGAN
from .conditioning import encode_condition
from .samples import CENTRE, Samples, loader
from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TokenCache", "cache_key", "encode_samples", "open_or_encode"]

KEY = "key.json"


@dataclass(frozen=True)
class TokenCache(Dataset):
    """Token grids, addressed by (epoch, index) like the samples they were made of.

    Attributes:
        tokens: (variants, N, h, w), of pictures.
        condition: (variants, N, …), of conditions.
    """

    tokens: np.ndarray
    condition: np.ndarray

    def __len__(self) -> int:
        return self.tokens.shape[1]

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        epoch, index = place
        variant = max(epoch, 0) % len(self.tokens)
        return {
            "tokens": torch.from_numpy(self.tokens[variant, index].astype(np.int64)),
            "condition": torch.from_numpy(self.condition[variant, index].astype(np.int64)),
        }


def cache_key(samples: Samples, vqgan: VQGAN, condition: Condition, training: Training, variants: int) -> dict[str, Any]:
    """What a cache depends on."""
    crops = {name: getattr(training, name) for name in ("seed", "crop", "short_sides", "scale_down", "flip")}
    return json.loads(
        json.dumps(
            {
                "data": samples.source.fingerprint(),
                "vqgan": _digest(vqgan),
                "condition": [condition.name, to_json(condition.config), _digest(condition)],
                "crops": crops,
                "variants": variants,
            }
        )
    )


def open_or_encode(
    folder: Path,
    samples: Samples,
    vqgan: VQGAN,
    condition: Condition,
    accelerator: Accelerator,
    *,
    variants: int,
    progress: bool,
) -> TokenCache:
    """The cache in a folder, made first if it is not there or stale; all processes encode their share.

    Args:
        folder: of the cache, which all processes can see.
        samples: of pictures with the condition.
        vqgan: encodes pictures.
        condition: encodes itself.
        accelerator: for devices and processes.
        variants: crops of each picture.
        progress: show a bar.
    """
    key = cache_key(samples, vqgan, condition, samples.training, variants)
    path = folder / KEY
    current = path.is_file() and json.loads(path.read_text(encoding="utf-8")) == key
    accelerator.wait_for_everyone()  # all have looked before anybody writes
    if not current:
        draft = folder.with_name(f".{folder.name}.partial")
        _encode(draft, samples, vqgan, condition, accelerator, variants, progress)
        if accelerator.is_main_process:
            (draft / KEY).write_text(json.dumps(key), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(draft, folder)
        accelerator.wait_for_everyone()
    return TokenCache(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("tokens", "condition")))


def _encode(
    draft: Path,
    samples: Samples,
    vqgan: VQGAN,
    condition: Condition,
    accelerator: Accelerator,
    variants: int,
    progress: bool,
) -> None:
    places = [(variant, index) for variant in range(variants) for index in range(len(samples))]
    first = encode_samples(samples, [places[0]], vqgan, condition, samples.training)
    if accelerator.is_main_process:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, array in first.items():
            shape = (variants, len(samples), *array.shape[1:])
            np.lib.format.open_memmap(draft / f"{name}.npy", mode="w+", dtype=np.int32, shape=shape).flush()
    accelerator.wait_for_everyone()
    arrays = {name: np.load(draft / f"{name}.npy", mmap_mode="r+") for name in first}
    own = places[accelerator.process_index :: accelerator.num_processes]
    size = samples.training.batch_size
    batches = [own[start : start + size] for start in range(0, len(own), size)]
    bar = tqdm(total=len(own), unit="picture", desc="tokens", disable=not (progress and accelerator.is_main_process))
    with bar:
        for batch, parsed in zip(batches, loader(samples, batches, samples.training.workers), strict=True):
            for name, array in _tokens(parsed, vqgan, condition).items():
                for place, row in zip(batch, array, strict=True):
                    arrays[name][place] = row
            bar.update(len(batch))
    for array in arrays.values():
        array.flush()
    accelerator.wait_for_everyone()


def encode_samples(
    samples: Samples, places: list[tuple[int, int]], vqgan: VQGAN, condition: Condition, training: Training
) -> dict[str, np.ndarray]:
    """Tokens of some samples, in memory: "tokens" (N, h, w) and "condition" (N, …)."""
    size = training.batch_size
    batches = [places[start : start + size] for start in range(0, len(places), size)]
    found = [_tokens(parsed, vqgan, condition) for parsed in loader(samples, batches, 0)]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def held_out_cache(samples: Samples, vqgan: VQGAN, condition: Condition, count: int) -> TokenCache:
    """The middles of up to ``count`` held-out samples."""
    places = [(CENTRE, index) for index in range(min(count, len(samples)))]
    encoded = encode_samples(samples, places, vqgan, condition, samples.training)
    return TokenCache(encoded["tokens"][None], encoded["condition"][None])


@torch.no_grad()
def _tokens(batch: dict[str, Tensor], vqgan: VQGAN, condition: Condition) -> dict[str, np.ndarray]:
    weight = vqgan.from_codes.weight
    return {
        "tokens": vqgan.encode(batch["image"].to(weight.device, weight.dtype)).cpu().numpy(),
        "condition": encode_condition(condition, batch[condition.name].to(weight.device)).cpu().numpy(),
    }


def _digest(module: torch.nn.Module) -> str:
    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")
    return digest.hexdigest()

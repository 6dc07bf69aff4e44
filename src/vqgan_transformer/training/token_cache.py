"""Tokens of a data set, computed once: several crops and flips of each picture, and of its condition.

A cache is a folder of memory-mapped arrays and a key: a digest of the tokenizers' weights, of the data's names, sizes and
dates, and of how crops are made. A cache with another key is stale and is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from ..errors import collect_notices
from ..gpt.config import CondGPTConfig
from ..storage.config_json import to_json
from ..vqgan.model import VQGAN
from .conditioning import encode_conditions
from .samples import CENTRE, Samples, loader, stack

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TokenCache", "cache_key", "digest_of_weights", "held_out_cache", "open_or_encode"]

KEY, TOKENS = "key.json", "tokens"


@dataclass(frozen=True)
class TokenCache(Dataset[Any]):
    """Token grids, addressed by (epoch, index) like the samples they were made of.

    Attributes:
        tokens: (variants, N, h, w), of pictures.
        conditions: by their names, (variants, N, …): tokens, or maps for aligned GPTs.
    """

    tokens: np.ndarray
    conditions: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: Path) -> TokenCache:
        """The cache in a folder; what is not looked at stays there."""
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
        return cls(arrays.pop(TOKENS), arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        # a worker process opens the files itself: sent as they are, memory-mapped arrays would be read as a whole
        if isinstance(self.tokens, np.memmap):
            return TokenCache.open, (Path(str(self.tokens.filename)).parent,)
        return TokenCache, (self.tokens, self.conditions)

    def __len__(self) -> int:
        result: int = self.tokens.shape[1]
        return result

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        epoch, index = place
        variant = max(epoch, 0) % len(self.tokens)
        sample = {"tokens": self.tokens[variant, index]}
        sample |= {name: values[variant, index] for name, values in self.conditions.items()}
        return {
            name: torch.as_tensor(np.array(value, dtype=np.float32 if value.dtype.kind == "f" else np.int64))
            for name, value in sample.items()
        }


def cache_key(samples: Samples, vqgan: VQGAN, config: CondGPTConfig, variants: int) -> dict[str, Any]:
    """What a cache depends on."""
    training = samples.training
    result: dict[str, Any] = json.loads(
        json.dumps(
            {
                "data": samples.source.fingerprint(),
                "vqgan": digest_of_weights(vqgan),
                "conditions": [
                    [part.name, to_json(part.config), repr(sorted(part.options.items())), digest_of_weights(part)]
                    for part in samples.conditions
                ],
                "form": [config.conditioning, [part.name for part in config.conditions]],
                "crops": {
                    name: getattr(training, name)
                    for name in ("seed", "crop", "short_sides", "scale_down", "scale_up", "flip", "people_share")
                },
                "variants": variants,
            }
        )
    )
    # not named where there are none, so that earlier caches stay valid
    return result | {"crude_maps": samples.crude_maps} if samples.crude_maps else result


def open_or_encode(
    folder: Path,
    samples: Samples,
    vqgan: VQGAN,
    config: CondGPTConfig,
    accelerator: Accelerator,
    *,
    variants: int,
    progress: bool,
) -> TokenCache:
    """The cache in a folder, made first if it is not there or stale; all processes encode their share.

    Args:
        folder: of the cache, which all processes can see.
        samples: of pictures with their conditions.
        vqgan: encodes pictures.
        config: of the GPT, which says what is needed of conditions.
        accelerator: for devices and processes.
        variants: crops of each picture.
        progress: show a bar.
    """
    key = cache_key(samples, vqgan, config, variants)
    current = _is_whole(folder, key)
    accelerator.wait_for_everyone()  # all have looked before anybody writes
    if not current:
        draft = folder.with_name(f".{folder.name}.partial")
        _encode(draft, samples, vqgan, config, accelerator, variants, progress)
        if accelerator.is_main_process:
            (draft / KEY).write_text(json.dumps(key), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(draft, folder)
        accelerator.wait_for_everyone()
    return TokenCache.open(folder)


def _encode(
    draft: Path,
    samples: Samples,
    vqgan: VQGAN,
    config: CondGPTConfig,
    accelerator: Accelerator,
    variants: int,
    progress: bool,
) -> None:
    first = _tokens(stack([samples[0, 0]]), samples, vqgan, config)
    if accelerator.is_main_process:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, array in first.items():
            kind = np.float32 if array.dtype.kind == "f" else np.int32
            shape = (variants, len(samples), *array.shape[1:])
            np.lib.format.open_memmap(draft / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
    accelerator.wait_for_everyone()
    arrays = {name: np.load(draft / f"{name}.npy", mmap_mode="r+") for name in first}
    share = range(accelerator.process_index, len(samples), accelerator.num_processes)
    size = max(1, samples.training.batch_size // variants)
    batches = [list(share[start : start + size]) for start in range(0, len(share), size)]
    pictures = _Variants(samples, variants)
    bar = tqdm(total=len(share), unit="picture", desc="tokens", disable=not (progress and accelerator.is_main_process))
    with bar:
        for batch, read in zip(batches, loader(pictures, batches, samples.training.workers, _all), strict=True):
            places = [(variant, index) for index in batch for variant in range(variants)]
            # a picture may have more crops than fit into memory at once
            for start in range(0, len(places), samples.training.batch_size):
                part = slice(start, start + samples.training.batch_size)
                crops = {name: values[part] for name, values in read.items()}
                for name, array in _tokens(crops, samples, vqgan, config).items():
                    for place, row in zip(places[part], array, strict=True):
                        arrays[name][place] = row
            bar.update(len(batch))
    for array in arrays.values():
        array.flush()
    accelerator.wait_for_everyone()


@dataclass(frozen=True)
class _Variants(Dataset[Any]):
    """All crops of each picture, whose files are read once."""

    samples: Samples
    count: int

    def __getitem__(self, index: int) -> list[dict[str, Tensor]]:
        with collect_notices():  # said once, by check()
            return self.samples.read_epochs(range(self.count), index)


def _all(pictures: list[list[dict[str, Tensor]]]) -> dict[str, Tensor]:
    return stack([crop for crops in pictures for crop in crops])


def _is_whole(folder: Path, key: dict[str, Any]) -> bool:
    """Whether a folder holds the cache of a key; one that is damaged is made anew, and a warning says so."""
    if not (folder / KEY).is_file():
        return False
    try:
        if json.loads((folder / KEY).read_text(encoding="utf-8")) != key:
            return False
        TokenCache.open(folder)
    except (ValueError, KeyError, OSError, EOFError) as error:
        warnings.warn(f"the tokens in {folder} are damaged ({error}): they are made anew.", stacklevel=3)
        return False
    return True


def held_out_cache(samples: Samples, vqgan: VQGAN, config: CondGPTConfig, chosen: Sequence[int]) -> TokenCache:
    """The middles of some held-out samples, in memory."""
    parts = [_tokens(stack([samples[CENTRE, index]]), samples, vqgan, config) for index in chosen]
    arrays = {name: np.concatenate([part[name] for part in parts])[None] for name in parts[0]}
    return TokenCache(arrays.pop(TOKENS), arrays)


@torch.no_grad()
def _tokens(batch: dict[str, Tensor], samples: Samples, vqgan: VQGAN, config: CondGPTConfig) -> dict[str, np.ndarray]:
    weight = vqgan.from_codes.weight
    parsed = {name: values.to(weight.device) for name, values in batch.items()}
    encoded = encode_conditions(config, samples.conditions, parsed)
    tokens = vqgan.encode(parsed["image"].to(weight.dtype))
    return {name: values.cpu().numpy() for name, values in {TOKENS: tokens, **encoded}.items()}


def digest_of_weights(module: torch.nn.Module) -> str:
    """What tells a model from others of its class: of the names, shapes, types and values of its weights."""
    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")
    return digest.hexdigest()

"""Tensors in files: looked at before they are read, and put into a model strictly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from ..errors import CheckpointError, UnsafeFileError
from .config_json import read_json

__all__ = [
    "StoredTensor",
    "build_on_meta",
    "check_numbers",
    "load_strictly",
    "read_safetensors",
    "read_sharded",
    "read_weights",
    "resolve_dtype",
    "shards_with_vqgan",
    "stay_inside",
]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
LARGEST_HEADER = 100 * 10**6
"""The longest header of a safetensors file, in bytes; the format's own limit."""

LARGEST_NUMBER = 2**16
"""A number in a config that is fine whatever the file holds."""

SAFETENSORS_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is known by its shape and not yet read.

    Attributes:
        shape: its sizes.
        dtype: its type in the file.
        read: gives the tensor, on the CPU, in memory of its own.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def bytes(self) -> int:
        """What it takes in memory, as stored."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_weights(folder: Path) -> dict[str, StoredTensor] | None:
    """What the safetensors files of a folder hold, in one file or in shards; ``None`` if there are none.

    Reads headers only.

    Raises:
        CheckpointError: for files that are missing, damaged or cut short.
        UnsafeFileError: for an index that points out of the folder.
    """
    if (folder / INDEX).exists():
        return read_sharded(folder / INDEX)
    return read_safetensors(folder / WEIGHTS) if (folder / WEIGHTS).exists() else None


def read_sharded(index: Path, only: Iterable[str] | None = None) -> dict[str, StoredTensor]:
    """What the shards hold that an index lists.

    Args:
        index: the JSON file.
        only: names of shards to look into; by default all.

    Raises:
        CheckpointError: for shards that are missing, damaged or cut short.
        UnsafeFileError: for an index that points out of its folder.
    """
    folder, weight_map = index.parent, _weight_map(index)
    headers = {}
    for name in sorted(set(weight_map.values() if only is None else only)):
        shard = stay_inside(folder, name)
        if shard.suffix != ".safetensors":
            raise UnsafeFileError(f"{index} names the shard {name!r}; shards are .safetensors files.")
        if not shard.is_file():
            raise CheckpointError(
                f"{index} names the shard {name!r}, which is missing from {folder}. Download it again."
            )
        headers[name] = read_safetensors(shard)
    wanted = {tensor: name for tensor, name in weight_map.items() if name in headers}
    lost = [f"{tensor} ({name})" for tensor, name in wanted.items() if tensor not in headers[name]]
    if lost:
        raise CheckpointError(f"{index} places tensors in shards that do not hold them: {_listed(lost)}.")
    return {tensor: headers[name][tensor] for tensor, name in wanted.items()}


def shards_with_vqgan(index: Path) -> list[str]:
    """The shards that matter to us: those with a VQGAN, if it is a part of a larger model, otherwise all."""
    weight_map = _weight_map(index)
    parts = tuple(name.removesuffix("encoder.conv_in.weight") for name in weight_map if _ENCODER.search(name))
    matter = {shard for name, shard in weight_map.items() if "" not in parts and name.startswith(parts)}
    return sorted(matter or set(weight_map.values()))


_ENCODER = re.compile(r"(^|\.)encoder\.conv_in\.weight$")


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index} has no weight_map from tensor names to file names. Save or download it again.")
    return weight_map


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Names, shapes and types in a safetensors file, with all that can be checked without reading tensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise CheckpointError(f"{path} is damaged or cut short: it has {size} bytes. Save or download it again.")
        if length > LARGEST_HEADER:
            raise UnsafeFileError(
                f"{path} asks for a header of {length} bytes; {LARGEST_HEADER} is the most there can be."
            )
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        return {name: _stored(path, name, entry, size - 8 - length) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is no safetensors file, or damaged: {error!r}. Download it again.") from error


def _stored(path: Path, name: str, entry: dict, available: int) -> StoredTensor:
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if entry["dtype"] not in SAFETENSORS_DTYPES:
        raise CheckpointError(
            f"{path}: {name} has the type {entry['dtype']}; known are {', '.join(SAFETENSORS_DTYPES)}."
        )
    dtype = SAFETENSORS_DTYPES[entry["dtype"]]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise CheckpointError(f"{path}: the sizes of {name} are not whole numbers. Download the file again.")
    if end > available:
        raise CheckpointError(
            f"{path} is cut short: {name} ends {end - available} bytes behind the end of the file. Download it again."
        )
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise CheckpointError(
            f"{path}: {name} of shape {shape} and type {dtype} does not fill its {end - begin} bytes."
        )
    return StoredTensor(shape, dtype, lambda: _read_safetensor(path, name))


def _read_safetensor(path: Path, name: str) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(
                name
            ).clone()  # a view of the mapped file would keep it open, also while it is replaced
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}. Save or download it again.") from error


def stay_inside(folder: Path, name: str) -> Path:
    """``folder / name``, for a name that comes from outside.

    Raises:
        UnsafeFileError: if the path is absolute, goes up, or leads out of the folder by a link. Links into the cache of
            the Hugging Face Hub, as it makes them for its own snapshots, are fine.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name or "\0" in name or not parts.parts:
        raise UnsafeFileError(f"{name!r} leads out of {folder}; give a path inside it.")
    path, root = folder.joinpath(*parts.parts), folder.resolve()
    homes = [root]
    for place in (root, *root.parents):
        if place.parent.name == "snapshots" and (place.parent.parent / "blobs").is_dir():
            homes.append((place.parent.parent / "blobs").resolve())
    if not any(path.resolve().is_relative_to(home) for home in homes):
        raise UnsafeFileError(f"{path} is a link that leads out of {folder}. Copy the files instead of linking them.")
    return path


def resolve_dtype(dtype: torch.dtype | str | None, torch_dtype: torch.dtype | str | None = None) -> torch.dtype | None:
    """The type asked for, from either of the two names of the argument, as a torch.dtype or its name ("float16").

    Raises:
        ValueError: if both are given and differ, or for a name that is no floating-point type.
        TypeError: for anything but a torch.dtype or a string.
    """
    asked = [_as_dtype(value) for value in (dtype, torch_dtype) if value is not None]
    if len(asked) == 2 and asked[0] != asked[1]:
        raise ValueError(f"dtype={dtype} and torch_dtype={torch_dtype} are the same argument: give one of them.")
    return asked[0] if asked else None


def _as_dtype(value: torch.dtype | str) -> torch.dtype:
    found = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if not isinstance(value, torch.dtype | str):
        raise TypeError(f"dtype is a torch.dtype or its name, got {value!r}.")
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(
            f"dtype must be a floating-point type, e.g. 'float32', 'float16' or 'bfloat16', got {value!r}."
        )
    return found


def check_numbers(fields: Any, tensors: Mapping[str, StoredTensor], where: str) -> None:
    """Refuses a config with numbers out of all proportion to the tensors that it is meant for.

    A whole number in a model's config is the size of something, a count of layers or an id; none is larger than what the
    file has of them. A config is data from outside: a billion blocks would otherwise be built, block by block.

    Args:
        fields: the config as JSON values.
        tensors: of the file.
        where: the file, for the message.

    Raises:
        CheckpointError: for the first number that is too large.
    """
    most = max([LARGEST_NUMBER, len(tensors), *(size for tensor in tensors.values() for size in tensor.shape)])
    waiting = [("config", fields)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, item) for item in value]
        elif isinstance(value, int) and abs(value) > most:
            raise CheckpointError(
                f"the config of {where} has {name} = {value}, but nothing in the weights is larger than {most}. It is "
                "damaged, or not meant for these weights."
            )


class _NoInitialisation(TorchFunctionMode):
    """Skips ``torch.nn.init``: there is nothing to fill, and on the meta device it would import a compiler to do so."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def build_on_meta(most_parameters: int, where: str) -> Iterator[None]:
    """Modules built inside have shapes but no memory, and not many more parameters than a file has tensors.

    Args:
        most_parameters: tensors of the file. Several times as many are let through, so that a config that merely
            disagrees with its file gets the full list of differences.
        where: the file, for the message.

    Raises:
        CheckpointError: where the module has too many parameters, or sizes beyond all bounds.
    """
    thread, count, limit = get_ident(), 0, 4 * most_parameters + 2_000

    def register(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        count += get_ident() == thread
        if count > limit:
            raise CheckpointError(
                f"the config of {where} describes a model with more than {limit} parameter tensors, but the file holds "
                f"{most_parameters}. It is damaged, or not meant for this file."
            )

    hook = register_module_parameter_registration_hook(register)
    try:
        with torch.device("meta"), _NoInitialisation():
            yield
    except (RuntimeError, OverflowError, MemoryError) as error:
        raise CheckpointError(f"the config of {where} describes a model that cannot be built: {error}") from error
    finally:
        hook.remove()


def load_strictly(
    module: nn.Module,
    tensors: Mapping[str, StoredTensor],
    *,
    dtype: torch.dtype | None,
    device: torch.device | str | None,
    where: str,
) -> None:
    """Gives a module built on the meta device its tensors.

    Names and shapes are compared before anything is read.

    Args:
        module: it registers no non-persistent buffers, since files do not hold them.
        tensors: by the names of the module's state dict; no more and no fewer.
        dtype: for floating-point tensors. ``None`` keeps float32 and float64 as stored and widens smaller ones, which
            are a way to ship weights, to float32.
        device: where to put them; ``None`` for the CPU.
        where: the file, for messages.

    Raises:
        CheckpointError: one message with all names that are missing or unexpected and all shapes that differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = [f"{name} {shape}" for name, shape in expected.items() if name not in tensors]
    unexpected = [f"{name} {tensor.shape}" for name, tensor in tensors.items() if name not in expected]
    mismatched = [
        f"{name}: {tensors[name].shape} in the file, {shape} by the config"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if missing or unexpected or mismatched:
        reasons = (("missing", missing), ("not part of the model", unexpected), ("of another shape", mismatched))
        report = "".join(f"\n  {len(names)} {what}: {_listed(names)}" for what, names in reasons if names)
        raise CheckpointError(
            f"{where} does not fit {type(module).__name__} as its config describes it.{report}\n"
            "The config and the weights belong to different models, or the file is damaged."
        )
    state = {}
    # shown where loading takes more than two seconds; None: and where there is somebody to look
    for name in tqdm(
        expected, desc=f"Loading {type(module).__name__}", unit="tensor", delay=2, leave=False, disable=None
    ):
        tensor = tensors[name].read()
        state[name] = tensor.to(device=device or "cpu", dtype=_target(tensor.dtype, dtype))
    module.load_state_dict(state, strict=True, assign=True)
    left = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    if left:
        raise TypeError(
            f"{type(module).__name__} has buffers that are not saved ({', '.join(left)}): compute them instead."
        )


def _target(stored: torch.dtype, asked: torch.dtype | None) -> torch.dtype:
    if not stored.is_floating_point:
        return stored
    return asked or (torch.float32 if stored.itemsize < 4 else stored)


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return "; ".join(names[:most]) + (f"; and {len(names) - most} more" if len(names) > most else "")

"""Tensors in files: looked at before they are read, and put into a model strictly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from ..errors import CheckpointError, UnsafeFileError, shortened
from .config_json import LARGEST_JSON, parse_json
from .file_kinds import SAFETENSORS, refuse_other_kinds

__all__ = [
    "StoredTensor",
    "build_on_meta",
    "check_numbers",
    "listed",
    "load_strictly",
    "read_numbers",
    "read_safetensors",
    "resolve_dtype",
]

MOST_AXES = 64
"""Axes of a tensor, as many as torch has."""

MOST_TENSORS = 100_000
"""Tensors of a file."""

MOST_PARAMETERS = 10_000
"""Parameter tensors of a model, several times those of the largest that there is."""

LARGEST_NUMBER = 2**16
"""A number in a config that is fine whatever the file holds."""

SAFETENSORS_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
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


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Names, shapes and types in a safetensors file, with all that can be checked without reading tensors.

    Raises:
        CheckpointError: if it is damaged or cut short.
        UnsafeFileError: for a header out of proportion, or tensors that share memory.
    """
    refuse_other_kinds(path, SAFETENSORS)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise CheckpointError(f"{path} is damaged or cut short: it has {size} bytes. Save or download it again.")
        if length > LARGEST_JSON:
            raise UnsafeFileError(
                f"{path} asks for a header of {length} bytes; a checkpoint's has at most {LARGEST_JSON}."
            )
        raw = file.read(length)
    try:
        header = parse_json(raw)
        header.pop("__metadata__", None)
        if len(header) > MOST_TENSORS:
            raise UnsafeFileError(f"{path} lists {len(header)} tensors; a checkpoint has at most {MOST_TENSORS}.")
        places = {name: _place(path, name, entry, size - 8 - length) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = f"{type(error).__name__}: {shortened(error)}"
        raise CheckpointError(f"{path} is no safetensors file, or damaged: {reason}. Download it again.") from error
    end = 0
    for name, (begin, after, _, _) in sorted(places.items(), key=lambda item: item[1][:2]):
        if begin != end:
            raise UnsafeFileError(f"{path}: {shortened(name)} does not lie behind the tensor before it.")
        end = after
    start = 8 + length
    return {name: _stored(path, start + begin, shape, dtype) for name, (begin, _, shape, dtype) in places.items()}


def _place(
    path: Path, name: str, entry: dict[str, Any], available: int
) -> tuple[int, int, tuple[int, ...], torch.dtype]:
    """(begin, end, shape, dtype) of a tensor by its entry in the header."""
    sizes, (begin, end) = entry["shape"], entry["data_offsets"]
    name = shortened(name)
    if entry["dtype"] not in SAFETENSORS_DTYPES:
        known = ", ".join(SAFETENSORS_DTYPES)
        raise CheckpointError(f"{path}: {name} has the type {shortened(entry['dtype'])}; known are {known}.")
    dtype = SAFETENSORS_DTYPES[entry["dtype"]]
    if len(sizes) > MOST_AXES:
        raise UnsafeFileError(f"{path}: {name} has {len(sizes)} axes; a tensor has at most {MOST_AXES}.")
    shape = tuple(sizes)
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise CheckpointError(f"{path}: the sizes of {name} are not whole numbers. Download the file again.")
    if end > available:
        raise CheckpointError(
            f"{path} is cut short: {name} ends {end - available} bytes behind the end of the file. Download it again."
        )
    if math.prod(length or 1 for length in shape) >= 2**62 or math.prod(shape) * dtype.itemsize != end - begin:
        raise CheckpointError(
            f"{path}: {name} of shape {shape} and type {dtype} does not fill its {end - begin} bytes."
        )
    return begin, end, shape, dtype


def _stored(path: Path, begin: int, shape: tuple[int, ...], dtype: torch.dtype) -> StoredTensor:
    return StoredTensor(shape, dtype, lambda: _read_safetensor(path, begin, shape, dtype))


def _read_safetensor(path: Path, begin: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    with path.open("rb") as file:
        return read_numbers(file, begin, math.prod(shape), dtype, path).view(shape)


def read_numbers(file: BinaryIO, begin: int, count: int, dtype: torch.dtype, where: object) -> Tensor:
    """So many numbers from a place in a file, in memory of their own: (count,).

    Raises:
        CheckpointError: if the file ends before.
    """
    raw = torch.empty(count * dtype.itemsize, dtype=torch.uint8)
    file.seek(begin)
    if count and file.readinto(raw.numpy().data) < len(raw):  # type: ignore[attr-defined]  # files have it, BinaryIO lacks it
        raise CheckpointError(f"{where} is cut short. Download or copy it again.")
    return raw.view(dtype)


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
    dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if not isinstance(value, torch.dtype | str):
        raise TypeError(f"dtype is a torch.dtype or its name, got {value!r}.")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(
            f"dtype must be a floating-point type, e.g. 'float32', 'float16' or 'bfloat16', got {value!r}."
        )
    return dtype


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
    most = max(
        [LARGEST_NUMBER, len(tensors), *(size for tensor in tensors.values() if tensor.bytes for size in tensor.shape)]
    )
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
    thread, count, limit = get_ident(), 0, min(4 * most_parameters + 2_000, MOST_PARAMETERS)

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
        tensors: by the names of the module's state dict, no more and no fewer; or by these with what DistributedDataParallel
            or torch.compile, which wrap a module, put into all of them.
        dtype: for floating-point tensors. ``None`` keeps float32 and float64 as stored and widens smaller ones, which
            are a way to ship weights, to float32.
        device: where to put them; ``None`` for the CPU.
        where: the file, for messages.

    Raises:
        CheckpointError: one message with all names that are missing or unexpected and all shapes that differ, or one with
            all tensors that hold whole numbers in place of weights, or infinite ones.
    """
    parameters = module.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    floating = [name for name, tensor in parameters.items() if tensor.is_floating_point()]
    tensors = _unwrapped(tensors, expected)
    missing = [f"{name} {shape}" for name, shape in expected.items() if name not in tensors]
    unexpected = [f"{name} {tensor.shape}" for name, tensor in tensors.items() if name not in expected]
    mismatched = [
        f"{name}: {tensors[name].shape} in the file, {shape} by the config"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if missing or unexpected or mismatched:
        reasons = (
            (f"{len(missing)} of {len(expected)} missing", missing),
            (f"{len(unexpected)} not part of the model", unexpected),
            (f"{len(mismatched)} of another shape", mismatched),
        )
        report = "".join(f"\n  {what}: {listed(names)}" for what, names in reasons if names)
        incomplete = missing and not unexpected and not mismatched
        raise CheckpointError(
            f"{where} does not fit {type(module).__name__} as its config describes it.{report}\n"
            + (
                "The file is not whole: save or download it again, all of its parts."
                if incomplete
                else "The config and the weights belong to different models, or the file is damaged."
            )
        )
    whole = [f"{name} ({tensors[name].dtype})" for name in floating if not tensors[name].dtype.is_floating_point]
    if whole:
        raise CheckpointError(
            f"{where} holds whole numbers where weights should be: {listed(whole)}. Quantised weights cannot be loaded: "
            "get those in float32, float16 or bfloat16."
        )
    state: dict[str, Tensor] = {}
    broken: list[str] = []
    # shown where loading takes more than two seconds; None: and where there is somebody to look
    for name in tqdm(
        expected, desc=f"Loading {type(module).__name__}", unit="tensor", delay=2, leave=False, disable=None
    ):
        stored = tensors[name].read()
        tensor = stored.to(_target(stored.dtype, dtype))
        if not _is_finite(tensor):
            broken.append(f"{name} (beyond {tensor.dtype} once converted)" if _is_finite(stored) else name)
        state[name] = tensor.to(device=device or "cpu")
    if broken:
        raise CheckpointError(
            f"{where} holds numbers that are infinite or none (NaN) in {len(broken)} of its {len(state)} tensors: "
            f"{listed(broken)}. The training that it comes from broke down, or the file is damaged: take an earlier one, "
            "or a larger dtype=."
        )
    module.load_state_dict(state, strict=True, assign=True)
    left = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    if left:
        raise TypeError(
            f"{type(module).__name__} has buffers that are not saved ({', '.join(left)}): compute them instead."
        )


def _unwrapped(tensors: Mapping[str, StoredTensor], expected: Iterable[str]) -> Mapping[str, StoredTensor]:
    """Tensors by a module's names, where theirs differ from these by what wrappers put into them, and by nothing else."""
    plain = {name.replace("_orig_mod.", "").removeprefix("module."): tensor for name, tensor in tensors.items()}
    return plain if len(plain) == len(tensors) and plain.keys() == {*expected} else tensors


def _target(stored: torch.dtype, asked: torch.dtype | None) -> torch.dtype:
    if not stored.is_floating_point:
        return stored
    return asked or (torch.float32 if stored.itemsize < 4 else stored)


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = (tensor.float() if tensor.dtype.itemsize == 1 else tensor).aminmax()  # NaN passes through
    return math.isfinite(low.item()) and math.isfinite(high.item())


def listed(names: Iterable[str], most: int = 8) -> str:
    """The first names of a list for a message, each shortened, and how many more there are."""
    names = list(names)
    shown = "; ".join(map(shortened, names[:most]))
    return shown + (f"; and {len(names) - most} more" if len(names) > most else "")

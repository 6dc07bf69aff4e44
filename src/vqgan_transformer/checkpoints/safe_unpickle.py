"""Reads what ``torch.save`` wrote, without executing anything and without reading tensors that nobody asks for.

``.ckpt``, ``.pt``, ``.pth`` and ``.bin`` files hold a pickle, which says what there is, and the memory of the tensors. Two
containers are known: the zip archive of torch 1.6 and later, and the plain stream before it. Lightning's checkpoints carry
the state of the optimizer, more than half of the file, and classes of packages that need not be installed: the first stays
unread, the second become stand-ins (see :mod:`.pickle_machine`).
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ..errors import CheckpointError, UnsafeFileError, shortened
from ..storage.file_kinds import PICKLE, refuse_other_kinds
from ..storage.weights import StoredTensor, read_numbers
from .pickle_machine import MOST_BYTES, MOST_INSTRUCTIONS, Global, StandIn, run_pickle, usable_as_key
from .zip_directory import read_directory

__all__ = ["LazyCheckpoint", "read_checkpoint", "read_state_dict", "refuse_shared"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
FEW = 1000
"""Instructions of the pickles in front of the content: two numbers and a small dictionary."""

STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}  # fmt: skip
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in STORAGES.values()} | {
    name: getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64")
}

MOST_AXES = 64
MOST_TIMES_SHARED = 4
"""Weights that two parts of a model share are in memory twice."""

LONGEST_KEY = 256
"""Letters of the name of a tensor's memory; torch counts them through."""


@dataclass(frozen=True)
class LazyCheckpoint:
    """The content of a file, its tensors not read yet.

    Attributes:
        path: the file.
        content: containers and numbers as they were saved, :class:`StoredTensor` for tensors, :class:`StandIn` for all
            else.
    """

    path: Path
    content: Any

    def tensors(self, *names: str) -> dict[str, StoredTensor]:
        """The tensors of a state dict in the file, by name.

        Args:
            names: entries of the file to look for it, the first that is there counts; by default, or if none is there,
                the top level.

        Raises:
            CheckpointError: if there are no tensors, or something among them is none.
        """
        content = self.content
        if isinstance(content, dict):
            content = next((content[name] for name in names if isinstance(content.get(name), dict)), content)
        tensors = {}
        for name, value in content.items() if isinstance(content, dict) else ():
            if isinstance(value, StandIn):
                raise CheckpointError(f"{self.path}: {name} is {value.of}, not an ordinary tensor.")
            if isinstance(value, StoredTensor):
                tensors[str(name)] = value
        if not tensors:
            top = list(content)[:10] if isinstance(content, dict) else [type(content).__name__]
            raise CheckpointError(
                f"{self.path} holds no weights at its top level ({shortened(', '.join(map(str, top)))})."
            )
        return tensors


def refuse_shared(path: Path, tensors: Iterable[StoredTensor]) -> None:
    """Raises an UnsafeFileError for tensors that are views of the same memory, many times over."""
    size, taken = path.stat().st_size, sum(tensor.bytes for tensor in tensors)
    if taken > MOST_TIMES_SHARED * size:
        raise UnsafeFileError(f"{path} has {size} bytes, and tensors that would take {taken}: they share their memory.")


def read_state_dict(path: str | os.PathLike[str], *names: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint's state dict, read; arguments and errors as for :meth:`LazyCheckpoint.tensors`."""
    stored = read_checkpoint(path).tensors(*(names or ("state_dict",)))
    left = MOST_TIMES_SHARED * os.stat(path).st_size
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        tensors[name] = tensor.read()
        left -= tensor.bytes
        if left < 0:
            raise UnsafeFileError(f"{path} has tensors that share their memory, many times over.")
    return tensors


def read_checkpoint(path: str | os.PathLike[str]) -> LazyCheckpoint:
    """What a file of ``torch.save`` holds.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged, cut short, or of another format.
        UnsafeFileError: if it asks for more than data.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith(b"PK\x03\x04"):
            return LazyCheckpoint(path, _read_zip(path, file))
        if start[257:262] == b"ustar":
            raise CheckpointError(
                f"{path} is a tar archive, as torch 0.1 wrote checkpoints. Load and save it again with any later torch."
            )
        refuse_other_kinds(path, PICKLE)
        if start.startswith(b"\x80"):
            return LazyCheckpoint(path, _read_legacy(path, file))
    raise CheckpointError(
        f"{path} is no checkpoint of torch: it is neither a zip archive nor a pickle. Download it again."
    )


# ---------------------------------------------------------------------------------------------------------------------
# Containers
# ---------------------------------------------------------------------------------------------------------------------


def _read_zip(path: Path, file: BinaryIO) -> Any:
    size = path.stat().st_size
    members = read_directory(file, size, path)
    roots = [name.removesuffix("data.pkl") for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        names = ", ".join(sorted(members)[:3]) or "nothing"
        raise CheckpointError(
            f"{path} is a zip archive, but none that torch.save wrote: it has no data.pkl, but {shortened(names)}."
        )
    root = roots[0]
    if root + "constants.pkl" in members or any(name.startswith(root + "code/") for name in members):
        raise CheckpointError(f"{path} is a TorchScript program, not a checkpoint. Save its state_dict() instead.")
    if sum(member.length for member in members.values()) > size or not all(m.stored for m in members.values()):
        raise UnsafeFileError(
            f"{path} holds more than its {size} bytes once unpacked; torch never compresses checkpoints."
        )

    def place(file: BinaryIO, name: str) -> tuple[int, int]:
        try:
            return members[root + name].place(file, size)
        except ValueError as error:
            raise CheckpointError(f"{path} is damaged or cut short: {error} ({name}). Download it again.") from error

    def content(name: str, most: int) -> bytes:
        begin, length = place(file, name)
        if length > most:
            raise UnsafeFileError(f"{path}: {name} has {length} bytes; in a checkpoint it has at most {most}.")
        file.seek(begin)
        return file.read(length)

    def storage_place(file: BinaryIO, key: str) -> tuple[int, int]:
        if f"{root}data/{key}" not in members:
            raise CheckpointError(f"{path} is incomplete: the tensor memory {key!r} is missing. Download it again.")
        return place(file, f"data/{key}")

    if root + "byteorder" in members and content("byteorder", 16) != b"little":
        raise CheckpointError(f"{path} was written on a big-endian machine, which is not supported.")
    storages = _Storages(path, storage_place)
    return storages.run(io.BytesIO(content("data.pkl", MOST_BYTES)))


def _read_legacy(path: Path, file: BinaryIO) -> Any:
    """Four pickles (magic number, version, facts of the machine, content), storage keys, then the storages themselves."""
    places: dict[str, tuple[int, int]] = {}
    storages = _Storages(path, lambda _, key: places[key])
    if storages.run(file, FEW) != LEGACY_MAGIC:
        raise CheckpointError(f"{path} is a pickle, but none that torch.save wrote. Save tensors with torch.save.")
    if storages.run(file, FEW) != LEGACY_PROTOCOL:
        raise CheckpointError(f"{path} has an unknown version of torch's old format.")
    system = storages.run(file, FEW)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError(f"{path} was written on a big-endian machine, which is not supported.")
    content = storages.run(file)
    keys, size = storages.run(file), path.stat().st_size
    names = [_storage_key(path, key) for key in keys] if isinstance(keys, list) else []
    if not isinstance(keys, list) or len(names) != len(set(names)) or set(names) != storages.item_sizes.keys():
        raise CheckpointError(
            f"{path} is damaged: it does not list the memory that its tensors need. Download it again."
        )
    for key in names:
        length = int.from_bytes(file.read(8), "little") * storages.item_sizes[key]
        places[key] = file.tell(), length
        if file.tell() + length > size:
            raise CheckpointError(f"{path} is cut short: it ends within its tensors. Download or copy it again.")
        file.seek(length, os.SEEK_CUR)
    return content


# ---------------------------------------------------------------------------------------------------------------------
# Tensors
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Storage:
    """A stretch of memory that tensors are views of: ``count`` numbers from number ``start`` of the storage ``key``."""

    key: str
    dtype: torch.dtype
    start: int
    count: int


class _Storages:
    """Follows a pickle's references to tensor memory.

    Args:
        path: the file.
        place: tells for the open file and a storage's key where its bytes begin and how many there are. It is asked when
            a tensor is read.
    """

    def __init__(self, path: Path, place: Callable[[BinaryIO, str], tuple[int, int]]):
        self.path, self.place = path, place
        self.item_sizes: dict[str, int] = {}
        rebuild, parameter, typed = self.tensor, self.parameter, self.of_type
        self.calls: dict[Global, Callable[..., Any]] = {
            Global("collections", "OrderedDict"): _dictionary,
            Global("collections", "defaultdict"): lambda *_: {},
            Global("torch", "Size"): lambda sizes=(): tuple(sizes),
            Global("torch._utils", "_rebuild_tensor"): rebuild,
            Global("torch._utils", "_rebuild_tensor_v2"): rebuild,
            Global("torch._utils", "_rebuild_tensor_v3"): self.untyped_tensor,
            Global("torch._utils", "_rebuild_parameter"): parameter,
            Global("torch._utils", "_rebuild_parameter_with_state"): parameter,
            Global("torch._tensor", "_rebuild_from_type"): typed,
            Global("torch._tensor", "_rebuild_from_type_v2"): typed,
        }

    def run(self, stream: BinaryIO, most_instructions: int = MOST_INSTRUCTIONS) -> Any:
        """The object of the pickle at which a stream stands."""
        return run_pickle(
            stream,
            str(self.path),
            calls=self.calls,
            persistent=self.storage,
            most_instructions=most_instructions,
        )

    def storage(self, reference: Any) -> Any:
        """What stands for a persistent id: ("storage", type, key, device, count, and in old files a view of it)."""
        if not isinstance(reference, tuple) or len(reference) not in (5, 6) or reference[0] != "storage":
            return StandIn("persistent id")
        _, kind, key, _, count, *view = reference
        if not isinstance(kind, Global) or kind.name not in STORAGES or not _is_torch(kind):
            return StandIn(kind)
        start = 0
        if view and view[0] is not None:
            _, start, count = view[0]
        _check(self.path, (start, count), "a storage")
        name, dtype = _storage_key(self.path, key), STORAGES[kind.name]
        self.item_sizes[name] = dtype.itemsize
        return _Storage(name, dtype, start, count)

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor | StandIn:
        """The view of a storage that a tensor is, checked against the size of the storage."""
        if not isinstance(storage, _Storage):
            return StandIn("tensor of an unknown kind")
        if len(size) > MOST_AXES or len(size) != len(stride):
            raise UnsafeFileError(f"{self.path} has a tensor with {len(size)} sizes and {len(stride)} strides.")
        shape, stride = tuple(size), tuple(stride)
        _check(self.path, (offset, *shape, *stride), "a tensor")
        if math.prod(length or 1 for length in shape) >= 2**62:
            raise UnsafeFileError(f"{self.path} has a tensor with sizes {shape}.")
        span = 1 + sum((length - 1) * step for length, step in zip(shape, stride, strict=True)) if all(shape) else 0
        if offset + span > storage.count:
            raise UnsafeFileError(
                f"{self.path} has a tensor of {shape} that reaches {offset + span - storage.count} numbers beyond its memory."
            )
        return StoredTensor(shape, storage.dtype, lambda: self.read(storage, offset, span, shape, stride))

    def untyped_tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *_: Any
    ) -> StoredTensor | StandIn:
        """The same, of a storage of bytes that the tensor says how to read."""
        if not isinstance(storage, _Storage) or not isinstance(dtype, Global) or dtype.name not in DTYPES:
            return StandIn("tensor of an unknown kind")
        kind = DTYPES[dtype.name]
        count = storage.count * storage.dtype.itemsize // kind.itemsize
        return self.tensor(_Storage(storage.key, kind, storage.start, count), offset, size, stride)

    def parameter(self, data: Any, *_: Any) -> Any:
        """The tensor of a parameter."""
        return data if isinstance(data, StoredTensor) else StandIn("parameter of an unknown kind")

    def of_type(self, function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
        """The tensor of a subclass or with attributes, as a plain one."""
        tensors = {call: self.calls[call] for call in self.calls if call.module == "torch._utils"}
        known = tensors.get(function) if isinstance(function, Global) else None
        return known(*arguments) if known is not None and isinstance(arguments, tuple) else StandIn(kind)

    def read(
        self, storage: _Storage, offset: int, span: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> Tensor:
        """Reads just the bytes of one tensor."""
        if math.prod(shape) > span:
            raise UnsafeFileError(f"{self.path} has a tensor of {shape} that repeats {span} numbers; weights do not.")
        item = storage.dtype.itemsize
        with self.path.open("rb") as file:
            begin, length = self.place(file, storage.key)
            first = (storage.start + offset) * item
            if first + span * item > length:
                raise CheckpointError(
                    f"{self.path} is damaged: a tensor of {shape} needs more memory than the file has of it."
                )
            numbers = read_numbers(file, begin + first, span, storage.dtype, self.path)
        return numbers.as_strided(shape, stride).contiguous()


def _dictionary(items: Iterable[Any] = ()) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {usable_as_key(key): value for key, value in pairs}


def _is_torch(kind: Global) -> bool:
    return kind.module == "torch" or kind.module.startswith("torch.")


def _storage_key(path: Path, key: Any) -> str:
    if type(key) is int and abs(key) < 2**64:
        return str(key)
    if not isinstance(key, str) or len(key) > LONGEST_KEY:
        raise UnsafeFileError(f"{path} refers to tensor memory by {type(key).__name__} instead of a short name.")
    return key


def _check(path: Path, numbers: Iterable[Any], what: str) -> None:
    if any(type(number) is not int or not 0 <= number < 2**62 for number in numbers):
        raise UnsafeFileError(f"{path} describes {what} by something else than sizes.")

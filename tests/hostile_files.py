"""Files as a stranger would make them: pickles with calls in them, by hand or by torch, and what they call."""

from __future__ import annotations

import functools
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import _utils

from vqgan_transformer.checkpoints.safe_unpickle import LEGACY_MAGIC

CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy stream"])


class Call:
    """Pickles as a call: ``Call(f, *arguments)`` stands for ``f(*arguments)`` once unpickled in the ordinary way."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def payloads(trace: Path) -> dict[str, object]:
    touch = f"open({str(trace)!r}, 'w')  # payload"
    return {
        "os.system": Call(os.system, f'echo payload > "{trace}"'),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "open": Call(open, str(trace), "w"),
        "pathlib": Call(Path.touch, trace),
        "load_from_bytes": Call(torch.storage._load_from_bytes, saved(Call(exec, touch))),
        "nested pickle": Call(pickle.loads, pickle.dumps(Call(exec, touch))),
        "partial": Call(functools.partial, exec, touch),
    }


def saved(value: object, **options) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def write(path: Path, value: object, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def zip_with_pickle(path: Path, program: bytes, storages: dict[str, bytes] | None = None, **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


class Pickler(pickle.Pickler):
    """Writes ``Persistent(x)`` as the persistent id x."""

    def persistent_id(self, obj):
        return obj.reference if isinstance(obj, Persistent) else None


class Persistent:
    def __init__(self, *reference):
        self.reference = reference


def program(value: object) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def tensor_call(
    storage: Any = None,
    offset: Any = 0,
    size: Any = (2, 3),
    stride: Any = (3, 1),
    function=_utils._rebuild_tensor_v2,
    more=(),
):
    storage = storage or Persistent("storage", torch.FloatStorage, "0", "cpu", 6)
    return Call(function, storage, offset, size, stride, False, OrderedDict(), *more)


SIX = {"0": struct.pack("<6f", *range(6))}


def bomb(body: bytes) -> bytes:
    return b"\x80\x04" + body + b"."


def laughs(levels: int, empty: bytes, parts: bytes, first: int = 0) -> bytes:
    """A nest in which each level holds the one before it ten times: ten to the power of ``levels`` parts."""
    put, get = (lambda n: b"r" + struct.pack("<I", first + n)), (lambda n: b"j" + struct.pack("<I", first + n))
    return empty + put(0) + b"0" + b"".join(parts.replace(b"*", get(n) * 10) + put(n + 1) + b"0" for n in range(levels))


def text(letters: str) -> bytes:
    """Pushes a string."""
    return b"X" + struct.pack("<I", len(letters)) + letters.encode()


def legacy_with_keys(path: Path, keys: bytes) -> Path:
    """A stream of torch before 1.6 with these instructions for the list of its storages."""
    start = [LEGACY_MAGIC, 1001, {"little_endian": True}, {}]
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in start) + bomb(keys))
    return path

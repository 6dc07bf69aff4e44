"""An interpreter of pickles in which nothing can be called.

A pickle is a program for a small stack machine. Python's own interpreter imports and calls whatever the program names;
that is how a checkpoint runs code on the machine of whoever opens it. This one knows the instructions that torch's
checkpoints consist of and builds numbers, strings, lists, tuples, sets and dictionaries. The name of a class or function
stays a name (:class:`Global`). Calling one consults a table that the caller passes; what is not in it becomes an inert
:class:`StandIn`, which swallows whatever the program does to it.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import CheckpointError, UnsafeFileError

__all__ = ["Global", "StandIn", "run_pickle", "usable_as_key"]

MOST_BYTES = 64 * 2**20
"""The longest pickle that is read. Tensors are stored beside it: that of a model with 1.4 billion weights has one MB."""

MOST_INSTRUCTIONS = 4_000_000
"""The most instructions that are followed, each of which makes at most one object."""

LONGEST_NUMBER = 255
"""Bytes of a whole number."""


@dataclass(frozen=True)
class Global:
    """The name of a class or function in a pickle, and nothing more than the name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class StandIn:
    """In place of an object that is not built. It has the name of what made it and no behaviour."""

    def __init__(self, of: object):
        # anything but a name may be a nest without end, which is not to be spelled out
        self.of = str(of) if isinstance(of, str | Global) else type(of).__name__

    def __repr__(self) -> str:
        return f"<not loaded: {self.of}>"


_KEYS = (str, int, float, bytes, type(None), Global, StandIn)


def usable_as_key(value: object) -> Any:
    """The value itself if it is plain enough to be hashed safely, otherwise a stand-in.

    The hash of a tuple visits all that is in it: a nest of tuples that share their parts takes for ever.
    """
    plain = isinstance(value, _KEYS) or (isinstance(value, tuple) and all(isinstance(item, _KEYS) for item in value))
    return value if plain else StandIn(type(value).__name__)


def run_pickle(
    stream: BinaryIO,
    where: str,
    *,
    calls: Mapping[Global, Callable[..., Any]],
    persistent: Callable[[Any], Any],
) -> Any:
    """The object that a pickle describes. Afterwards the stream stands behind it.

    Args:
        stream: at the start of the pickle.
        where: the file, for messages.
        calls: what to do where the pickle calls a function of that name. These functions check their arguments.
        persistent: what to put in place of a persistent id, by which torch refers to a tensor's memory.

    Raises:
        CheckpointError: if the pickle is damaged or cut short, or no pickle of a checkpoint.
        UnsafeFileError: if it is out of proportion, or has instructions that only serve to get at Python's objects.
    """
    machine = _Machine(stream, where, calls, persistent)
    try:
        return machine.run()
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{where} is damaged, or no checkpoint: its pickle breaks off ({error!r}).") from error


class _Machine:
    def __init__(self, stream: BinaryIO, where: str, calls: Mapping[Global, Callable], persistent: Callable):
        self.stream, self.where, self.calls, self.persistent = stream, where, calls, persistent
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.left = MOST_BYTES

    def run(self) -> Any:
        for _ in range(MOST_INSTRUCTIONS):
            code = self.read(1)
            if code == pickle.STOP:
                return self.stack.pop()
            if code in _LITERALS:
                self.stack.append(_LITERALS[code])
            elif code in _NUMBERS:
                form = _NUMBERS[code]
                self.stack.append(struct.unpack(form, self.read(struct.calcsize(form)))[0])
            elif code in _TEXTS:
                prefix, decode = _TEXTS[code]
                self.stack.append(decode(self.read(int.from_bytes(self.read(prefix), "little"))))
            elif code in _ACTIONS:
                _ACTIONS[code](self)
            else:
                name = next((name for name in _OPCODE_NAMES if getattr(pickle, name) == code), repr(code))
                raise UnsafeFileError(f"{self.where} has the pickle instruction {name}, which no checkpoint needs.")
        raise UnsafeFileError(f"{self.where} has more than {MOST_INSTRUCTIONS} pickle instructions; no checkpoint has.")

    def read(self, count: int) -> bytes:
        if count > self.left:
            raise UnsafeFileError(f"{self.where} has a pickle of more than {MOST_BYTES} bytes; no checkpoint has.")
        data = self.stream.read(count)
        if len(data) < count:
            raise CheckpointError(f"{self.where} is cut short: its pickle has no end. Download or copy it again.")
        self.left -= count
        return data

    def line(self) -> str:
        line = self.stream.readline(1024)
        if not line.endswith(b"\n"):
            raise CheckpointError(f"{self.where} is damaged: a name in its pickle has no end.")
        self.left -= len(line)
        return line[:-1].decode("utf-8")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def popped_to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marked.pop()
        return items

    # -- instructions: marks, memory, references ---------------------------------------------------------------------

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.popped_to_mark()

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def persistent_id(self) -> None:
        self.stack.append(self.persistent(self.stack.pop()))

    def long(self, prefix: int) -> None:
        length = int.from_bytes(self.read(prefix), "little")
        if length > LONGEST_NUMBER:
            raise UnsafeFileError(f"{self.where} has a whole number of {length} bytes; no checkpoint has.")
        self.stack.append(int.from_bytes(self.read(length), "little", signed=True))

    # -- containers --------------------------------------------------------------------------------------------------

    def tuple_of(self, count: int) -> None:
        items = [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def extend(self, kind: type, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list) and kind is list:
            target.extend(items)
        elif isinstance(target, set) and kind is set:
            target.update(map(usable_as_key, items))
        elif not isinstance(target, StandIn):
            raise ValueError(f"{type(target).__name__} is no {kind.__name__}")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update((usable_as_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))
        elif not isinstance(target, StandIn):
            raise ValueError(f"{type(target).__name__} has no items")

    # -- names and calls, which are not followed ---------------------------------------------------------------------

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no string")
        self.stack.append(Global(module, name))

    def call(self, arguments: int) -> None:
        popped = [self.stack.pop() for _ in range(arguments)]
        function = self.stack.pop()
        known = self.calls.get(function) if isinstance(function, Global) else None
        plain = arguments == 1 and isinstance(popped[0], tuple)
        self.stack.append(known(*popped[0]) if known is not None and plain else StandIn(function))

    def new_object(self, arguments: int) -> None:
        del self.stack[-arguments:]
        self.stack.append(StandIn(self.stack.pop()))

    def build(self) -> None:
        self.stack.pop()  # the state of an object: containers have none that matters, stand-ins ignore theirs


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_LITERALS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
_NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
_TEXTS: dict[bytes, tuple[int, Callable[[bytes], Any]]] = {  # bytes of the length in front, how to read the rest
    pickle.SHORT_BINUNICODE: (1, _text),
    pickle.BINUNICODE: (4, _text),
    pickle.BINUNICODE8: (8, _text),
    pickle.SHORT_BINSTRING: (1, lambda data: data.decode("latin-1")),
    pickle.BINSTRING: (4, lambda data: data.decode("latin-1")),
    pickle.SHORT_BINBYTES: (1, bytes),
    pickle.BINBYTES: (4, bytes),
    pickle.BINBYTES8: (8, bytes),
    pickle.BYTEARRAY8: (8, bytes),
}
_ACTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    pickle.PROTO: lambda m: m.read(1),
    pickle.FRAME: lambda m: m.read(8),
    pickle.MARK: _Machine.mark,
    pickle.POP: _Machine.pop,
    pickle.POP_MARK: lambda m: m.popped_to_mark(),
    pickle.DUP: lambda m: m.push(m.stack[-1]),
    pickle.LONG1: lambda m: m.long(1),
    pickle.LONG4: lambda m: m.long(4),
    pickle.BINPUT: lambda m: m.remember(m.read(1)[0]),
    pickle.LONG_BINPUT: lambda m: m.remember(int.from_bytes(m.read(4), "little")),
    pickle.MEMOIZE: lambda m: m.remember(len(m.memo)),
    pickle.BINGET: lambda m: m.push(m.memo[m.read(1)[0]]),
    pickle.LONG_BINGET: lambda m: m.push(m.memo[int.from_bytes(m.read(4), "little")]),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.EMPTY_SET: lambda m: m.push(set()),
    pickle.TUPLE: lambda m: m.push(tuple(m.popped_to_mark())),
    pickle.TUPLE1: lambda m: m.tuple_of(1),
    pickle.TUPLE2: lambda m: m.tuple_of(2),
    pickle.TUPLE3: lambda m: m.tuple_of(3),
    pickle.FROZENSET: lambda m: m.push(frozenset(map(usable_as_key, m.popped_to_mark()))),
    pickle.APPEND: lambda m: m.extend(list, [m.stack.pop()]),
    pickle.APPENDS: lambda m: m.extend(list, m.popped_to_mark()),
    pickle.ADDITEMS: lambda m: m.extend(set, m.popped_to_mark()),
    pickle.SETITEM: lambda m: m.set_items(list(reversed([m.stack.pop(), m.stack.pop()]))),
    pickle.SETITEMS: lambda m: m.set_items(m.popped_to_mark()),
    pickle.GLOBAL: lambda m: m.push(Global(m.line(), m.line())),
    pickle.STACK_GLOBAL: _Machine.stack_global,
    pickle.REDUCE: lambda m: m.call(1),
    pickle.NEWOBJ: lambda m: m.new_object(1),
    pickle.NEWOBJ_EX: lambda m: m.new_object(2),
    pickle.BUILD: _Machine.build,
    pickle.BINPERSID: _Machine.persistent_id,
}
_OPCODE_NAMES = [name for name in dir(pickle) if name.isupper() and isinstance(getattr(pickle, name), bytes)]

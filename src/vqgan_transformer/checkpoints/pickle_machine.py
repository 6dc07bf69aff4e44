"""An interpreter of pickles in which nothing can be called.

A pickle is a program for a small stack machine. Python's own interpreter imports and calls whatever the program names;
that is how a checkpoint runs code on the machine of whoever opens it. This one knows the instructions that torch's
checkpoints consist of and builds numbers, strings, lists, tuples and dictionaries. The name of a class or function stays
a name (:class:`Global`). Calling one consults a table that the caller passes; what is not in it, and sets, become an
inert :class:`StandIn`, which swallows whatever the program does to it.

Time and memory are bounded by the length of the program. An instruction takes a byte or more and makes at most one small
object; what an object costs more than once (hashing a key, comparing keys, copying a list) is either limited in size or
counted against the bytes that were read.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import CheckpointError, UnsafeFileError, shortened

__all__ = ["Global", "StandIn", "run_pickle", "usable_as_key"]

MOST_BYTES = 64 * 2**20
"""The longest pickle that is read. Tensors are stored beside it: that of a model with 1.4 billion weights has one MB."""

MOST_INSTRUCTIONS = 2_000_000
"""The most instructions that are followed, each of which makes at most one object."""

MOST_ARGUMENTS = 16
"""Arguments of a call that is followed; torch's functions have half as many."""

LONGEST_NUMBER = 255
"""Bytes of a whole number."""

LONGEST_NAME = 1024
"""Characters of the name of a module, class or function, and of a key that stays what it is."""

LARGEST_KEY = 2**60
"""Whole numbers below it differ in their hashes, so a dictionary of them cannot be made slow."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function in a pickle, and nothing more than the name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class StandIn:
    """In place of an object that is not built. It has the name of what made it and no behaviour."""

    __slots__ = ("_of",)

    def __init__(self, of: object):
        # anything but a name may be a nest without end, which is not to be kept or spelled out
        self._of = of if isinstance(of, Global | str) else type(of).__name__

    @property
    def of(self) -> str:
        """The name."""
        return shortened(str(self._of))

    def __repr__(self) -> str:
        return f"<not loaded: {self.of}>"


_SET = StandIn("set")
"""In place of sets and frozensets: no checkpoint needs what is in them."""


def usable_as_key(value: object) -> Any:
    """The value itself if it is hashed and compared at no cost worth mentioning, otherwise a stand-in.

    The hash of a tuple visits all that is in it: a nest of tuples that share their parts takes for ever. Long strings are
    compared letter by letter, and large numbers can be chosen to have one hash.
    """
    if isinstance(value, str):
        plain = len(value) <= LONGEST_NAME
    elif isinstance(value, int):
        plain = -LARGEST_KEY < value < LARGEST_KEY
    else:
        plain = value is None or isinstance(value, Global | StandIn)
    return value if plain else StandIn(type(value).__name__)


def run_pickle(
    stream: BinaryIO,
    where: str,
    *,
    calls: Mapping[Global, Callable[..., Any]],
    persistent: Callable[[Any], Any],
    most_instructions: int = MOST_INSTRUCTIONS,
) -> Any:
    """The object that a pickle describes. Afterwards the stream stands behind it.

    Args:
        stream: at the start of the pickle.
        where: the file, for messages.
        calls: what to do where the pickle calls a function of that name. These functions check their arguments.
        persistent: what to put in place of a persistent id, by which torch refers to a tensor's memory.
        most_instructions: how many are followed.

    Raises:
        CheckpointError: if the pickle is damaged or cut short, or no pickle of a checkpoint.
        UnsafeFileError: if it is out of proportion, or has instructions that only serve to get at Python's objects.
    """
    machine = _Machine(stream, where, calls, persistent)
    try:
        return machine.run(most_instructions)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = f"{type(error).__name__}: {shortened(error)}"
        raise CheckpointError(f"{where} is damaged, or no checkpoint: its pickle breaks off ({reason}).") from error


class _Machine:
    def __init__(
        self, stream: BinaryIO, where: str, calls: Mapping[Global, Callable[..., Any]], persistent: Callable[[Any], Any]
    ):
        self.stream, self.where, self.calls, self.persistent = stream, where, calls, persistent
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.bytes_read = 0
        self.copied = 0  # items of containers that calls walked through

    def run(self, most_instructions: int) -> Any:
        for _ in range(most_instructions):
            code = self.read(1)
            action = _ACTIONS.get(code)
            if action is not None:
                action(self)
            elif code == pickle.STOP:
                return self.stack.pop()
            else:
                name = next((name for name in _OPCODE_NAMES if getattr(pickle, name) == code), repr(code))
                raise UnsafeFileError(f"{self.where} has the pickle instruction {name}, which no checkpoint needs.")
        raise UnsafeFileError(f"{self.where} has more than {most_instructions} pickle instructions; no checkpoint has.")

    def read(self, count: int) -> bytes:
        self.count(count)
        data = self.stream.read(count)
        if len(data) < count:
            raise CheckpointError(f"{self.where} is cut short: its pickle has no end. Download or copy it again.")
        return data

    def count(self, count: int) -> None:
        self.bytes_read += count
        if self.bytes_read > MOST_BYTES:
            raise UnsafeFileError(f"{self.where} has a pickle of more than {MOST_BYTES} bytes; no checkpoint has.")

    def line(self) -> str:
        line = self.stream.readline(LONGEST_NAME)
        if not line.endswith(b"\n"):
            raise CheckpointError(f"{self.where} is damaged: a name in its pickle has no end.")
        self.count(len(line))
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

    def replace_marked(self, value: object) -> None:
        self.popped_to_mark()
        self.stack.append(value)

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, StandIn):
            raise ValueError(f"{type(target).__name__} is no list")

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
        if max(len(module), len(name)) > LONGEST_NAME:
            raise UnsafeFileError(
                f"{self.where} has a name of {max(len(module), len(name))} letters; no checkpoint has."
            )
        self.stack.append(Global(module, name))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        known = self.calls.get(function) if isinstance(function, Global) else None
        if known is None or not isinstance(arguments, tuple) or len(arguments) > MOST_ARGUMENTS:
            self.stack.append(StandIn(function))
            return
        self.copied += sum(len(item) for item in arguments if isinstance(item, list | tuple | dict))
        if self.copied > MOST_ARGUMENTS + self.bytes_read:
            raise UnsafeFileError(f"{self.where} copies the same containers again and again, which no checkpoint does.")
        self.stack.append(known(*arguments))

    def new_object(self, arguments: int) -> None:
        del self.stack[-arguments:]
        self.stack.append(StandIn(self.stack.pop()))

    def build(self) -> None:
        self.stack.pop()  # the state of an object: containers have none that matters, stand-ins ignore theirs


def _number(form: str) -> Callable[[_Machine], None]:
    length = struct.calcsize(form)
    return lambda m: m.push(struct.unpack(form, m.read(length))[0])


def _string(prefix: int, decode: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    """Pushes what follows: its length in so many bytes, then its letters."""
    return lambda m: m.push(decode(m.read(int.from_bytes(m.read(prefix), "little"))))


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _latin1(data: bytes) -> str:
    return data.decode("latin-1")


_ACTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: _number("<i"),
    pickle.BININT1: _number("<B"),
    pickle.BININT2: _number("<H"),
    pickle.BINFLOAT: _number(">d"),
    pickle.SHORT_BINUNICODE: _string(1, _utf8),
    pickle.BINUNICODE: _string(4, _utf8),
    pickle.BINUNICODE8: _string(8, _utf8),
    pickle.SHORT_BINSTRING: _string(1, _latin1),
    pickle.BINSTRING: _string(4, _latin1),
    pickle.SHORT_BINBYTES: _string(1, bytes),
    pickle.BINBYTES: _string(4, bytes),
    pickle.BINBYTES8: _string(8, bytes),
    pickle.BYTEARRAY8: _string(8, bytes),
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
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.EMPTY_SET: lambda m: m.push(_SET),
    pickle.TUPLE: lambda m: m.push(tuple(m.popped_to_mark())),
    pickle.TUPLE1: lambda m: m.tuple_of(1),
    pickle.TUPLE2: lambda m: m.tuple_of(2),
    pickle.TUPLE3: lambda m: m.tuple_of(3),
    pickle.FROZENSET: lambda m: m.replace_marked(_SET),
    pickle.APPEND: lambda m: m.extend([m.stack.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.popped_to_mark()),
    pickle.ADDITEMS: lambda m: m.popped_to_mark(),
    pickle.SETITEM: lambda m: m.set_items(list(reversed([m.stack.pop(), m.stack.pop()]))),
    pickle.SETITEMS: lambda m: m.set_items(m.popped_to_mark()),
    pickle.GLOBAL: lambda m: m.push(Global(m.line(), m.line())),
    pickle.STACK_GLOBAL: _Machine.stack_global,
    pickle.REDUCE: _Machine.call,
    pickle.NEWOBJ: lambda m: m.new_object(1),
    pickle.NEWOBJ_EX: lambda m: m.new_object(2),
    pickle.BUILD: _Machine.build,
    pickle.BINPERSID: _Machine.persistent_id,
}
_OPCODE_NAMES = [name for name in dir(pickle) if name.isupper() and isinstance(getattr(pickle, name), bytes)]

"""The directory of a zip archive: where in the file its members lie, uncompressed. Nothing is unpacked.

Python's zipfile keeps half a kilobyte for each entry and reads what it finds there again and again, so that a few
megabytes of entries take minutes; this reads each byte of the directory once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import CheckpointError, UnsafeFileError

__all__ = ["Member", "read_directory"]

LARGEST_DIRECTORY = 16 * 2**20
"""Bytes of the directory. torch.save writes about a hundred for each tensor."""

LARGEST_END = 22 + 2**16
"""Bytes at the end of an archive among which its end record is: 22, and a comment."""

FULL = 0xFFFFFFFF
"""In place of a number that is too large for its field: it is among the entry's 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the archive.

    Attributes:
        header: where its local header begins.
        length: bytes of it, unpacked.
        stored: whether it lies there as it is, neither compressed nor encrypted.
    """

    header: int
    length: int
    stored: bool

    def place(self, file: BinaryIO, size: int) -> tuple[int, int]:
        """Where the bytes of a stored member begin, and how many they are.

        Raises:
            ValueError: where there is no such member, or it ends behind the end of the file.
        """
        file.seek(min(self.header, size))
        local = file.read(30)
        if len(local) < 30 or not local.startswith(b"PK\x03\x04"):
            raise ValueError("a part is not where the archive says")
        begin = self.header + 30 + sum(struct.unpack("<HH", local[26:30]))
        if begin + self.length > size:
            raise ValueError("a part ends behind the end of the file")
        return begin, self.length


def read_directory(file: BinaryIO, size: int, where: object) -> dict[str, Member]:
    """The members of an archive by name.

    Args:
        file: the archive, open for reading.
        size: its bytes.
        where: the file, for messages.

    Raises:
        CheckpointError: if it is damaged or cut short.
        UnsafeFileError: for a directory out of proportion.
    """
    try:
        begin, length = _directory_place(file, size)
        if length > LARGEST_DIRECTORY:
            raise UnsafeFileError(f"{where} has a directory of {length} bytes; no checkpoint has.")
        file.seek(begin)
        directory = file.read(length)
        if len(directory) < length:
            raise ValueError("its directory is not whole")
        return _members(directory)
    except (ValueError, struct.error) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{where} is damaged or cut short: {error}. Download or copy it again.") from error


def _directory_place(file: BinaryIO, size: int) -> tuple[int, int]:
    file.seek(max(size - LARGEST_END, 0))
    end = file.read(LARGEST_END)
    at = end.rfind(b"PK\x05\x06")
    if at < 0:
        raise ValueError("a zip archive without its end")
    length, begin = struct.unpack("<II", end[at + 12 : at + 20])
    locator = end[max(at - 20, 0) : at]
    if locator.startswith(b"PK\x06\x07"):
        file.seek(min(struct.unpack("<Q", locator[8:16])[0], size))
        record = file.read(56)
        if not record.startswith(b"PK\x06\x06"):
            raise ValueError("a large zip archive without its directory")
        length, begin = struct.unpack("<QQ", record[40:56])
    if begin > size:
        raise ValueError("its directory lies behind the end of the file")
    return begin, length


def _members(directory: bytes) -> dict[str, Member]:
    members: dict[str, Member] = {}
    at = 0
    while at < len(directory):
        if directory[at : at + 4] != b"PK\x01\x02":
            raise ValueError("an entry of its directory is none")
        flags, method = struct.unpack_from("<HH", directory, at + 8)
        packed, length, name, extra, comment = struct.unpack_from("<IIHHH", directory, at + 20)
        (header,) = struct.unpack_from("<I", directory, at + 42)
        end = at + 46 + name + extra + comment
        if end > len(directory):
            raise ValueError("its directory breaks off")
        text = directory[at + 46 : at + 46 + name].decode("utf-8", "replace")
        if FULL in (packed, length, header):
            # in this order, and only those that are too large for their fields
            large = _large_numbers(directory[at + 46 + name : end - comment])
            length = next(large, FULL) if length == FULL else length
            packed = next(large, FULL) if packed == FULL else packed
            header = next(large, FULL) if header == FULL else header
        if text in members:
            raise ValueError("it has two parts of one name")
        members[text] = Member(header, length, stored=method == 0 and not flags & 1 and packed == length)
        at = end
    return members


def _large_numbers(extra: bytes) -> Iterator[int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            numbers = extra[at + 4 : at + 4 + length]
            return iter(struct.unpack(f"<{len(numbers) // 8}Q", numbers[: len(numbers) // 8 * 8]))
        at += 4 + length
    return iter(())

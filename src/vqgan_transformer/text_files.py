"""Text as people's programs write it: UTF-8 with and without a mark, UTF-16 of Windows' editors, and Latin-1."""

from __future__ import annotations

import codecs
from pathlib import Path

__all__ = ["as_path", "read_text"]

LONGEST_NAME = 255
"""Bytes that the name of a file or folder may have."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """The text of a file, line ends as they are.

    Its mark says how it is written. Without one it is UTF-8, as nearly everything is; if it cannot be, UTF-16 where every
    other byte of its beginning is zero, and otherwise Windows' Latin-1.

    Raises:
        OSError: for a file that cannot be read.
        ValueError: for a file that is no text in its own encoding.
    """
    content = path.read_bytes()
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    beginning = content[:200]
    if 3 * beginning.count(0) >= len(beginning) > 1:
        return content.decode("utf-16-le" if beginning[1] == 0 else "utf-16-be")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def as_path(given: str | Path, name: str) -> Path:
    """A user's path, with "~" for the home folder.

    Args:
        given: the path.
        name: what it is to the caller, for error messages.

    Raises:
        ValueError: for text that is longer than a path may be, such as a file's content.
    """
    names = str(given).replace("\\", "/").split("/")
    if max(len(name.encode("utf-8", "replace")) for name in names) > LONGEST_NAME or "\0" in str(given):
        raise ValueError(f"{name} is text of {len(str(given)):,} characters, {str(given)[:40]!r}…, and no path.")
    return Path(given).expanduser()

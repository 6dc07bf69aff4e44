"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError

__all__ = ["JSON", "PICKLE", "SAFETENSORS", "ZIP", "kind_of", "refuse_other_kinds"]

JSON, PICKLE, SAFETENSORS, ZIP = "JSON", "a pickle", "a safetensors file", "a zip archive"

LFS = "a pointer of Git LFS in place of the file itself: run `git lfs pull` in its folder, or download the file"
PACKED = "an archive: unpack it first"

BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", LFS),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", "a zip archive with nothing in it"),
    (0, b"GGUF", "a GGUF file (of llama.cpp)"),
    (0, b"\x89HDF\r\n", "an HDF5 file (of Keras, .h5)"),
    (0, b"\x93NUMPY", "an array of NumPy (.npy)"),
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (8, b"WEBP", "a picture (WebP)"),
    (0, b"BM", "a picture (BMP)"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\x1f\x8b", f"gzip, {PACKED}"),
    (0, b"BZh", f"bzip2, {PACKED}"),
    (0, b"\xfd7zXZ", f"xz, {PACKED}"),
    (0, b"\x28\xb5\x2f\xfd", f"Zstandard, {PACKED}"),
    (0, b"7z\xbc\xaf", f"7z, {PACKED}"),
    (0, b"Rar!", f"RAR, {PACKED}"),
    (257, b"ustar", f"tar, {PACKED}"),
    (4, b"TFL3", "a model of TensorFlow Lite"),
    (0, b"SQLite format 3", "a database of SQLite"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
)
WEB_PAGE = "a web page or text, perhaps an error page that was saved in its place: download the file again"


def kind_of(path: Path) -> str | None:
    """What a file is, for a sentence that begins "it is"; ``None`` if its first bytes do not tell."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**40:
        return SAFETENSORS  # first, since the length of its header may look like any of the others
    for at, beginning, kind in BEGINNINGS:
        if start[at:].startswith(beginning):
            return kind
    if not start:
        return "empty: download or copy it again"
    if not any(start):
        return "nothing but zeros at its beginning: its download broke off, so download it again"
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        return PICKLE
    words = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if words.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        return WEB_PAGE
    return JSON if words.startswith((b'{"', b"{\n", b"{}", b"{ ", b"[")) else None


def refuse_other_kinds(path: Path, *expected: str) -> None:
    """Raises a CheckpointError for a file that is known to be of another kind than these."""
    kind = kind_of(path)
    if kind is None or kind in expected:
        return
    endings = {SAFETENSORS: ".safetensors", ZIP: ".ckpt or .pt", PICKLE: ".ckpt or .pt"}
    advice = f" Rename it to {endings[kind]}, if it is a checkpoint." if kind in endings else ""
    raise CheckpointError(f"{path} is, by what is in it, {kind}.{advice}")

"""Picture files as people have them, opened by raster decoders only, within bounds, and upright."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeAlias

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .errors import warn

__all__ = [
    "LARGEST_PICTURE",
    "PictureSource",
    "in_srgb",
    "is_picture_source",
    "is_turned_unnoticed",
    "lossy_format",
    "open_picture",
    "picture_endings",
]

LARGEST_PICTURE = 2**26
"""Pixels (8192×8192) that a picture file may have; a file of a few kilobytes can claim billions."""

PictureSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | IO[bytes] | Image.Image"
"""What a picture is read from: a path, what such a file holds, an open file, or a PIL picture."""

# Pillow's decoders of pixels. Others run an interpreter (PostScript), another program, or only hold a place (stubs).
_RASTER_FORMATS = (
    "AVIF", "BLP", "BMP", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GIF", "ICNS", "ICO", "IM", "JPEG", "JPEG2000",
    "MPO", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP",
    "XBM", "XPM",
)  # fmt: skip
_ORIENTATION = 0x0112


def is_picture_source(value: Any) -> bool:
    """Whether :func:`open_picture` reads something: a path, bytes, an open file or a PIL picture."""
    return isinstance(value, str | os.PathLike | bytes | bytearray | Image.Image) or hasattr(value, "read")


def open_picture(source: PictureSource, name: str = "picture") -> Image.Image:
    """A picture, wholly read, upright (its EXIF orientation applied), and no decompression bomb.

    Args:
        source: the path of a picture file, its bytes, an open file, or a PIL picture. Of files with several frames the
            first is taken.
        name: what the picture is to the caller, for error messages.

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: if the path is that of a folder.
        ValueError: for a file that is no picture, or damaged, or larger than :data:`LARGEST_PICTURE`.
        TypeError: for anything else.
    """
    with _opened(source, name) as (picture, where):
        width, height = picture.size
        if width * height > LARGEST_PICTURE:
            raise _too_large(name, where, f"{width}×{height} pixels")
        if not width or not height:
            raise ValueError(f"{name}: {where} has {width}×{height} pixels; pass a picture with at least one.")
        if picture.format is not None and picture.format not in _RASTER_FORMATS:
            raise _not_raster(name, where)
        try:
            picture.load()
            return ImageOps.exif_transpose(picture)
        except Exception as error:  # what decoders raise on damaged data has no common type
            raise ValueError(
                f"{name}: {where} is damaged or cut short ({error}). Save or download it again."
            ) from error


@cache
def picture_endings() -> tuple[str, ...]:
    """The endings, in lower case with a dot, of all picture files that can be read here."""
    Image.init()
    readable = {kind for kind in _RASTER_FORMATS if kind in Image.OPEN}
    return tuple(sorted(ending for ending, kind in Image.registered_extensions().items() if kind in readable))


def lossy_format(source: PictureSource) -> str | None:
    """What a picture was compressed with, if that changes values: "JPEG", "WebP", …; ``None`` if not, or nothing tells.

    A PIL picture tells it as long as it is as it was opened, an open file if it can be read from its beginning again.
    """
    if not isinstance(source, str | os.PathLike | bytes | bytearray | Image.Image):
        if not source.seekable():
            return None
        source.seek(0)
        source = source.read()
    with _opened(source, "picture") as (picture, _):
        kind, info = picture.format, picture.info
        if kind in ("JPEG", "MPO", "AVIF", "DDS"):
            return "JPEG" if kind == "MPO" else kind
        if kind == "TIFF" and info.get("compression") in ("jpeg", "tiff_jpeg", "webp"):
            return "TIFF with JPEG inside"
        if kind == "WEBP" and not _is_lossless_webp(source):
            return "WebP"
        return None


def _is_lossless_webp(source: PictureSource) -> bool:
    """Whether a WebP file has its pixels in a lossless chunk, VP8L; of a PIL picture nobody can tell."""
    if isinstance(source, Image.Image):
        return False
    content = bytes(source) if isinstance(source, bytes | bytearray) else Path(str(source)).expanduser().read_bytes()
    at = 12
    while at + 8 <= len(content):
        chunk, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if chunk in (b"VP8L", b"VP8 ", b"ANMF"):
            return chunk == b"VP8L" or (chunk == b"ANMF" and b"VP8L" in content[at : at + 48])
        at += 8 + length + length % 2
    return False


def is_turned_unnoticed(source: PictureSource, name: str = "picture") -> bool:
    """Whether :func:`open_picture` turns or mirrors a picture, as its EXIF says, without that its size shows it."""
    with _opened(source, name) as (picture, _):
        orientation = picture.getexif().get(_ORIENTATION, 1)
        return 1 < orientation < 5 or (4 < orientation < 9 and picture.width == picture.height)


def in_srgb(picture: Image.Image, name: str = "picture") -> Image.Image:
    """A picture whose colours are those of sRGB: converted from the colour profile that its file carries, if any."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).casefold():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError) as error:
        warn(f"{name} has a colour profile that cannot be read ({error}); its colours are taken as sRGB.")
        return picture
    return picture if converted is None else converted


@contextmanager
def _opened(source: PictureSource, name: str) -> Iterator[tuple[Image.Image, str]]:
    """A picture whose pixels are not decoded yet, and what to call it."""
    if isinstance(source, Image.Image):
        yield source, "this PIL picture"
        return
    file, where = _file(source, name)
    with file:
        try:
            _check_webp(file, name, where)
            Image.init()  # all decoders
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower and an error
                picture = Image.open(file, formats=[kind for kind in _RASTER_FORMATS if kind in Image.OPEN])
        except Image.DecompressionBombError as error:
            raise _too_large(name, where, str(error)) from error
        except UnidentifiedImageError as error:
            file.seek(0)
            if file.read(5) in (b"%!PS-", b"%PDF-", b"\xc5\xd0\xd3\xc6"):
                raise _not_raster(name, where) from error
            raise ValueError(f"{name}: {where} is no readable picture. Save it as PNG, JPEG, WebP or TIFF.") from error
        except ValueError:
            raise
        except Exception as error:  # what decoders raise on damaged headers has no common type
            raise ValueError(
                f"{name}: {where} is damaged or cut short ({error}). Save or download it again."
            ) from error
        with picture:
            yield picture, where


def _file(source: Any, name: str) -> tuple[IO[bytes], str]:
    """What a picture is read from, as a file that is ours to close, and what to call it."""
    if isinstance(source, bytes | bytearray):
        return io.BytesIO(source), f"{len(source):,} bytes"
    if hasattr(source, "read"):
        content = source.read()
        if not isinstance(content, bytes):
            raise TypeError(f"{name}: open the file for reading bytes, with open(path, 'rb').")
        return io.BytesIO(content), "this file"
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"{name} should be the path of a picture or a PIL picture, got {type(source).__name__}.")
    text = str(source)
    shown = repr(text if len(text) < 200 else f"{text[:40]}…")
    if text.startswith("data:"):
        raise ValueError(f"{name}: {shown} is no path: decode it (base64.b64decode) and pass the bytes.")
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{name}: {path} is a folder, no picture. Pass the files in it as a list.")
        return path.open("rb"), str(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = " Addresses are not downloaded: save the picture first." if "://" in text else ""
        raise FileNotFoundError(f"{name}: there is no file {shown}.{hint}") from error
    except IsADirectoryError:
        raise
    except (OSError, ValueError) as error:  # longer than a path may be, or with characters that no path has
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no path"
        raise ValueError(f"{name}: {shown} cannot be opened ({reason}). Pass a path, or the picture itself.") from error


def _check_webp(file: IO[bytes], name: str, where: str) -> None:
    """Refuses a WebP file by its header: its decoder reserves memory for the canvas when it is opened, before any check."""
    head = file.read(30)
    file.seek(0)
    if head[:4] + head[8:16] == b"RIFFWEBPVP8X" and len(head) == 30:
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        if width * height > LARGEST_PICTURE:
            raise _too_large(name, where, f"{width}×{height} pixels")
    elif head[:4] + head[8:16] == b"RIFFWEBPVP8L" and len(head) >= 25:
        (bits,) = struct.unpack("<I", head[21:25])
        if ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1) > LARGEST_PICTURE:
            raise _too_large(name, where, "its header says so")


def _too_large(name: str, where: str, size: str) -> ValueError:
    return ValueError(
        f"{name}: {where} is too large ({size}); pictures may have {LARGEST_PICTURE:,} pixels, since a small file can "
        "claim any number. If you trust it, read it yourself and pass a numpy array."
    )


def _not_raster(name: str, where: str) -> ValueError:
    return ValueError(
        f"{name}: {where} is a program that draws (PostScript, PDF or a metafile), no picture, and is not run. Export it "
        "as PNG."
    )

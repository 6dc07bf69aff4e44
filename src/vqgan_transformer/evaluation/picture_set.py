"""The pictures that are measured: folders, lists, data sets and .npz files, fitted to one size."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..images import from_pixels, open_picture, to_numpy
from ..training.data import Source, open_data

__all__ = ["FILTERS", "NpzPictures", "PictureSet", "fit", "open_pictures"]

FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters, which are antialiased on the way down; the paper's own evaluation uses "bilinear"."""


@dataclass(frozen=True)
class PictureSet:
    """Pictures by index, as 8-bit arrays.

    Attributes:
        source: anything with a length and pictures (paths, PIL, numpy, tensors) by index.
        names: of the pictures.
        title: what messages and results call them.
        fingerprint: SHA-256 of names, sizes and dates of files: which pictures these are.
        size: (height, width) to which they are fitted; ``None``: each its own.
        resize: the filter's name.
    """

    source: Any
    names: Sequence[str]
    title: str
    fingerprint: str
    size: tuple[int, int] | None = None
    resize: str = "bicubic"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        picture = self.source[index]
        if isinstance(picture, str | Path | Image.Image):
            opened = open_picture(picture, self.names[index])
            pixels = to_numpy(from_pixels(opened, self.names[index]))[0]
        else:
            pixels = to_numpy(from_pixels(picture, self.names[index]))[0]
        return pixels if self.size is None else fit(pixels, self.size, self.resize)

    def batch(self, indices: Sequence[int]) -> np.ndarray:
        """Some pictures of one size, uint8 (B, H, W, 3).

        Raises:
            ValueError: for pictures of different sizes.
        """
        pictures = [self[index] for index in indices]
        sizes = {picture.shape[:2] for picture in pictures}
        if len(sizes) > 1:
            shown = ", ".join(f"{height}×{width}" for height, width in sorted(sizes)[:4])
            raise ValueError(f"{self.title} has pictures of different sizes ({shown}): pass size= to fit them to one.")
        return np.stack(pictures)


def open_pictures(
    pictures: Any, size: int | tuple[int, int] | None = None, resize: str = "bicubic", *, title: str = "the pictures"
) -> PictureSet:
    """Pictures to be measured.

    Args:
        pictures: a folder (nested or not; or with `images/`, or `metadata.jsonl`), a list file, a data set or list of
            pictures, or an `.npz` file whose first array `arr_0` is uint8 (N, H, W, 3), as ADM's evaluator has it.
        size: (height, width), or one number for both, to which each is fitted: the largest piece of this aspect from its
            middle, scaled. A picture that has the size stays as it is.
        resize: the filter, one of :data:`FILTERS`.
        title: what messages call them, if they have no path.

    Raises:
        FileNotFoundError: where there is nothing.
        ValueError: for files that hold no pictures, and unknown filters.
    """
    if resize not in FILTERS:
        raise ValueError(f"resize is one of {', '.join(map(repr, FILTERS))}, got {resize!r}.")
    if isinstance(size, int):
        size = (size, size)
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size is (height, width) in pixels, got {size!r}.")
    if isinstance(pictures, PictureSet):
        return PictureSet(pictures.source, pictures.names, pictures.title, pictures.fingerprint, size, resize)
    if isinstance(pictures, str | Path):
        path = Path(pictures).expanduser()
        title = path.name or str(path)
        if path.suffix == ".npz":
            array = NpzPictures(path)
            state = path.stat()
            mark = sha256(f"{path.name}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()
            return PictureSet(array, [f"picture {k}" for k in range(len(array))], title, mark, size, resize)
    source = open_data(pictures, ("image",))
    images = _Images(source)
    mark = _digest_of_contents(images, len(source)) if isinstance(pictures, list | tuple) else source.fingerprint()
    return PictureSet(images, source.names, title, mark, size, resize)


def fit(pixels: np.ndarray, size: tuple[int, int], resize: str) -> np.ndarray:
    """The largest piece of an aspect from the middle of a picture, scaled: uint8 (H, W, 3) -> (*size, 3)."""
    height, width = pixels.shape[:2]
    if (height, width) == size:
        return pixels
    scale = min(height / size[0], width / size[1])
    across, down = size[1] * scale, size[0] * scale
    left, top = (width - across) / 2, (height - down) / 2
    box = (max(0.0, left), max(0.0, top), min(width, left + across), min(height, top + down))
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), FILTERS[resize], box=box))


def _digest_of_contents(images: Any, count: int) -> str:
    """SHA-256 of pictures that lie in memory, and of the names of those that do not."""
    digest = sha256()
    for index in range(count):
        picture = images[index]
        if isinstance(picture, str | Path):
            digest.update(str(picture).encode())
        else:
            digest.update(to_numpy(from_pixels(picture, "the pictures")).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Images:
    source: Source

    def __getitem__(self, index: int) -> Any:
        return self.source[index]["image"]


class NpzPictures:
    """The pictures of an .npz file, read one by one, so that the file may be larger than memory.

    Args:
        path: of the file.
        name: of the array, uint8 (N, H, W, 3).

    Raises:
        ValueError: for a file that is none, or has no such array.
    """

    def __init__(self, path: Path, name: str = "arr_0") -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path).open(f"{name}.npy")
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{path} is no .npz file with an array {name!r} of pictures ({error}).") from error
        self.shape = _header(self._file, path)
        self._start = self._file.tell()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} pictures, not one of index {index}.")
        size = int(np.prod(self.shape[1:]))
        self._file.seek(self._start + index * size)
        return np.frombuffer(self._file.read(size), dtype=np.uint8).reshape(self.shape[1:])


def _header(file: Any, path: Path) -> tuple[int, ...]:
    """The shape of the array whose file has just been opened."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, column_major, dtype = read(file)
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or column_major:
        raise ValueError(f"{path}: pictures are uint8 (N, H, W, 3) in row-major order, got {dtype} {shape}.")
    return shape

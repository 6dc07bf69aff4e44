"""Paths that come from outside, kept inside their folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..errors import UnsafeFileError

__all__ = ["stay_inside"]


def stay_inside(folder: Path, name: str) -> Path:
    """``folder / name``, for a name that comes from outside.

    Raises:
        UnsafeFileError: if the path is absolute, goes up, or leads out of the folder by a link. Links into the cache of
            the Hugging Face Hub, as it makes them for its own snapshots, are fine.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name or "\0" in name or not parts.parts:
        raise UnsafeFileError(f"{name!r} leads out of {folder}; give a path inside it.")
    path, root = folder.joinpath(*parts.parts), folder.resolve()
    homes = [root]
    for place in (root, *root.parents):
        if place.parent.name == "snapshots" and (place.parent.parent / "blobs").is_dir():
            homes.append((place.parent.parent / "blobs").resolve())
    if not any(path.resolve().is_relative_to(home) for home in homes):
        raise UnsafeFileError(f"{path} is a link that leads out of {folder}. Copy the files instead of linking them.")
    return path

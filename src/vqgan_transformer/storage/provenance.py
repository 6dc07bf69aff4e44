"""Where weights come from, and on which terms: repository, revision, file, licence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ..errors import CheckpointError, shortened, warn
from .weight_files import FOLDERS, weight_file

__all__ = ["REMARKS", "Provenance", "provenance", "sha256"]

REMARKS: Mapping[str, str] = {
    "deepseek-ai/Janus*": "the tag is that of the code; the weights are under DeepSeek's model licence",
    "deepseek-community/Janus*": "the tag is that of the code; the weights are under DeepSeek's model licence",
    "facebook/chameleon*": "Chameleon's research licence excludes commercial use",
    "markweber/*": "its authors release it for research purposes only, whatever the tag",
    "yucornetto/RAR": "its authors release it for research purposes only, whatever the tag",
    "lllyasviel/Annotators": "its OpenPose weights are under OpenPose's licence, for non-commercial research, whatever the tag",
    "lllyasviel/ControlNet": "its OpenPose weights are under OpenPose's licence, for non-commercial research, whatever the tag",
}
"""What to know where the tag of a repository misleads, by patterns of repositories."""

RESTRICTED = re.compile(r"(^|\W|_)(nc|non-?commercial|research|academic)($|\W|_)", re.IGNORECASE)
LONGEST_CARD = 2**16
"""Bytes of a card that are looked at; what is read stands at its beginning."""


@dataclass(frozen=True)
class Provenance:
    """Where the weights of a model come from.

    Attributes:
        path: the local file or folder.
        weights: the local file with the weights; ``None`` for several.
        repository: "owner/name" on the Hugging Face Hub; ``None`` for what does not come from there.
        revision: the commit.
        file: of the weights, inside the repository or folder.
        licence: its identifier on the Hub, e.g. "mit"; ``None`` where no card states one.
        licence_name: what a licence of their own is called, for the identifier "other".
        licence_link: where that can be read.
        gated: whether its authors grant access one by one.
        remark: what to know where the tag misleads.
    """

    path: Path
    weights: Path | None = None
    repository: str | None = None
    revision: str | None = None
    file: str | None = None
    licence: str | None = None
    licence_name: str | None = None
    licence_link: str | None = None
    gated: bool = False
    remark: str | None = None

    @cached_property
    def sha256(self) -> str | None:
        """Of the file of weights, in hexadecimal digits; ``None`` where there are several. It is read for that once."""
        return sha256(self.weights) if self.weights is not None else None

    @property
    def caution(self) -> str | None:
        """One line, where weights from the Hub have no licence, one for research only, or are gated; else ``None``."""
        if self.repository is None:
            return None
        reasons = []
        if self.licence is None:
            reasons.append("states no licence: ask its authors before you share its weights or what they make")
        elif any(RESTRICTED.search(text) for text in (self.licence, self.licence_name or "")):
            reasons.append(f"is for research or other non-commercial use only ({self.terms})")
        if self.gated:
            reasons.append("is gated: its authors grant access one by one, on terms of their own")
        if self.remark is not None:
            reasons.append(f"needs a remark: {self.remark}")
        return f"{self.repository} {'; it '.join(reasons)}." if reasons else None

    @property
    def terms(self) -> str:
        """The licence as people read it."""
        named = " ".join(text for text in (self.licence_name, self.licence_link) if text)
        return (self.licence or "no licence stated") + (f": {named}" if named else "")

    def __str__(self) -> str:
        where = self.repository or str(self.path)
        at = f" at {self.revision}" if self.revision is not None else ""
        file = f", {self.file}" if self.file is not None and self.path.name != self.file else ""
        return f"{where}{at}{file} ({self.terms})"

    def facts(self) -> dict[str, str]:
        """All that is known, as text, for cards and the headers of files; reads the file for its SHA-256."""
        facts: dict[str, Any] = {
            "repository": self.repository,
            "revision": self.revision,
            "file": self.file,
            "sha256": self.sha256,
            "licence": self.terms if self.licence is not None else None,
            "remark": self.remark,
        }
        return {name: value for name, value in facts.items() if value is not None}

    def warn(self) -> None:
        """Warns of what :attr:`caution` says."""
        if self.caution is not None:
            warn(self.caution)


def provenance(path: Path) -> Provenance:
    """What is known of a local file or folder, by its place in the Hub's cache and by the card beside it."""
    place = _in_cache(path)
    root, repository, revision = place if place is not None else (path if path.is_dir() else path.parent, None, None)
    card = _card(root)
    remark = next((text for pattern, text in REMARKS.items() if repository and fnmatch(repository, pattern)), None)
    licence = card.get("license")
    weights = path if path.is_file() else _weights(path)
    return Provenance(
        path,
        weights,
        repository,
        revision,
        weights.absolute().relative_to(root.absolute()).as_posix() if weights is not None else None,
        licence=", ".join(filter(None, map(_text, licence))) if isinstance(licence, list) else _text(licence),
        licence_name=_text(card.get("license_name")),
        licence_link=_text(card.get("license_link")),
        gated=any(str(field).startswith("extra_gated") for field in card),
        remark=remark,
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _in_cache(path: Path) -> tuple[Path, str, str] | None:
    """(root, repository, commit) of a path in the Hub's cache: models--owner--name/snapshots/commit/…."""
    for folder in (path.absolute(), *path.absolute().parents):
        kept = folder.parent.parent.name
        if folder.parent.name == "snapshots" and kept.startswith("models--"):
            return folder, kept.removeprefix("models--").replace("--", "/"), folder.name
    return None


def _weights(folder: Path) -> Path | None:
    places = [folder / name for name in FOLDERS]
    names = [file.relative_to(folder).as_posix() for place in places if place.is_dir() for file in place.iterdir()]
    try:
        name = weight_file(names, folder)
    except CheckpointError:  # several files: none of them is the one
        return None
    return folder / name if name is not None else None


def _card(folder: Path) -> dict[str, Any]:
    """The fields at the beginning of a README.md between two lines of ---; none where there is nothing to be read."""
    try:
        with (folder / "README.md").open("rb") as file:
            text = file.read(LONGEST_CARD).decode("utf-8", errors="replace")
    except OSError:
        return {}
    match = re.match(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", text, re.DOTALL)
    try:
        fields = yaml.load(match[1], Loader=yaml.BaseLoader) if match is not None else None  # strings and nothing else
    except (yaml.YAMLError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(value: Any) -> str | None:
    # anything but a string may be a nest that shares its parts, which is not to be spelled out
    return shortened(value) if isinstance(value, str) and value else None

"""Source: a sequence of samples, and what was left out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Listing", "Source", "split"]

SHOWN = 3
"""Names that a report gives for each reason."""


@dataclass
class Listing:
    """What is found in data: samples, what is left out, and what is wrong.

    Attributes:
        where: the data, for messages.
        samples: dictionaries from kinds to values.
        names: of the samples.
        left_out: files that are not used, and why.
        problems: what cannot be used though it should be.
        title: of an error about the problems; their number stands in front of it.
    """

    where: str
    samples: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    title: str = "problems"

    def add(self, name: str, sample: dict[str, Any]) -> None:
        """Adds a sample."""
        self.names.append(name)
        self.samples.append(sample)


@dataclass(frozen=True)
class Source:
    """A sequence of samples.

    Attributes:
        samples: anything with a length and items that are dictionaries from kinds to values.
        names: of the samples, for messages and for the split into training and validation.
        left_out: files that are not used, and why.
        where: the data, for messages.
    """

    samples: Any
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    where: str = "the data set"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        result: dict[str, Any] = self.samples[index]
        return result

    def subset(self, indices: Sequence[int]) -> Source:
        """Some of the samples."""
        names = tuple(self.names[index] for index in indices)
        return Source(_Subset(self.samples, tuple(indices)), names, self.left_out, self.where)

    def without(self, problems: Mapping[int, str]) -> Source:
        """The samples but some, which are left out for a reason each."""
        left_out = tuple((self.names[index], why) for index, why in sorted(problems.items()))
        rest = self.subset([index for index in range(len(self)) if index not in problems])
        return Source(rest.samples, rest.names, (*self.left_out, *left_out), self.where)

    def report(self) -> str:
        """What was found: the number of samples, and what was left out and why."""
        return "\n  ".join([f"{len(self):,} samples in {self.where}", *self.left_out_lines()])

    def left_out_lines(self) -> list[str]:
        """What was left out and why: a line for each reason, with some of the names."""
        reasons: dict[str, list[str]] = defaultdict(list)
        for name, why in self.left_out:
            reasons[why].append(name)
        lines = []
        for why, names in sorted(reasons.items(), key=lambda reason: -len(reason[1])):
            more = f", … and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
            lines.append(f"left out: {', '.join(names[:SHOWN])}{more}: {why}")
        return lines

    def fingerprint(self) -> str:
        """A digest of names, and of sizes and dates of files: what tells that cached tokens are stale."""
        digest = sha256()
        for index, name in enumerate(self.names):
            digest.update(name.encode())
            sample = self.samples[index] if isinstance(self.samples, list | _Subset) else {}
            for kind, value in sorted(sample.items()):
                if isinstance(value, Path) and value.exists():
                    state = value.stat()
                    digest.update(f"{kind}:{state.st_size}:{state.st_mtime_ns}".encode())
                elif isinstance(value, np.ndarray):
                    digest.update(f"{kind}:{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
                elif isinstance(value, str | int | list | Mapping):
                    digest.update(f"{kind}:{value}".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Subset:
    samples: Any
    indices: tuple[int, ...]

    def __getitem__(self, index: int) -> dict[str, Any]:
        result: dict[str, Any] = self.samples[self.indices[index]]
        return result


def split(source: Source, share: float) -> tuple[Source, Source | None]:
    """Sets a share of the samples aside for validation, chosen by their names: more data do not reshuffle it."""
    count = round(len(source) * share)
    if not count or count >= len(source):
        return source, None
    order = sorted(range(len(source)), key=lambda index: sha256(source.names[index].encode()).digest())
    return source.subset(sorted(order[count:])), source.subset(sorted(order[:count]))

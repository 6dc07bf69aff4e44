"""What a checkpoint is, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .provenance import Provenance

__all__ = ["CheckpointReport"]


@dataclass(frozen=True)
class CheckpointReport:
    """What there is at a path.

    Attributes:
        path: the local file or folder.
        format: the family, as ``format=`` takes it; "vqgan_transformer" for our own.
        description: of the family.
        tensors: how many there are.
        parameters: numbers in them.
        bytes: what they take in the file.
        holds: what can be loaded: class name -> its config as JSON values, for a pipeline those of its parts.
        problems: what cannot be loaded as it is: class name -> why, and what to pass.
        source: where it comes from, and on which terms.
    """

    path: Path
    format: str
    description: str
    tensors: int
    parameters: int
    bytes: int
    holds: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    source: Provenance | None = None

    @property
    def refusals(self) -> dict[str, list[str]]:
        """The problems the other way round: why -> the names of the classes."""
        refusals: dict[str, list[str]] = {}
        for name, reason in self.problems.items():
            refusals.setdefault(reason, []).append(name)
        return refusals

    def __str__(self) -> str:
        lines = [
            f"{self.path}",
            f"  format      {self.format}: {self.description}",
            f"  tensors     {self.tensors:,} with {self.parameters / 1e6:,.1f} M parameters, {self.bytes / 1e6:,.1f} MB",
        ]
        if self.source is not None and self.source.repository is not None:
            lines.append(f"  from        {self.source}")
        elif self.source is not None and self.source.licence is not None:
            lines.append(f"  licence     {self.source.terms}")
        if self.source is not None and self.source.caution is not None:
            lines.append(f"  note: {self.source.caution}")
        for name, config in self.holds.items():
            lines.append(f"  loads as    {name}")
            for part, value in config.items():
                kind = next(iter(value), None) if isinstance(value, dict) else None
                if kind is not None and kind != name and kind in self.holds and value == {kind: self.holds[kind]}:
                    lines.append(f"    {part} = the {kind} that is listed by itself")
                else:
                    lines += _config_lines({part: value}, "    ")
        for reason, names in self.refusals.items():
            lines.append(f"  {', '.join(names)}: {reason}")
        return "\n".join(lines)


def _config_lines(config: Any, indent: str) -> list[str]:
    lines = []
    for name, value in config.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name}", *_config_lines(value, indent + "  ")]
        else:
            text = str(value)
            lines.append(f"{indent}{name} = {text if len(text) <= 70 else text[:67] + '...'}")
    return lines

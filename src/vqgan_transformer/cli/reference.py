"""The help of every command as a page of the documentation.

    python -m vqgan_transformer.cli.reference docs/command_line.md

writes everything below the page's marker anew.
"""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

from .command import COMMON, Command
from .commands import COMMANDS
from .options import Option
from .types import is_flag

__all__ = ["MARKER", "reference", "updated"]

MARKER = "<!-- all below is generated: python -m vqgan_transformer.cli.reference docs/command_line.md -->\n"


def reference() -> str:
    """Markdown: each command with its examples and options."""
    general = _table("Every command", COMMON)
    return "\n".join([*(_section(command) for command in COMMANDS.values()), f"## General options\n\n{general}"])


def updated(page: str) -> str:
    """A page with its generated part made anew."""
    return page[: page.index(MARKER) + len(MARKER)] + "\n" + reference()


def _section(command: Command) -> str:
    parts = [f"## `{command.name}`", command.summary[0].upper() + command.summary[1:] + "."]
    if command.details:
        parts.append(command.details)
    if command.examples:
        parts.append("\n".join(["```text", *command.examples, "```"]))
    for group, options in groupby(command.options()[: -len(COMMON)], key=lambda option: option.group):
        parts.append(_table(group, list(options)).rstrip())
    return "\n\n".join(parts) + "\n"


def _table(title: str, options: list[Option]) -> str:
    rows = [f"| {_names(option)} | {_cell(option.shown_type)} | {_cell(option.help)} |" for option in options]
    return "\n".join([f"| {title} | | |", "|---|---|---|", *rows]) + "\n"


def _names(option: Option) -> str:
    flags = [option.flag, *("--" + alias.replace("_", "-") for alias in option.aliases)]
    switch = ", `--no-" + flags[0][2:] + "`" if is_flag(option.hint) else ""
    return ", ".join(f"`{flag}`" for flag in flags) + switch


def _cell(text: str) -> str:
    return re.sub(r"([|<>*{}\[\]_$])", r"\\\1", text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")

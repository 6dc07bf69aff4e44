"""A command: what it can be told, and what it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import nearest_name
from .options import Option
from .settings_file import read_settings
from .types import UsageError, from_word, read_as

__all__ = ["COMMON", "Command", "Console", "Words"]

COMMON = [
    Option("config", Path, None, "a settings file (yaml or json): options by name; paths in it start from its folder",
           "general options"),
    Option("output_format", Literal["text", "json"], "text", "how the result is printed: text or json", "general options"),
    Option("progress", bool | None, None, "show progress on the error stream; by default where that is a terminal",
           "general options"),
    Option("debug", bool, False, "show where an error came from", "general options"),
]  # fmt: skip


@dataclass
class Console:
    """What a command says, and in which form.

    Attributes:
        as_json: results are printed as a JSON object each.
        progress: whether bars may be shown.
    """

    as_json: bool = False
    progress: bool = False

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Prints a result, in one of its two forms, on the output stream."""
        print(json.dumps(data, default=str) if self.as_json else text, flush=True)

    def note(self, text: str) -> None:
        """Tells something beside the result, on the error stream."""
        print(f"vqgan-transformer: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Words:
    """A command line, taken apart but not yet checked.

    Attributes:
        plain: words that belong to no flag.
        flags: the words of each flag, by the option's name; ``True`` or ``False`` for switches.
        assigned: ``name=value`` words.
        further: those behind ``--option``.
    """

    plain: list[str]
    flags: dict[str, Any]
    assigned: dict[str, str]
    further: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command of ``vqgan-transformer``.

    Attributes:
        name: as it is typed.
        summary: what it does, in a line.
        run: does it: called with what was given, by the options' names, and where to print.
        make_options: makes the options it takes; called when the command is chosen, since the functions behind it are heavy.
        positional: names of the options that words without a flag stand for, in order; the last takes all that are left
            if it takes several.
        further: the option that gathers ``name=value`` words of names that are none of the command's, if there is one.
        details: more for the help.
        examples: command lines, for the help.
    """

    name: str
    summary: str
    run: Callable[[dict[str, Any], Console], None]
    make_options: Callable[[], list[Option]]
    positional: tuple[str, ...] = ()
    further: str | None = None
    details: str = ""
    examples: tuple[str, ...] = field(default=())

    def options(self) -> list[Option]:
        """All options, those of every command last.

        Raises:
            ValueError: for two of one name.
        """
        options = [*self.make_options(), *COMMON]
        names = [option.name for option in options]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"{self.name} has two options of the name {min(twice)}.")
        return options

    def settings(self, words: Words, options: list[Option]) -> dict[str, Any]:
        """What was given, checked: of the settings file first, then of the command line, which goes before it.

        Raises:
            UsageError: for an option that there is not, a value of another type, and one that is lacking.
            FileNotFoundError: for a settings file that is not there.
        """
        known = {option.name: option for option in options}
        typed: dict[str, Any] = {}
        further = {name: from_word(Any, value) for name, value in words.further.items()}
        for name, value in words.assigned.items():
            option = known.get(_own_name(name, known))
            if option is None and self.further is not None:
                further[name] = from_word(Any, value)
                continue
            if option is None:
                raise UsageError(f"{self.name} has no option {name!r}.{nearest_name(name, known)}")
            typed[option.name] = from_word(option.hint, value)
        if further and self.further is not None:
            typed[self.further] = further
        for name, value in {**self._positional(words, known), **words.flags}.items():
            typed[name] = value if isinstance(value, bool) else _flag_value(known[name], value)
        here = Path()
        values = {name: read_as(known[name].hint, value, known[name].flag, here) for name, value in typed.items()}
        if values.get("config") is not None:
            values = self._from_file(values["config"], known) | values
        lacking = [option for option in options if option.default is MISSING and values.get(option.name) is None]
        if lacking:
            raise UsageError(f"{self.name} needs {', '.join(option.flag for option in lacking)}: {lacking[0].text}")
        return values

    def _from_file(self, path: Path, known: Mapping[str, Option]) -> dict[str, Any]:
        values = {}
        for name, value in read_settings(path).items():
            own_name = _own_name(str(name), known)
            if own_name == "command" and value == self.name:
                continue
            if own_name not in known:
                other = f" It is of {value!r}." if own_name == "command" else ""
                raise UsageError(f"{path}: {self.name} has no option {name!r}.{nearest_name(str(name), known)}{other}")
            values[own_name] = read_as(known[own_name].hint, value, f"{path}: {name}", path.parent)
        return values

    def _positional(self, words: Words, known: Mapping[str, Option]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        rest = list(words.plain)
        for name in self.positional:
            if not rest:
                break
            several = known[name].several
            given[name] = rest if several else [rest[0]]
            rest = [] if several else rest[1:]
        if rest:
            raise UsageError(
                f"{self.name} does not know what {rest[0]!r} is for. Options are --name value or name=value."
            )
        both = given.keys() & words.flags.keys()
        if both:
            raise UsageError(f"{known[min(both)].flag} is given twice.")
        return given


def _own_name(name: str, known: Mapping[str, Option]) -> str:
    """An option's own name for one of its names."""
    name = name.replace("-", "_")
    return next((option.name for option in known.values() if name in (option.name, *option.aliases)), name)


def _flag_value(option: Option, words: list[str]) -> Any:
    """The words of a flag as one value: a list where it takes several."""
    values = [from_word(option.word_hint, word) for word in words]
    return values if option.count is not None or len(values) > 1 else values[0]

"""From a command line to a command and an exit status."""

from __future__ import annotations

import argparse
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any, NoReturn

from ..errors import nearest_name
from ..version import __version__
from .command import Command, Console, Words
from .commands import COMMANDS
from .options import Option
from .types import UsageError, is_flag

__all__ = ["main"]

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)
EPILOG = "Every command explains itself: vqgan-transformer COMMAND --help."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: those of the command line by default.

    Returns:
        0; 1 where it failed, and 2 where it was not understood, for a reason that stands on the error stream in one line;
        130 where it was interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return _run(words)
        except UsageError as error:
            return _failed(error, 2, debug)
        except KeyboardInterrupt as error:
            print(f"vqgan-transformer: {str(error) or 'interrupted'}", file=sys.stderr)
            return 130
        except BrokenPipeError:
            sys.stderr.close()  # whoever reads has closed the pipe; Python would complain when it ends
            return 1
        except Exception as error:
            return _failed(error, 1, debug)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"vqgan-transformer {__version__}")
        return 0
    count = 2 if " ".join(words[:2]) in COMMANDS else 1
    name, rest = " ".join(words[:count]), words[count:]
    if name not in COMMANDS:
        within = [known for known in COMMANDS if known.startswith(f"{name} ")]
        hint = f" There are {', '.join(within)}." if within else nearest_name(name, COMMANDS)
        raise UsageError(f"there is no command {name!r}.{hint} See vqgan-transformer --help.")
    command = COMMANDS[name]
    options = command.options()
    taken_apart = _take_apart(command, options, rest)
    values = command.settings(taken_apart, options)
    general = {option: values.pop(option, None) for option in ("config", "output_format", "progress", "debug")}
    progress = sys.stderr.isatty() if general["progress"] is None else general["progress"]
    command.run(values, Console(as_json=general["output_format"] == "json", progress=progress))
    return 0


def _take_apart(command: Command, options: Sequence[Option], words: Sequence[str]) -> Words:
    """The words behind a command's name."""
    assigned: dict[str, str] = {}
    further: dict[str, str] = {}
    others = []
    for before, word in zip(["", *words], words, strict=False):
        match = _ASSIGNED.fullmatch(word)
        if before == "--option" and command.further is not None:
            if match is None:
                raise UsageError(f"an option is name=value, e.g. n_head=16, got {word!r}.")
            further[match[1]] = match[2]
        elif match is not None:
            assigned[match[1]] = match[2]
        elif word != "--option" or command.further is None:
            others.append(re.sub(r"^--[\w-]+", lambda flag: flag[0].replace("_", "-"), word))
    given = vars(_parser(command, options).parse_intermixed_args(others))
    return Words(given.pop("words"), given, assigned, further)


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing its whole usage."""

    def error(self, message: str) -> NoReturn:
        flags = [flag for action in self._actions for flag in action.option_strings]
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        hint = nearest_name(unknown[1], flags) if unknown is not None else ""
        raise UsageError(f"{message}.{hint} See {self.prog} --help.")


def _parser(command: Command, options: Sequence[Option]) -> argparse.ArgumentParser:
    known = {option.name: option for option in options}
    places = [_place(known[name]) for name in command.positional]
    parser = _Parser(
        prog=f"vqgan-transformer {command.name}",
        usage=" ".join(["%(prog)s", *places, "[--option VALUE …] [option=value …]"]),
        description="\n\n".join(filter(None, [command.summary, command.details])),
        epilog="\n".join(["examples:", *(f"  {line}" for line in command.examples)]) if command.examples else None,
        formatter_class=_HelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", default=[], help=argparse.SUPPRESS)
    groups: dict[str, Any] = {}
    for option in options:
        group = groups.setdefault(option.group, parser.add_argument_group(option.group or "options"))
        names = [option.flag, *("--" + alias.replace("_", "-") for alias in option.aliases)]
        text = option.help.replace("%", "%%")
        if is_flag(option.hint):
            group.add_argument(*names, dest=option.name, action=argparse.BooleanOptionalAction, help=text)
        else:
            nargs: int | str = option.count or ("+" if option.several else 1)
            group.add_argument(*names, dest=option.name, nargs=nargs, metavar=option.shown_type, help=text)
    return parser


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **kwargs: Any):
        super().__init__(prog, max_help_position=32, **kwargs)


def _place(option: Option) -> str:
    name = option.name.upper() + (" …" if option.several else "")
    return name if option.default is MISSING else f"[{name}]"


def _overview() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return f"usage: vqgan-transformer COMMAND …\n\nVQGAN, conditional GPT and sliding-window sampler.\n\ncommands:\n{listed}\n\n{EPILOG}"


def _failed(error: Exception, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
        return status
    expected = isinstance(
        error, UsageError | ValueError | TypeError | OSError | ImportError | KeyError | ArithmeticError
    )
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    text = str(message) if expected and str(message) else f"{type(error).__name__}: {message} (--debug shows where)"
    print(f"vqgan-transformer: {text}", file=sys.stderr)
    return status


def _show_warning(message: Any, *details: Any, **more: Any) -> None:
    print(f"vqgan-transformer: warning: {message}", file=sys.stderr)

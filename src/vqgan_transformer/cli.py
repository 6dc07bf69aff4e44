"""The command ``vqgan-transformer``: what a checkpoint is, whether it is loaded rightly, and converting it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from .errors import CheckpointError

__all__ = ["main"]

PLACE = ("subfolder", "filename", "format", "revision", "token", "cache_dir")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: those of the command line by default.

    Returns:
        0, or 1 where something could not be loaded; the reason goes to the error stream.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    try:
        return given.command(given)
    except (CheckpointError, FileNotFoundError, FileExistsError, ImportError, TypeError, ValueError) as error:
        print(f"vqgan-transformer: {error}", file=sys.stderr)
        return 1


def _inspect(given: argparse.Namespace) -> int:
    from .vqgan.model import VQGAN

    print(VQGAN.inspect(given.source, **_options(given)))
    return 0


def _verify(given: argparse.Namespace) -> int:
    from .verification import verify_checkpoint

    print(verify_checkpoint(given.source, **_options(given)))
    return 0


def _convert(given: argparse.Namespace) -> int:
    from .conversion import convert_checkpoint

    folder = convert_checkpoint(
        given.source,
        given.folder,
        save_dtype=given.dtype,
        max_shard_size=given.max_shard_size,
        licence=given.licence,
        **_options(given),
    )
    print(folder)
    return 0


def _options(given: argparse.Namespace) -> dict[str, Any]:
    place = {name: getattr(given, name) for name in PLACE if getattr(given, name) is not None}
    return place | dict(given.option)


def _option(text: str) -> tuple[str, Any]:
    """``n_head=16`` and ``window=[16,16]`` as numbers and lists, anything else behind the sign as text."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"an option is name=value, e.g. n_head=16, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vqgan-transformer", description="Checkpoints: inspect, verify, convert.")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands")
    told = {
        "inspect": (_inspect, "say what a checkpoint is, without reading its weights"),
        "verify": (_verify, "load a checkpoint, reconstruct a picture, compare with the original program if installed"),
        "convert": (_convert, "write a checkpoint in this package's own format (safetensors)"),
    }
    for name, (run, text) in told.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(command=run)
        command.add_argument("source", help="a file, a folder, the id of a repository on the Hub, hf://… or https://…")
        if name == "convert":
            command.add_argument("folder", help="where to write to")
            command.add_argument("--dtype", help="of the weights in the file, e.g. bfloat16; by default as they are")
            command.add_argument("--max-shard-size", default="5GB", help="weights beyond it are split (default: 5GB)")
            command.add_argument("--licence", "--license", help="of the weights, for the model card, e.g. mit")
        command.add_argument("--subfolder", help="a folder inside the source")
        command.add_argument("--filename", help="of several files of weights the one that is meant")
        command.add_argument("--format", help="the family of the checkpoint; by default it is found out")
        command.add_argument("--revision", help="branch, tag or commit on the Hub")
        command.add_argument("--token", help="for private repositories on the Hub")
        command.add_argument("--cache-dir", help="where downloads are kept")
        command.add_argument(
            "--option",
            action="append",
            default=[],
            type=_option,
            metavar="NAME=VALUE",
            help="an option of the family, e.g. n_head=16 or config=project.yaml; may be repeated",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())

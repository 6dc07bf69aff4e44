"""The command ``vqgan-transformer``: everything that the functions can do, from a terminal.

A command is a :class:`~.command.Command`: the options it takes, derived from the functions and dataclasses behind it, and
what it runs. Nothing heavy is imported before a command is chosen.
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]

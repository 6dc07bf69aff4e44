"""Writes ``pipeline/call_arguments.py``: what a call of the pipeline takes by name, from where each is defined.

    python tests/write_call_arguments.py

Kinds of conditions come from their classes, options from the keyword-only parameters of ``parse``, settings from
``SamplerConfig``, types and explanations included. A test compares the file with what this writes.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap
import types
import typing
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vqgan_transformer import SamplerConfig
from vqgan_transformer.conditions import KINDS

TARGET = Path(__file__).parents[1] / "src/vqgan_transformer/pipeline/call_arguments.py"

HEAD = '''"""What a call of the pipeline takes by name, beyond its own arguments. Written by ``tests/write_call_arguments.py``."""

{imports}

__all__ = ["CallArguments"]


class CallArguments(TypedDict, total=False):
    """Conditions by their kind, their options, and settings of the sampler.

    A checkpoint understands some of the kinds; an option goes together with its kind.
    """
'''


class Renderer:
    """Types as source text; remembers what has to be imported for them."""

    def __init__(self) -> None:
        self.imports: dict[str, set[str]] = defaultdict(set)

    def __call__(self, kind: Any) -> str:
        """A type as source text."""
        if kind is type(None):
            return "None"
        origin, parameters = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return " | ".join(dict.fromkeys(self(part) for part in parameters))
        if origin is Literal:
            return f"{self.name(typing, 'Literal')}[{', '.join(map(repr, parameters))}]"
        if origin is not None:
            inner = ", ".join("..." if part is Ellipsis else self(part) for part in parameters)
            return f"{self(origin)}[{inner}]" if inner else self(origin)
        if kind is Any:
            return self.name(typing, "Any")
        if kind.__module__ == "builtins":
            return kind.__name__
        return self.name(sys.modules[kind.__module__], kind.__name__)

    def name(self, module: types.ModuleType, name: str) -> str:
        """A name of a module, to be imported."""
        relative = re.sub(r"^vqgan_transformer\.", "..", module.__name__)
        self.imports[relative].add(name)
        return name


def explanations(text: str | None) -> dict[str, str]:
    """What the ``Args:`` section of a docstring says of each argument, on one line."""
    section = re.search(r"^Args:\n((?:    .*\n|\n)+)", inspect.cleandoc(text or "") + "\n", re.MULTILINE)
    if section is None:
        return {}
    items = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE)[1:]
    return {name: " ".join(said.split()) for name, said in zip(items[::2], items[1::2], strict=True)}


def content() -> str:
    """The file."""
    render = Renderer()
    render.imports["typing"].add("TypedDict")
    kinds = [*KINDS.values()]
    entries: dict[str, tuple[list[str], str]] = {}
    owners: dict[str, list[str]] = defaultdict(list)
    for kind in kinds:
        entries[kind.name] = ["Any"], (inspect.getdoc(kind) or "").partition("\n")[0]
        for keyword in kind.keywords:
            entries[keyword] = ["Any"], f"The same as ``{kind.name}``."
    for kind in kinds:
        said = explanations(kind.parse.__doc__)
        hints = get_type_hints(kind.parse)
        for name, parameter in inspect.signature(kind.parse).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "size":
                owners[name].append(kind.name)
                types_, text = entries.get(name, ([], ""))
                text = f"{text} " * bool(text) + f"Of {kind.name}: {said[name]}"
                entries[name] = [*types_, render(hints[name])], text
                entries[f"{kind.name}_{name}"] = (
                    [render(hints[name])],
                    f"The same as ``{name}``, for {kind.name} alone.",
                )
    for name, others in list(owners.items()):
        if len(others) == 1:
            del entries[f"{others[0]}_{name}"]
    hints, said = get_type_hints(SamplerConfig), explanations(SamplerConfig.__doc__)
    for setting in fields(SamplerConfig):
        entries[setting.name] = [render(hints[setting.name])], f"Of the sampler: {said[setting.name]}"
    render.imports["typing"].add("Any")
    body = ""
    for name, (types_, text) in entries.items():
        parts = dict.fromkeys(part for kind in types_ for part in kind.split(" | "))
        text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"``\1``", text)
        text = textwrap.fill(f'"""{text}"""', 120, initial_indent=" " * 4, subsequent_indent=" " * 4)
        body += f"\n    {name}: {' | '.join(parts)}\n{text}\n"
    imports = "\n".join(
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(render.imports.items(), key=lambda item: (item[0].startswith("."), item[0]))
    )
    text = HEAD.format(imports=imports) + body
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        ruff = ["ruff", *command, "-q", "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    TARGET.write_text(content(), encoding="utf-8")

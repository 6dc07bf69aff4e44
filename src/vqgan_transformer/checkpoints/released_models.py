"""Released models that load, by short names: where they are, under which licence, how good, how large.

The facts stand in ``released_models.json``. A figure is there only where its authors published it, with where; a licence
only where the repository's card or documentation states it. docs/models.md is generated from it (:func:`models_page`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import nearest_name
from ..storage.config_json import from_json, read_json

__all__ = ["ReleasedModel", "models_page", "models_text", "released_model", "released_models"]

DATA = Path(__file__).with_name("released_models.json")


@dataclass(frozen=True)
class ReleasedModel:
    """A released model.

    Attributes:
        name: what ``from_pretrained`` takes.
        what: one line.
        family: of its file, as ``format=`` takes it.
        loads: the name of the class that loads all of it.
        repository: on the Hugging Face Hub.
        filename: of the file in it, where it has several.
        tokenizer: the short name of its tokenizer, where that is a file of its own.
        options: what ``loads.from_pretrained`` needs beside.
        conditions: kinds that steer it.
        call: arguments of a first call.
        parameters: in all parts that are loaded.
        file_bytes: size of the file, where it follows from what is in it.
        licence: by its identifier on the Hub; ``None`` where none was seen.
        rfid: published Fréchet distance of reconstructions of ImageNet's validation pictures at 256 pixels.
        fid: published Fréchet distance of generated pictures, ImageNet at 256 pixels.
        figures: where these were published.
        config: of a tokenizer, the fields of a VQGANConfig in which it differs from the defaults.
        verified: what ``vqgan-transformer verify`` printed where somebody ran it, by rows of the page's table.
    """

    name: str
    what: str
    family: str
    loads: str
    repository: str
    filename: str | None = None
    tokenizer: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    call: str | None = None
    parameters: int | None = None
    file_bytes: int | None = None
    licence: str | None = None
    rfid: float | None = None
    fid: float | None = None
    figures: str | None = None
    config: dict[str, Any] | None = None
    verified: dict[str, str] | None = None

    @property
    def snippet(self) -> str:
        """A first program."""
        variable = {"ImageSynthesisPipeline": "pipe", "CondGPT": "gpt"}.get(self.loads, "vqgan")
        load = f'{variable} = {self.loads}.from_pretrained("{self.name}")'
        return f"{load}\npipe({self.call})" if self.call else load

    def memory(self, bytes_a_number: int) -> str:
        """What its weights take in memory, e.g. "0.44 GB"; "" where it is not known."""
        return f"{self.parameters * bytes_a_number / 1e9:.2f} GB" if self.parameters is not None else ""


@cache
def released_models() -> Mapping[str, ReleasedModel]:
    """All of them by name, in the order of the file."""
    models = (from_json(ReleasedModel, entry, DATA.name) for entry in read_json(DATA)["models"])
    return {model.name: model for model in models}


def released_model(name: str) -> ReleasedModel | None:
    """The model of a short name; ``None`` if there is none."""
    return released_models().get(name)


def nearest_model(name: str) -> str:
    """A sentence with the short name that was meant; empty where none is near."""
    return nearest_name(name, released_models())


COLUMNS: Mapping[str, Callable[[ReleasedModel], str]] = {
    "name": lambda model: model.name,
    "what": lambda model: model.what,
    "parameters": lambda model: f"{model.parameters / 1e6:,.0f} M" if model.parameters is not None else "",
    "float32": lambda model: model.memory(4),
    "bfloat16": lambda model: model.memory(2),
    "licence": lambda model: model.licence or "none seen",
    "FID": lambda model: f"{model.fid or model.rfid:.2f}" if model.fid or model.rfid else "",
}
"""Columns that are both printed and in the documentation."""


def models_text() -> str:
    """The models as a table for a terminal."""
    rows = [tuple(COLUMNS), *(tuple(cell(model) for cell in COLUMNS.values()) for model in released_models().values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(
        [*lines, "", "FID: of generated pictures, for tokenizers (VQGAN) of reconstructions, as published."]
    )


def models_page() -> str:
    """docs/models.md."""
    return PAGE.format(
        tokenizers=_table("VQGAN"),
        generators=_table("ImageSynthesisPipeline", "CondGPT"),
        verified=_verified(),
        snippets="\n".join(model.snippet for model in released_models().values()),
    )


def _table(*loads: str) -> str:
    heads = [
        "name",
        "what",
        "where",
        "parameters",
        "float32",
        "bfloat16",
        "licence",
        "FID",
        "published in",
        "conditions",
    ]
    cells: dict[str, Callable[[ReleasedModel], str]] = {
        **COLUMNS,
        "name": lambda model: f"`{model.name}`",
        "where": _where,
        "published in": lambda model: model.figures or "",
        "conditions": lambda model: ", ".join(f"`{kind}`" for kind in model.conditions),
    }
    if "VQGAN" in loads:
        heads.remove("conditions")
    rows = [heads, ["---"] * len(heads)]
    rows += [[cells[head](model) for head in heads] for model in released_models().values() if model.loads in loads]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _verified() -> str:
    heads = ("SHA-256", "PSNR", "in place", "shuffled")
    rows: list[tuple[str, ...]] = [("name", *heads), ("---",) * (1 + len(heads))]
    for model in released_models().values():
        known = model.verified or {}
        rows.append((f"`{model.name}`", *(known.get(head, UNKNOWN if head == heads[0] else "") for head in heads)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _where(model: ReleasedModel) -> str:
    file = f", `{model.filename}`" if model.filename is not None else ""
    size = f" ({model.file_bytes / 1e9:.2f} GB)" if model.file_bytes is not None else ""
    return f"[{model.repository}](https://huggingface.co/{model.repository}){file}{size}"


UNKNOWN = "to be filled by the first who runs it"

PAGE = """# Released models

Models that others trained and released, and that load here by a short name. It stands for a repository, a file in it and,
where that is a file of its own, the tokenizer; everything that `from_pretrained` takes can be given beside it. This page and
`vqgan-transformer models` are generated from one file, `checkpoints/released_models.json`.

- *float32* and *bfloat16* are what all weights take in memory, computed from the published names and shapes; caches and
  pictures come on top ([sampling.md](sampling.md)).
- *Licence* is what the repository states for the weights; "none seen" means that none was found when this was written. What
  is loaded says itself what its card states, see [checkpoints.md](checkpoints.md#licence-and-origin).
- *FID* is the published Fréchet distance on ImageNet at 256 pixels, of reconstructions for tokenizers and of generated
  pictures for generators; empty where none was published for this file. Nothing of it was measured here.

The paper's own run folders (S-FLCKR, ADE20K, COCO-Stuff, …) lie on file hosts rather than on the Hub: download them, and pass
the folder.

## Tokenizers

{tokenizers}

## Generators

{generators}

## Proof

Numbers are checked against the original programs with small checkpoints (docs/checkpoints.md has the column); the released
weights cannot be downloaded where this package is built. Who has them can check in one line:

```bash
vqgan-transformer verify ibq-16384
```

It downloads, loads, and prints the SHA-256 of the files; the PSNR of a reconstruction of a picture that is made by formula;
and for generators the mean log-likelihood of that picture's tokens, and of the same tokens shuffled: a trained model tells
them apart, one that was loaded wrongly does not. If you are the first to run it, please report what it printed (the issue
template "Verified model"), and it will stand here:

{verified}

## First calls

<!-- not run: downloads -->
```python
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline

{snippets}
```
"""

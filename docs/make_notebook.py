"""Makes what is generated from ``examples/own_labels.py``: the notebook, and the page of the documentation.

python docs/make_notebook.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT, NOTEBOOK, PAGE = (
    ROOT / name for name in ("examples/own_labels.py", "examples/own_labels.ipynb", "docs/own_labels.md")
)


def cells(script: str) -> list[tuple[str, str]]:
    """(kind, text) of each cell of a script in the percent format."""
    parts = re.split(r"^# %%(.*)\n", script, flags=re.M)[1:]
    found = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        markdown = "[markdown]" in title
        body = re.sub(r"^# ?", "", text.strip(), flags=re.M) if markdown else text.strip()
        found.append(("markdown" if markdown else "code", body))
    return found


def notebook(script: str) -> str:
    """The notebook's JSON."""
    made = []
    for number, (kind, text) in enumerate(cells(script)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    data = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def page(script: str) -> str:
    """The page: the same cells, with where to get them."""
    first, *others = cells(script)
    where = "This page is also [a script](../examples/own_labels.py) and [a notebook](../examples/own_labels.ipynb)."
    blocks = [
        text if kind == "markdown" else f"<!-- not run: trains for half an hour -->\n```python\n{text}\n```"
        for kind, text in others
    ]
    return "\n\n".join([first[1], where, *blocks]) + "\n"


if __name__ == "__main__":
    source = SCRIPT.read_text(encoding="utf-8")
    NOTEBOOK.write_text(notebook(source), encoding="utf-8")
    PAGE.write_text(page(source), encoding="utf-8")

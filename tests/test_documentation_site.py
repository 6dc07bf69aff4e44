"""The documentation as a site, and what in it is generated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import make_notebook  # noqa: E402 - found through the line above

SCRIPT = (ROOT / "examples" / "own_labels.py").read_text(encoding="utf-8")


def test_the_notebook_and_its_page_are_as_generated():
    assert (ROOT / "examples" / "own_labels.ipynb").read_text(encoding="utf-8") == make_notebook.notebook(SCRIPT)
    assert (ROOT / "docs" / "own_labels.md").read_text(encoding="utf-8") == make_notebook.page(SCRIPT)
    kinds = [cell["cell_type"] for cell in json.loads(make_notebook.notebook(SCRIPT))["cells"]]
    assert kinds[:2] == ["markdown", "code"]


def test_the_notebook_trains_and_paints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = SCRIPT.replace("pictures = 400", "pictures = 8").replace("steps = 2_000", "steps = 2")
    assert small.count("steps = 2\n") == 1
    exec(compile(small, "own_labels.py", "exec"), {"__name__": "__main__"})
    assert (tmp_path / "own_labels" / "picture.png").exists()


def test_every_page_is_in_the_contents():
    listed = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split()
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(listed)


def test_the_site_builds_without_network_or_warnings(tmp_path):
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    pytest.importorskip("myst_parser", reason="the extra docs is not installed")
    pytest.importorskip("furo", reason="the extra docs is not installed")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    assert "train_vqgan" in page and "temperature" in page  # from the docstrings

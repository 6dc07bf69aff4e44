"""The wheel is whole: built, unpacked outside the source tree, it runs the quickstart."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent


def test_the_quickstart_runs_from_the_built_wheel(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    for part in ("py.typed", "demo/page/index.html", "demo/page/main.js", "demo/page/style.css"):
        assert (tmp_path / "site" / "vqgan_transformer" / part).exists()

    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = [sys.executable, "-c", "import vqgan_transformer; print(vqgan_transformer.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment).stdout
    assert str(tmp_path) in found

    quickstart = [sys.executable, str(ROOT / "examples" / "quickstart.py"), "--size", "96", "144"]
    subprocess.run(quickstart, check=True, capture_output=True, cwd=tmp_path, env=environment)
    for name in ("labels.png", "picture.png"):
        assert Image.open(tmp_path / "outputs" / name).size == (144, 96)

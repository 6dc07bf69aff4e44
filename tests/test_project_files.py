"""What those who carry the project on find: guides, workflows, templates and packages agree with the project."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

import vqgan_transformer

ROOT = Path(__file__).parent.parent
PACKAGE = Path(vqgan_transformer.__file__).parent
GUIDES = [ROOT / name for name in ("CONTRIBUTING.md", "RELEASING.md", "CHANGELOG.md")]
YAML = [
    ROOT / "CITATION.cff",
    ROOT / ".pre-commit-config.yaml",
    *sorted((ROOT / ".github").rglob("*.yml")),
]
if not (ROOT / ".github").exists():
    pytest.skip("these files are the repository's, not the package's", allow_module_level=True)

sys.path.insert(0, str(ROOT / "docs"))

from absolute_links import absolute  # noqa: E402 - found through the line above


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_and_files_that_a_guide_names_are_there(guide):
    text = guide.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (guide.parent / target).exists(), target


def test_modules_that_the_guide_for_contributors_names_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:conditions|checkpoints|sampler|vqgan)/[\w/]+\.py)`", text))
    assert len(named) >= 5 and all((PACKAGE / name).exists() for name in named)
    assert all((ROOT / name).exists() for name in re.findall(r"`(?:python )?((?:tests|docs)/\w+\.py)`", text))


@pytest.mark.parametrize("file", YAML, ids=lambda file: file.name)
def test_files_of_settings_can_be_read(file):
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_the_public_tests_run_on_every_python_that_is_promised():
    matrix = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))["jobs"]["tests"]
    pythons = matrix["strategy"]["matrix"]["python"]
    lowest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert lowest is not None and pythons[0] == lowest[1]
    assert {entry["os"].split("-")[0] for entry in matrix["strategy"]["matrix"]["include"]} == {
        "ubuntu",
        "macos",
        "windows",
    }


def test_the_first_two_shell_blocks_of_the_readme_are_one_command_each():
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    first, second = (block.strip() for block in blocks[:2])
    assert first.startswith("pip install . && ") and "\n" not in first
    assert second.startswith('pip install ".[test]" && ') and second.endswith("&& pytest") and "\n" not in second


def test_hooks_run_tools_of_the_extra_test():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    extra = re.search(r"^test = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert extra is not None
    assert {hook["entry"].split()[0] for hook in hooks} <= set(re.findall(r'"([\w-]+)', extra[1]))


def test_links_become_addresses_and_pictures_files():
    page = "![a](docs/a.jpg) [b](docs/b.md#c) [d](https://e.org) [f](#g)"
    assert absolute(page, "https://host/o/n", "v1") == (
        "![a](https://host/o/n/raw/v1/docs/a.jpg) [b](https://host/o/n/blob/v1/docs/b.md#c) [d](https://e.org) [f](#g)"
    )


def test_source_package_and_wheel_are_ready_for_an_index(tmp_path):
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    made = sorted(tmp_path.iterdir())
    assert [file.suffix for file in made] == [".whl", ".gz"] or [file.suffix for file in made] == [".gz", ".whl"]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, made)], check=True)
    with tarfile.open(next(file for file in made if file.suffix == ".gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CONTRIBUTING.md", "CITATION.cff", "src/vqgan_transformer/public.py"} <= names

"""The house: who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vqgan_transformer

PACKAGE = Path(vqgan_transformer.__file__).parent

PARTS = {"sampler", "conditions", "vqgan", "gpt"}

# each room, and the rooms it may import from (itself and errors always)
ARROWS = {
    "errors": set(),
    "hub": set(),
    "hub.formats": {"hub", "vqgan", "gpt", "conditions", "sampler"},
    "vqgan": {"hub"},
    "gpt": {"hub"},
    "images": set(),
    "sampler": {"gpt", "hub"},
    "conditions": {"vqgan", "images", "picture_size", "hub"},
    "picture_size": {"vqgan"},
    "request": {"picture_size", "sampler", "conditions"},
    "completion": {"picture_size", "vqgan", "images"},
    "painting": {"completion", "picture_size", "sampler", "vqgan", "gpt"},
    "streaming": {"painting", "vqgan"},
    "saved_pipeline": {"sampler", "conditions", "vqgan", "gpt", "hub"},
    "matching_parts": {"conditions", "vqgan", "gpt"},
    "pipeline": PARTS
    | {
        "saved_pipeline",
        "matching_parts",
        "request",
        "painting",
        "streaming",
        "completion",
        "picture_size",
        "images",
        "hub",
    },
    "scenes": set(),
    "evaluation": PARTS | {"pipeline", "completion", "picture_size", "images"},
    "training": PARTS | {"pipeline", "picture_size", "images", "hub", "scenes"},
    "conversion": {"pipeline", "vqgan", "gpt", "hub"},
    "verification": {"conversion", "vqgan", "gpt", "hub"},
    "cli": {"conversion", "verification", "vqgan"},
    "": PARTS | {"pipeline", "training"},  # the lazy public names
}
LAZY = {
    ("hub", "hub.formats"),  # looked up inside from_pretrained, when a foreign checkpoint is met
    ("vqgan", "hub.formats"),  # vqgan.save_diffusers
    ("verification", "hub.formats"),
    ("pipeline", "evaluation"),  # pipe.diagnose
}


def room(module: str) -> str:
    parts = module.removesuffix("__version__").split(".")
    return "hub.formats" if parts[:2] == ["hub", "formats"] else parts[0]


def imports(path: Path) -> set[str]:
    """The rooms of the package that a file imports, anywhere in it."""
    package = path.relative_to(PACKAGE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            modules = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {".".join((*base, module)) for module in modules}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found |= {name.partition(".")[2] for name in names if name.split(".")[0] == "vqgan_transformer"}
    return {room(module) for module in found}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_arrows_point_one_way(path):
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    own = "" if module == "__init__" else room(module)
    allowed = ARROWS[own] | {own, "errors", ""} | {there for here, there in LAZY if here == own}
    assert imports(path) <= allowed


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_touches_nothing_heavy():
    heavy = ["torchvision", "lpips", "scipy", "accelerate", "gradio", "transformers", "diffusers"]
    code = f"""
import sys, vqgan_transformer as package
for name in package.__all__:
    getattr(package, name)
print([name for name in {heavy} if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_import_alone_is_quick():
    code = "import sys, vqgan_transformer; print('torch' in sys.modules)"
    assert run(code).strip() == "False"


def test_every_public_name_is_there_and_documented():
    for name in vqgan_transformer.__all__:
        value = getattr(vqgan_transformer, name)
        assert name == "__version__" or value.__doc__
    with pytest.raises(AttributeError):
        vqgan_transformer.no_such_name  # noqa: B018

"""The house: who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import vqgan_transformer
from vqgan_transformer.conditions import KINDS

PACKAGE = Path(vqgan_transformer.__file__).parent
PROJECT = Path(__file__).parents[1]

MODELS = {"sampler", "conditions", "vqgan", "gpt"}
BASICS = {"errors", "version", "slots", "text_files"}

# each room, and the rooms it may import from (itself and the basics always)
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "slots": set(),
    "text_files": set(),
    "picture_files": set(),
    "images": {"picture_files"},
    "geometry": set(),
    "contact_sheet": set(),
    "scenes": set(),
    "storage": set(),
    "vqgan": {"storage"},
    "gpt": {"storage"},
    "sampler": {"gpt", "storage"},
    "conditions": {"vqgan", "images", "picture_files", "geometry", "storage"},
    "pipeline": MODELS | {"images", "picture_files", "geometry", "storage"},
    "checkpoints": MODELS | {"storage"},
    "evaluation": MODELS | {"pipeline", "images", "geometry", "contact_sheet", "training", "checkpoints"},
    "training": MODELS
    | {"pipeline", "images", "picture_files", "contact_sheet", "geometry", "storage", "scenes", "checkpoints"},
    "conversion": MODELS | {"pipeline", "storage"},
    "picture_likelihood": MODELS | {"pipeline"},
    "verification": MODELS | {"conversion", "checkpoints", "picture_likelihood", "pipeline", "storage"},
    "demo": MODELS | {"pipeline", "images", "geometry", "storage"},
    "cli": MODELS
    | {
        "checkpoints",
        "conversion",
        "demo",
        "evaluation",
        "images",
        "pipeline",
        "public",
        "storage",
        "training",
        "verification",
    },
    "__main__": {"cli"},
    "public": MODELS | {"pipeline", "training"},
    "": {"public", "checkpoints", "evaluation"},  # the public names, and what fills the slots
}


def modules() -> dict[str, Path]:
    """The package's modules by dotted name without the package's; a package is its ``__init__``."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def room(module: str) -> str:
    return module.split(".")[0]


def imports(name: str) -> set[str]:
    """The modules of the package that one imports, anywhere in it: in functions and for types only, too."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
            elif (node.module or "").split(".")[0] == "vqgan_transformer":
                base = []
            else:
                continue
            module = ".".join([*base, *([(node.module or "").removeprefix("vqgan_transformer").lstrip(".")])]).strip(
                "."
            )
            members = {f"{module}.{alias.name}".strip(".") for alias in node.names}
            imported |= {member if member in MODULES else module for member in members}
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "vqgan_transformer"]
            imported |= {name.partition(".")[2] for name in names}
    return imported - {name}


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_one_way(name):
    allowed = ARROWS[room(name)] | {room(name)} | BASICS
    assert {room(module) for module in imports(name)} <= allowed


def test_rooms_form_no_circle():
    TopologicalSorter({room_: {*others} for room_, others in ARROWS.items()}).prepare()  # raises CycleError otherwise


def test_modules_form_no_circle():
    graph = {name: imports(name) for name in MODULES}
    # a package's __init__ gathers names of its modules; a module that imports it would close a circle
    assert [*TopologicalSorter(graph).static_order()]


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_imported_by_a_string(name):
    text = MODULES[name].read_text(encoding="utf-8")
    assert "import_module" not in text and "__import__" not in text


def questions_about_kinds(tree: ast.AST) -> list[int]:
    """Lines that ask which kind a condition is: by its class, or by comparing its name."""
    classes = {kind.__name__ for kind in KINDS.values()} | {"TokenizedMap"}
    lines = []
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            asked = [name for name in ast.walk(node) if isinstance(name, ast.Name | ast.Attribute)]
        elif isinstance(node, ast.Compare | ast.match_case):
            asked = [*ast.walk(node if isinstance(node, ast.Compare) else node.pattern)]
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        for part in asked:
            named = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else None
            if named in classes or (isinstance(part, ast.Constant) and part.value in KINDS):
                lines.append(part.lineno)
    return lines


@pytest.mark.parametrize(
    "name", [name for name in MODULES if room(name) not in ("conditions", "checkpoints", "scenes")]
)
def test_nobody_asks_which_kind_a_condition_is(name):
    # what the names in files of other programs stand for is a question about these files
    assert questions_about_kinds(ast.parse(MODULES[name].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("code", "asks"),
    [
        ("isinstance(condition, DepthCondition)", True),
        ("isinstance(condition, conditions.TokenizedMap)", True),
        ("condition.name == 'depth'", True),
        ("kind in ('image', 'keypoints')", True),
        ("weights = {'segmentation': 0.0}.get(kind)", True),
        ("condition.cut(sample, crop, whole, order)", False),
        ("batch['keypoints']", False),
    ],
)
def test_questions_about_kinds_are_seen(code, asks):
    assert bool(questions_about_kinds(ast.parse(code))) == asks


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


def test_nothing_is_imported_while_running_that_only_types_need():
    # typing_extensions comes with torch, but is none of our dependencies
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_run_time = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert "typing_extensions" not in {node.module for node in at_run_time}, name


@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_one_room(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples"])
def test_files_around_the_package_are_short_too(folder):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (PROJECT / folder).rglob("*.py")}
    assert {path.name: length for path, length in lengths.items() if length > 400} == {}

"""What a call takes by name is found from ``help()``, by an editor and by a type checker; parts say what they are."""

from __future__ import annotations

import inspect
import pydoc
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from vqgan_transformer import ImageSynthesisPipeline

WRITER = Path(__file__).parents[1] / "tools" / "write_call_arguments.py"
METHODS = [getattr(ImageSynthesisPipeline, name) for name in ("__call__", "stream", "log_likelihood", "diagnose")]


@pytest.mark.skipif(not WRITER.exists(), reason="the tool is not part of the package")
def test_the_typed_dictionary_is_what_conditions_and_settings_say():
    written = runpy.run_path(str(WRITER))
    assert written["TARGET"].read_text(encoding="utf-8") == written["content"](), f"run python {WRITER}"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_help_names_conditions_options_and_settings(method):
    text = pydoc.render_doc(method)
    for name in ("segmentation", "class_label", "near", "keypoint_threshold", "temperature", "condition_strength"):
        assert f"{name}:" in text
    assert "arguments" not in inspect.signature(method).parameters


def test_a_type_checker_finds_a_misspelt_argument(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from vqgan_transformer.pipeline import ImageSynthesisPipeline\n"
        "def paint(pipe: ImageSynthesisPipeline) -> None:\n"
        "    pipe(segmentation=1, near='small', top_k=5, size=(1, 1))\n"
        "    pipe(segmentatoin=1)\n"
        "    pipe(near='far')\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", str(script)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    errors = [line for line in result.stdout.splitlines() if "error:" in line]
    assert [line.split(":")[1] for line in errors] == ["4", "5"], result.stdout


def test_a_pipeline_says_what_it_is_made_of():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    text = repr(pipe)
    for word in ("segmentation=", "palette=", "class_label=", "temperature=", "parameters", "cpu", "float32"):
        assert word in text
    out = pipe(size=(16, 24), num_images=2, seed=7, progress=False)
    assert repr(out) == "<2 pictures of 2×3 tokens, seeds [7, 8]>"

"""What a call takes by name is found from ``help()``, by an editor and by a type checker; parts say what they are."""

from __future__ import annotations

import inspect
import pydoc
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene

WRITER = Path(__file__).parents[1] / "tests" / "write_call_arguments.py"
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


@pytest.fixture(scope="module")
def pipe() -> ImageSynthesisPipeline:
    return ImageSynthesisPipeline.from_pretrained("builtin:scenes")


def test_a_pipeline_says_what_it_is_made_of(pipe):
    text = repr(pipe)
    for word in ("segmentation=", "palette=", "class_label=", "temperature=", "parameters", "cpu", "float32"):
        assert word in text
    for condition, words in {
        "class_label": ("16 labels", "'spring dawn'"),
        "segmentation": ("coco-stuff-182", "'sea'"),
    }.items():
        for printed in (text, repr(pipe.condition(condition))):
            assert all(word in printed for word in words)
    assert repr(pipe.condition("depth").reading(near="small")) == "DepthCondition(near='small')"


def test_an_output_says_what_it_is_and_shows_itself(pipe):
    labels = np.full((16, 24), 156)
    out = pipe(segmentation=labels, num_images=2, seed=7, progress=False)
    assert repr(out) == "<2 pictures of 16×24, seeds [7, 8], following coordinates, segmentation, class_label>"
    assert out._repr_html_().count("<img src=") == 2
    for kind in ("np", "pt"):
        assert pipe(segmentation=labels, seed=7, output_type=kind, progress=False)._repr_html_().count("<img") == 1
    assert len(out) == 2 and out[0] is out.images[0] and list(out) == out.images
    tokens = pipe(segmentation=labels, seed=7, output_type="tokens", progress=False)
    with pytest.raises(IndexError, match="tokens were asked for"):
        tokens[0]
    assert "2×3 tokens" in repr(tokens)
    assert "not decoded" in tokens._repr_html_()


def test_an_output_says_what_its_pictures_follow(pipe):
    labels = np.full((16, 24), 156)
    out = pipe(segmentation=labels, num_images=2, seed=7, progress=False)
    assert out.conditions["segmentation"].tolist() == [labels.tolist()] * 2
    chosen = pipe.condition("class_label").chosen_by([7, 8])
    assert torch.equal(out.conditions["class_label"], chosen)
    again = pipe(segmentation=labels, class_label=out.conditions["class_label"][1], seed=8, progress=False)
    assert torch.equal(again.tokens, out.tokens[1:])
    sizes = pipe(segmentation=[labels, labels[:8]], seed=7, progress=False)
    assert [rows.shape for rows in sizes.conditions["segmentation"]] == [(16, 24), (8, 24)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"near": "small"}, TypeError, "near= is an option of depth=, which is not given"),
        ({"keypoints_palette": "openpose"}, TypeError, "is an option of keypoints="),
        ({"mask_image": 1}, TypeError, "Did you mean 'mask'"),
        ({"labels": 1}, TypeError, "Did you mean 'segmentation'"),
        ({"control_image": 1}, TypeError, "passed by its name"),
        ({"eta": 0}, TypeError, "without steps of denoising"),
        ({"prompt": "a"}, TypeError, "reads no text"),
        ({"device": "cuda"}, TypeError, r"pipe\.to"),
        ({"zzz": 1}, TypeError, "unknown argument 'zzz'. This checkpoint"),
        ({"guidance_scale": {"depth": 5}}, ValueError, "pass depth=, too"),
        ({"condition_strength": {"depth": 5}}, ValueError, "pass depth=, too"),
        ({"condition_strength": {"deqth": 5}}, ValueError, "Did you mean 'depth'"),
        ({"guidance_scale": 0}, ValueError, "Without guidance is guidance_scale=1"),
        ({"guidance_scale": 1e39}, ValueError, "0 to 10,000"),
        ({"callback": 5}, TypeError, "callback is a function"),
        ({"generator": np.random.default_rng(0)}, TypeError, r"torch\.Generator"),
        ({"generator": [torch.Generator(), 5]}, TypeError, "got builtins.int"),
        ({"num_images": "2"}, TypeError, "num_images"),
        ({"num_images": 1.0}, TypeError, "num_images"),
        ({"temperature": "hot"}, TypeError, "temperature must be a number"),
        ({"size": (24, 16)}, ValueError, r"did you mean \(16, 24\)"),
        ({"depth": np.zeros((8, 24))}, ValueError, "depth map is 8×24, of another aspect than segmentation, 16×24"),
    ],
    ids=lambda value: (
        ", ".join(value) if isinstance(value, dict) else ""
    ),  # addresses in reprs differ between processes
)
def test_what_cannot_be_meant_is_refused_before_any_work(pipe, arguments, error, message, monkeypatch):
    for model in (pipe.vqgan, pipe.gpt):
        monkeypatch.setattr(model, "forward", None)
    for name in ("encode", "decode"):
        monkeypatch.setattr(pipe.vqgan, name, None)
    with pytest.raises(error, match=message):
        pipe(segmentation=np.full((16, 24), 156), progress=False, **arguments)


def test_conditions_without_a_name_are_refused_in_words(pipe):
    with pytest.raises(TypeError, match=r"by their names, segmentation=… or depth=.* got ndarray"):
        pipe(np.full((16, 24), 156))


@pytest.mark.parametrize(
    ("method", "argument"),
    [("stream", "num_images"), ("stream", "image"), ("log_likelihood", "size"), ("diagnose", "output_type")],
)
def test_arguments_of_a_call_that_mean_nothing_elsewhere_are_named(pipe, method, argument):
    unnamed = [] if method == "stream" else [np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(TypeError, match=f"{method} takes no {argument}=; a call of the pipeline does"):
        getattr(pipe, method)(*unnamed, **{argument: 1})


def test_what_takes_long_says_how_far_it_is(pipe, capsys):
    picture, labels, heard = np.zeros((128, 136, 3), np.uint8), np.full((128, 136), 156), []
    score = partial(pipe.log_likelihood, picture, segmentation=labels)
    expected = score(callback=lambda *state: heard.append(state))
    counts, totals, likelihoods = zip(*heard, strict=True)
    assert counts[-1] == totals[0] == 16 * 17 and sorted(counts) == list(counts)
    assert likelihoods[-1].mean() == pytest.approx(expected.item())
    assert "token" not in capsys.readouterr().err
    assert score(progress=True) == expected
    assert "272/272" in capsys.readouterr().err
    for wrong in (5, lambda drawn: None):
        with pytest.raises(TypeError, match="callback is a function of"):
            score(callback=wrong)


def test_bars_are_configured_once_for_all_calls(capsys):
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    pipe.set_progress_bar_config(desc="painting")
    pipe(size=(16, 16))
    assert "painting" in capsys.readouterr().err
    pipe.set_progress_bar_config(disable=True)
    pipe(size=(16, 16))
    assert not list(pipe.stream(size=(16, 16), progress=True))[1:]
    assert capsys.readouterr().err == ""


def test_numbers_of_numpy_and_torch_are_numbers(pipe):
    plain = {
        "seed": 1,
        "num_images": 2,
        "top_k": 5,
        "temperature": 0.5,
        "top_p": 0.5,
        "size": (16, 24),
        "guidance_scale": 2.0,
    }
    numpy = {
        "seed": np.int64(1), "num_images": np.int32(2), "top_k": torch.tensor(5), "temperature": np.float32(0.5),
        "top_p": np.float64(0.5), "size": np.array([16, 24]), "guidance_scale": np.float16(2),
    }  # fmt: skip
    assert torch.equal(pipe(**plain, progress=False).tokens, pipe(**numpy, progress=False).tokens)
    assert torch.equal(
        pipe(size=(8, 8), seed=np.arange(2), num_images=2, progress=False).tokens,
        pipe(size=(8, 8), seed=[0, 1], num_images=2, progress=False).tokens,
    )


def test_a_tiny_temperature_draws_the_likeliest_code(pipe):
    call = {"size": (16, 24), "seed": 0, "progress": False}
    likeliest = pipe(**call, top_k=1).tokens
    for temperature in (1e-4, 1e-30, 1e-40, 1e-300):
        assert torch.equal(pipe(**call, temperature=temperature).tokens, likeliest)


def test_strengths_of_a_call_complete_those_of_the_checkpoint(pipe):
    scene = make_scene(3, (64, 96), people=1)
    given = {"segmentation": scene.segmentation, "keypoints": scene.keypoints, "seed": 0, "progress": False}
    own = {"keypoints": 1.25, "coordinates": 0.7}
    sampler = pipe.sampler.with_settings(condition_strength=own)
    strong = ImageSynthesisPipeline(pipe.vqgan, pipe.gpt, sampler, pipe.conditions)
    merged = strong(**given, condition_strength={"segmentation": 0.5})
    assert torch.equal(merged.tokens, pipe(**given, condition_strength={"segmentation": 0.5, **own}).tokens)
    assert not torch.equal(
        merged.tokens, strong(**given, condition_strength={"segmentation": 0.5, "keypoints": 0.0}).tokens
    )


def test_seeds_drawn_at_random_survive_a_spreadsheet(pipe):
    for _ in range(4):
        assert max(pipe(size=(8, 8), num_images=2, output_type="tokens", progress=False).seeds) < 2**32


def test_a_callback_gets_grids_of_its_own(pipe):
    kept = []

    def keep(drawn, total, grid):
        kept.append(grid.clone())
        grid.fill_(0)

    call = {"size": (16, 24), "seed": 0, "progress": False}
    out = pipe(**call, callback=keep)
    assert torch.equal(out.tokens, pipe(**call).tokens)
    assert torch.equal(kept[-1], out.tokens)
    assert len({tuple(grid.flatten().tolist()) for grid in kept}) == len(kept)
    streamed = []
    strips = list(pipe.stream(size=(16, 24), seed=0, strip=1, callback=lambda *seen: streamed.append(seen)))
    assert np.array_equal(np.concatenate(strips), np.asarray(out.images[0]))
    assert streamed[-1][0] == streamed[-1][1] == out.tokens.numel()


def test_a_model_card_says_how_to_paint_with_which_conditions_labels_and_settings(pipe, tmp_path):
    card = (pipe.save_pretrained(tmp_path / "pipe") / "README.md").read_text(encoding="utf-8")
    for word in ("pipe(segmentation=…)", "`palette=`", "sky-other", "winter night", "temperature=0.92", "depth"):
        assert word in card

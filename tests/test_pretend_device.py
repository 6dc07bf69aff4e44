"""Everything runs on a device that is not the CPU, and a GPU would rarely have to wait; shown on one that only pretends."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pretend_device import MISSING, NAME, pretend_device
from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module", params=[("builtin:scenes", (64, 96)), ("builtin:scenes-paper", (256, 272))], ids=str)
def case(request):
    """A checkpoint of each form, a scene for it, and what it gives on the CPU."""
    name, size = request.param
    pipe = ImageSynthesisPipeline.from_pretrained(name)
    pipe = pipe.with_settings(stride=4) if pipe.gpt.config.conditioning != "aligned" else pipe  # less work
    scene = make_scene(3, size, people=1)
    mask = np.zeros(size, bool)
    mask[16:48, 32:64] = True
    inpainting = {"image": scene.image, "mask": mask, "segmentation": scene.segmentation, "seed": 2}
    calls = {
        "painting": lambda: pipe(segmentation=scene.segmentation, seed=1, progress=False).tokens,
        "inpainting": lambda: pipe(**inpainting, progress=False).tokens,
        "candidates": lambda: pipe(**inpainting, num_candidates=2, progress=False).tokens,
        "likelihood": lambda: pipe.log_likelihood(scene.image, segmentation=scene.segmentation),
        "diagnosis": lambda: torch.tensor(pipe.diagnose(scene.image, segmentation=scene.segmentation).nats),
        "streaming": lambda: torch.cat(list(pipe.stream(segmentation=scene.segmentation, seed=1, output_type="pt")), 1),
        "tokenizing": lambda: pipe.vqgan.encode(torch.zeros(1, 3, *size, device=pipe.device)),
    }
    return pipe, scene, calls


@pytest.mark.parametrize(
    "call", ["painting", "inpainting", "candidates", "likelihood", "diagnosis", "streaming", "tokenizing"]
)
def test_every_use_of_a_pipeline_gives_on_a_device_what_it_gives_on_the_cpu(case, call):
    pipe, _, calls = case
    expected = calls[call]()
    with pretend_device():
        pipe.to(NAME)
        try:
            result = calls[call]().cpu()
        finally:
            pipe.to("cpu")
        assert torch.allclose(result.double(), expected.double(), atol=1e-5)


def test_a_pipeline_is_saved_from_a_device(case, tmp_path):
    pipe, _, _ = case
    with pretend_device():
        pipe.to(NAME)
        try:
            pipe.save_pretrained(tmp_path / "pipe")
        finally:
            pipe.to("cpu")
    again = ImageSynthesisPipeline.from_pretrained(tmp_path / "pipe")
    for name, tensor in again.gpt.state_dict().items():
        assert torch.equal(tensor, pipe.gpt.state_dict()[name])


@pytest.mark.parametrize("given", [{}, {"num_images": 2}, {"guidance_scale": 3.0}], ids=str)
def test_nothing_is_uploaded_or_waited_for_while_tokens_are_drawn(case, given):
    """What goes to the device or back between the first step and the last: the GPU has its work ahead of it."""
    pipe, scene, _ = case
    given = {"segmentation": scene.segmentation, "progress": False, **given}
    seen: list[tuple[Counter, Counter]] = []
    if "guidance_scale" in given and pipe.gpt.config.conditioning != "aligned":
        pytest.skip("was trained without dropping its condition")
    with pretend_device() as traffic:
        pipe.to(NAME)
        try:
            traffic.clear()
            count = lambda *_: seen.append((traffic.uploads.copy(), traffic.waits.copy()))  # noqa: E731
            pipe(**given, output_type="tokens", callback=count)
        finally:
            pipe.to("cpu")
    assert len(seen) > 30
    assert seen[-1] == seen[0]
    assert sum(count for line, count in seen[-1][0].items() if line.startswith("sampler/draw")) == 1  # a whole picture


@pytest.mark.parametrize("stage", ["vqgan", "gpt"])
def test_both_stages_train_on_a_device_and_their_steps_wait_for_nothing(stage):
    # torch counts the devices when it first goes backwards, and other tests may have done that already
    test = f"{Path(__file__).with_name('training_on_a_device.py')}::test_{stage}_steps"
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", test], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout

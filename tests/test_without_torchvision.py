"""lpips drags torchvision along; where that is absent or broken, all but training with LPIPS goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torchvision", "scipy"):
            raise {error}
        return None

sys.meta_path.insert(0, Blocked())
import numpy as np
import vqgan_transformer
from vqgan_transformer import ImageSynthesisPipeline, VQGANTraining, train_vqgan
from vqgan_transformer.cli import main

pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
image = pipe(segmentation=np.full((32, 48), 156), seed=0, progress=False).images[0]
assert image.size == (48, 32)
assert main(["inspect", "builtin:scenes"]) == 0
"""


@pytest.mark.parametrize(
    "error",
    ["ModuleNotFoundError(name)", "RuntimeError('operator torchvision::nms does not exist')"],
    ids=["absent", "broken"],
)
def test_painting_goes_on(error):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(error=error)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "error", ["ModuleNotFoundError(name)", "RuntimeError('operator torchvision::nms does not exist')"]
)
def test_training_without_lpips_goes_on_and_with_it_says_what_to_do(error, tmp_path):
    code = (
        BLOCKED.format(error=error)
        + """
from PIL import Image
from vqgan_transformer import VQGANConfig
for number in range(4):
    Image.fromarray(np.full((32, 32, 3), 60 * number, np.uint8)).save(f"{number}.png")
small = VQGANConfig.modern(channels=16, channel_multipliers=(1, 2), num_res_blocks=0, decoder_res_blocks=0, codebook_size=16)
steps = {"max_steps": 1, "batch_size": 2, "crop_size": 32, "disc_weight": 0.0}
train_vqgan(".", "run", config=small, training=VQGANTraining.modern(perceptual="random", **steps), progress=False)
try:
    train_vqgan(".", "other", config=small, training=VQGANTraining.modern(perceptual="vgg", **steps), progress=False)
except (ImportError, RuntimeError) as error:
    print("refused:", error)
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "refused:" in done.stdout and "torchvision" in done.stdout

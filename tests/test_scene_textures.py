"""The same place with other textures."""

from __future__ import annotations

import numpy as np
import pytest

from vqgan_transformer.scenes import BIOMES, make_scene


@pytest.mark.parametrize("biome", BIOMES)
def test_other_textures_are_those_of_the_same_place(biome):
    scene, other = (make_scene(2, (96, 128), biome=biome, people=1, textures=number) for number in (0, 7))
    assert (scene.segmentation == other.segmentation).mean() > 0.95
    assert np.array_equal(scene.keypoints[..., :2], other.keypoints[..., :2])
    differ = np.abs(scene.image.astype(float) - other.image).mean(-1)
    assert 0.5 < differ.mean() < 20 and (differ > 4).mean() > 0.1
    again = make_scene(2, (96, 128), biome=biome, people=1, textures=7)
    assert np.array_equal(again.image, other.image)

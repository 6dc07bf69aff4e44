"""The pipeline: from what a user has to pictures, with small random models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    Unconditional,
    VQGANConfig,
)

LABELS = ("sky", "tree", "grass")


def label_vqgan(channels: int) -> VQGAN:
    torch.manual_seed(2)
    config = VQGANConfig(
        in_channels=channels, out_channels=channels, channels=32, channel_multipliers=(1, 1, 2), num_res_blocks=1,
        attention_levels=(), latent_channels=16, codebook_size=20, code_dim=8,
    )  # fmt: skip
    return VQGAN(config).double().eval()


@pytest.fixture
def pipe(vqgan, gpt) -> ImageSynthesisPipeline:
    """f = 4, a window of 4×4 tokens, three labels."""
    condition = SegmentationCondition(labels=LABELS, vqgan=label_vqgan(3))
    return ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, conditions=(condition,))


def label_map(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, size=(height, width))


def paint(pipe, **arguments):
    return pipe(progress=False, **arguments)


def test_a_picture_is_as_large_as_its_map(pipe):
    out = paint(pipe, segmentation=label_map(20, 28), seed=0)
    assert out.images[0].size == (28, 20)
    assert out.tokens.shape == (1, 5, 7)


@pytest.mark.parametrize("size", [(2, 5), (5, 9), (18, 23), (16, 17)])
def test_any_size_is_painted_on_the_next_multiple_and_cut(pipe, size):
    labels = label_map(*size)
    rows, cols = (np.minimum(np.arange(-(-side // 4) * 4), side - 1) for side in size)
    whole = paint(pipe, segmentation=labels[rows][:, cols], seed=0, output_type="np").images
    assert np.array_equal(
        paint(pipe, segmentation=labels, seed=0, output_type="np").images, whole[:, : size[0], : size[1]]
    )


def test_a_map_of_the_same_aspect_is_scaled_to_size(pipe):
    labels = label_map(8, 12)
    large = labels.repeat(3, axis=0).repeat(3, axis=1)
    expected = paint(pipe, segmentation=large, seed=0).tokens
    assert torch.equal(paint(pipe, segmentation=labels, size=(24, 36), seed=0).tokens, expected)
    assert torch.equal(paint(pipe, segmentation=labels, height=24, width=36, seed=0).tokens, expected)


def test_a_map_of_another_aspect_is_stretched_on_request_only(pipe):
    with pytest.raises(ValueError, match="resize=True"):
        paint(pipe, segmentation=label_map(8, 12), size=(16, 16))
    assert paint(pipe, segmentation=label_map(8, 12), size=(16, 16), resize=True).images[0].size == (16, 16)


def test_pixels_are_the_decoded_tokens(pipe):
    out = paint(pipe, segmentation=label_map(16, 20), seed=0)
    decoded = (pipe.vqgan.decode(out.tokens)[0].detach().numpy().transpose(1, 2, 0) + 1) * 127.5
    assert np.array_equal(np.asarray(out.images[0]), np.round(decoded.astype(np.float32).clip(0, 255)).astype(np.uint8))


def test_a_picture_is_a_function_of_its_own_seed_and_map(pipe):
    maps = [label_map(16, 20, seed) for seed in range(3)]
    together = paint(pipe, segmentation=maps, num_images=2, seed=10, output_type="np")
    assert together.seeds == list(range(10, 16))
    for k in (3, 0, 5):
        alone = paint(pipe, segmentation=maps[k // 2], seed=10 + k, output_type="np")
        assert np.array_equal(alone.images[0], together.images[k])


@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_maps_of_different_sizes_paint_what_each_paints_alone(pipe, output_type):
    maps = [label_map(*size) for size in [(16, 20), (23, 18), (16, 20), (5, 9)]]
    together = paint(pipe, segmentation=maps, num_images=2, seed=10, output_type=output_type)
    assert together.seeds == list(range(10, 18))
    assert len(together.images) == len(together.tokens) == 8
    for k, (image, tokens) in enumerate(zip(together.images, together.tokens, strict=True)):
        alone = paint(pipe, segmentation=maps[k // 2], seed=10 + k, output_type=output_type)
        assert np.array_equal(np.asarray(image), np.asarray(alone.images[0]))
        assert torch.equal(tokens, alone.tokens[0])


def test_maps_of_different_sizes_are_drawn_in_one_go(pipe):
    seen = []
    maps = [label_map(16, 20), label_map(24, 16)]
    paint(pipe, segmentation=maps, callback=lambda drawn, total, so_far: seen.append((drawn, total, so_far)))
    assert [grid.shape for grid in seen[0][2]] == [(4, 5), (6, 4)]
    assert [total for _, total, _ in seen] == [4 * 5 + 6 * 4] * (4 * 5 + 4)  # as many steps as the longer one alone


def test_maps_of_different_sizes_are_scaled_to_a_size_that_is_given(pipe):
    maps = [label_map(8, 12), label_map(16, 24)]
    out = paint(pipe, segmentation=maps, size=(16, 24), seed=0)
    assert torch.equal(out.tokens[1:], paint(pipe, segmentation=maps[1], seed=1).tokens)
    assert torch.equal(out.tokens[:1], paint(pipe, segmentation=maps[0], size=(16, 24), seed=0).tokens)
    with pytest.raises(ValueError, match="8×16, of another aspect"):
        paint(pipe, segmentation=[maps[0], label_map(8, 16)], size=(16, 24))


def test_maps_of_different_sizes_are_refused_where_one_picture_is_meant(pipe):
    maps = [label_map(8, 12), label_map(16, 16)]
    with pytest.raises(ValueError, match="one picture is streamed at a time, got 2"):
        pipe.stream(segmentation=maps)
    with pytest.raises(ValueError, match=r"different sizes .* \(8, 12\), \(16, 16\)"):
        pipe.request({"segmentation": maps})


def test_seeds_drawn_at_random_are_reported(pipe):
    labels = label_map(16, 16)
    first, second = paint(pipe, segmentation=labels), paint(pipe, segmentation=labels)
    assert first.seeds != second.seeds
    assert torch.equal(paint(pipe, segmentation=labels, seed=first.seeds).tokens, first.tokens)


def test_a_generator_for_each_picture_draws_its_seed(pipe):
    generators = [torch.Generator().manual_seed(k) for k in (5, 6)]
    both = paint(pipe, segmentation=label_map(16, 16), num_images=2, generator=generators)
    one = paint(pipe, segmentation=label_map(16, 16), generator=torch.Generator().manual_seed(6))
    assert one.seeds == both.seeds[1:]


def test_settings_of_the_sampler_are_those_of_the_call(pipe):
    labels = label_map(16, 20)
    greedy = ImageSynthesisPipeline(pipe.vqgan, pipe.gpt, SlidingWindowSampler(top_k=1), pipe.conditions)
    assert torch.equal(paint(pipe, segmentation=labels, top_k=1).tokens, paint(greedy, segmentation=labels).tokens)
    assert pipe.sampler.config.top_k == 100


@pytest.mark.parametrize(("output_type", "kind"), [("pil", list), ("np", np.ndarray), ("pt", torch.Tensor)])
def test_output_types(pipe, output_type, kind):
    images = paint(pipe, segmentation=[label_map(8, 12)] * 2, seed=0, output_type=output_type).images
    assert isinstance(images, kind)
    assert len(images) == 2
    if output_type == "pt":
        assert images.shape == (2, 3, 8, 12)
        assert images.abs().max() <= 1


def test_tokens_alone_are_not_decoded(pipe):
    assert paint(pipe, segmentation=label_map(8, 12), output_type="tokens").images == []


def test_depth_classes_coordinates_and_none_paint_too(vqgan, gpt):
    conditions = (
        DepthCondition(vqgan=label_vqgan(1)),
        ClassCondition(labels=("oak", "pine")),
        CoordinatesCondition(codebook_size=20, downsample_factor=4),
    )
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=conditions)
    depth = np.linspace(0, 1, 20 * 24).reshape(20, 24)
    assert paint(pipe, depth=depth).tokens.shape == (1, 5, 6)
    assert paint(pipe, class_label="pine", size=(20, 24)).tokens.shape == (1, 5, 6)
    assert paint(pipe, size=(20, 24), num_images=2).tokens.shape == (2, 5, 6)
    free = ImageSynthesisPipeline(vqgan, gpt, conditions=(Unconditional(),))
    assert paint(free, size=(9, 24)).images[0].size == (24, 9)
    with pytest.raises(ValueError, match="size="):
        paint(free)


def test_the_likelihood_of_a_single_window_is_that_of_one_forward_pass(pipe):
    image, labels = torch.rand(1, 3, 16, 16) * 2 - 1, label_map(16, 16)
    condition = pipe.condition("segmentation")
    tokens = pipe.vqgan.encode(image.double())
    logits = pipe.gpt(tokens, condition.encode(condition.parse(labels)))
    expected = logits.log_softmax(-1).gather(-1, tokens[..., None]).mean()
    assert pipe.log_likelihood(image, segmentation=labels).item() == pytest.approx(expected.item(), rel=1e-9)


def test_the_callback_and_its_exceptions_reach_the_user(pipe):
    seen = []
    paint(pipe, segmentation=label_map(16, 20), callback=lambda drawn, total, tokens: seen.append((drawn, total)))
    assert seen[-1] == (20, 20)

    def stop(drawn, total, tokens):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint(pipe, segmentation=label_map(16, 20), callback=stop)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"segmentatoin": np.zeros((8, 8), int)}, TypeError, "'segmentation'"),
        ({"temprature": 0.9}, TypeError, "'temperature'"),
        ({"num_image": 2}, TypeError, "'num_images'"),
        ({}, ValueError, "segmentation=…"),
        ({"size": (16, 16)}, ValueError, "segmentation=…"),
        ({"depth": np.zeros((8, 8)), "size": (8, 8)}, TypeError, "does not understand depth; it takes segmentation"),
        ({"size": (-16, 16)}, ValueError, "at least 1"),
        ({"size": 16}, TypeError, "height, width"),
        ({"size": (16.0, 16)}, TypeError, "whole pixels"),
        ({"height": 16}, ValueError, "go together"),
        ({"size": (16, 16), "height": 16, "width": 16}, ValueError, "not both"),
        ({"num_images": 0}, ValueError, "num_images"),
        ({"output_type": "jpg"}, ValueError, "output_type"),
        ({"top_k": 0}, ValueError, "top_k"),
        ({"temperature": 0}, ValueError, "temperature"),
        ({"seed": "7"}, TypeError, "seed"),
        ({"seed": [1, 2]}, ValueError, "2 seeds"),
        ({"seed": -1}, ValueError, "seeds lie"),
    ],
    ids=str,
)
def test_a_request_that_does_not_fit_is_refused(pipe, arguments, error, message):
    if not {"segmentatoin", "size", "height"} & set(arguments) and arguments:
        arguments = {"segmentation": label_map(8, 8)} | arguments
    with pytest.raises(error, match=message):
        paint(pipe, **arguments)


@pytest.mark.parametrize("size", [(10**6, 10**6), (1, 10**12)])
def test_an_absurd_size_is_refused_with_the_memory_it_would_need(pipe, size):
    with pytest.raises(ValueError, match=r"needs about [\d,]+ GiB"):
        paint(pipe, segmentation=label_map(8, 8), size=size)


def test_parts_that_do_not_fit_each_other_are_refused(vqgan, gpt):
    with pytest.raises(ValueError, match="at least one condition"):
        ImageSynthesisPipeline(vqgan, gpt)
    with pytest.raises(ValueError, match="vocabulary"):
        ImageSynthesisPipeline(vqgan, gpt, conditions=(ClassCondition(number_of_classes=25),))
    with pytest.raises(ValueError, match="same grid"):
        coordinates = CoordinatesCondition(codebook_size=20, downsample_factor=8)
        ImageSynthesisPipeline(vqgan, gpt, conditions=(coordinates,))


def test_a_palette_picture_paints_what_its_ids_paint(vqgan, gpt):
    colours = ((0, 0, 255), (0, 99, 0), (0, 255, 0))
    condition = SegmentationCondition(labels=LABELS, palette=colours, vqgan=label_vqgan(3))
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(condition,))
    labels = label_map(16, 20)
    picture = Image.fromarray(np.array(colours, np.uint8)[labels])
    assert torch.equal(
        paint(pipe, segmentation=picture, seed=1).tokens, paint(pipe, segmentation=labels, seed=1).tokens
    )

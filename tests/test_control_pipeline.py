"""Pipelines of ControlAR and LlamaGen's text models: a map and a caption, from one file and its tokenizer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import generators
from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.conditions import CannyCondition, DepthCondition, SegmentationCondition, TextCondition

LENGTH, WIDTH = 120, 32


@pytest.fixture
def pipe(tmp_path) -> ImageSynthesisPipeline:
    """ControlAR for label maps, rebuilt from a formula, as its files are loaded."""
    pytest.importorskip("transformers")
    path = generators.write("controlar_seg", tmp_path)
    generators.write_llamagen_tokenizer(tmp_path, 96)
    return ImageSynthesisPipeline.from_pretrained(path, n_head=4)


@pytest.fixture
def labels() -> np.ndarray:
    return np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((32, 32), np.uint8))


def caption(seed: int = 0) -> dict[str, torch.Tensor]:
    embeddings = torch.randn(1, LENGTH, WIDTH, generator=torch.Generator().manual_seed(seed))
    return {"prompt_embeds": embeddings, "prompt_mask": torch.arange(LENGTH) >= 100}


def tokens(pipe, **arguments) -> torch.Tensor:
    return pipe(progress=False, output_type="tokens", **{"seed": 1, **arguments}).tokens


def test_a_file_and_its_tokenizer_are_a_pipeline(pipe, labels):
    assert [condition.name for condition in pipe.conditions] == ["segmentation", "text"]
    assert pipe.sampler.config.guidance_scale == 4.0
    picture = pipe(segmentation=labels, **caption(), seed=1, progress=False, output_type="np").images
    assert picture.shape == (1, 128, 128, 3)


def test_the_map_the_words_and_the_strength_count(pipe, labels):
    painted = tokens(pipe, segmentation=labels, **caption())
    assert torch.equal(painted, tokens(pipe, segmentation=labels, **caption()))
    assert not torch.equal(painted, tokens(pipe, segmentation=labels.T.copy(), **caption()))
    assert not torch.equal(painted, tokens(pipe, segmentation=labels, **caption(1)))
    masked = {**caption(), "prompt_mask": torch.arange(LENGTH) >= 60}
    assert not torch.equal(painted, tokens(pipe, segmentation=labels, **masked))
    weak = tokens(pipe, segmentation=labels, **caption(), condition_strength={"segmentation": 0.2})
    assert not torch.equal(painted, weak)


def test_pictures_larger_than_the_trained_grid_slide(pipe, labels):
    assert tokens(pipe, segmentation=labels, size=(192, 256), resize=True, **caption(), stride=8).shape == (1, 12, 16)


def test_saved_it_paints_the_same(pipe, labels, tmp_path):
    again = ImageSynthesisPipeline.from_pretrained(pipe.save_pretrained(tmp_path / "ours"))
    assert torch.equal(tokens(pipe, segmentation=labels, **caption()), tokens(again, segmentation=labels, **caption()))


def test_without_words_one_warning_says_what_stands_for_them(pipe, labels, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.conditions.text.find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="empty caption") as warned:
        tokens(pipe, segmentation=labels)
    assert len(warned) == 1


def test_two_ways_to_give_a_caption_at_once_are_refused(pipe, labels):
    with pytest.raises(TypeError, match="prompt= and prompt_embeds= mean the same"):
        pipe(segmentation=labels, prompt="a lake", prompt_embeds=caption()["prompt_embeds"])


def test_llamagens_text_models_follow_words_alone(tmp_path):
    pytest.importorskip("transformers")
    weights = load_file(generators.write("controlar_seg", tmp_path))
    parts = ("adapter", "condition_layers.", "condition_mlp.", "condition_embeddings.")
    text = {name: tensor for name, tensor in weights.items() if not name.startswith(parts)}
    torch.save({"model": text}, tmp_path / "t2i_XL_stage1_256.pt")
    tokenizer = generators.write_llamagen_tokenizer(tmp_path / "tokenizer", 96)
    pipe = ImageSynthesisPipeline.from_pretrained(
        tmp_path / "t2i_XL_stage1_256.pt", n_head=4, window=(8, 8), vqgan=tokenizer
    )
    assert [condition.name for condition in pipe.conditions] == ["text"]
    painted = tokens(pipe, size=(128, 128), **caption())
    assert not torch.equal(painted, tokens(pipe, size=(128, 128), **caption(1)))


# ---------------------------------------------------------------- what the kinds read


def test_labels_are_drawn_in_their_colours_and_read_back():
    condition = SegmentationCondition(("sky", "sea"), drawn=((255, 0, 0), (0, 0, 255)))
    pictures = condition.for_aligned(torch.tensor([[[0, 1, -1]]]))
    assert pictures[0, :, 0].T.tolist() == [[1, -1, -1], [-1, -1, 1], [-1, -1, -1]]
    assert condition.from_aligned(pictures).tolist() == [[[0, 1, -1]]]


def test_depth_as_a_picture_begins_at_the_horizon_not_at_its_smallest_value():
    condition = DepthCondition(as_picture=True)
    parsed = condition.parse(np.array([[2.0, 4.0]]))  # 255 * depth / maximum: 127.5 and 255
    torch.testing.assert_close(condition.for_aligned(parsed), torch.tensor([[[[0.0, 1.0]]] * 3]).reshape(1, 3, 1, 2))
    with pytest.raises(ValueError, match="negative"):
        condition.parse(np.array([[-2.0, 4.0]]))


def test_edges_of_a_photograph_need_the_extra_or_are_found():
    photo = np.zeros((16, 16, 3), np.uint8)
    photo[:, 8:] = 255
    try:
        import cv2  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="OpenCV"):
            CannyCondition().parse(photo, photo=True)
    else:
        edges = CannyCondition().parse(photo, photo=True)
        assert edges.unique().tolist() == [-1.0, 1.0] and (edges[..., 6:10] == 1).any()
    with pytest.raises(ValueError, match="low ≤ high"):
        CannyCondition().parse(photo, photo=True, thresholds=(3, 2))


@pytest.mark.parametrize(
    ("value", "mask", "error", "message"),
    [
        (torch.zeros(2, 4), torch.ones(3), ValueError, "embeddings of 4 numbers"),
        (torch.zeros(3, 4), None, ValueError, r"got \(1, 3, 4\)"),
        (torch.zeros(2, 4) / 0, None, ValueError, "not finite"),
        (torch.zeros(2, 4), torch.tensor([0.5, 1]), ValueError, "prompt_mask is True"),
        ("a lake", torch.ones(2), ValueError, "for embeddings"),
        (object(), None, TypeError, "made of numbers"),
    ],
)
def test_captions_that_do_not_fit_are_refused(value, mask, error, message):
    with pytest.raises(error, match=message):
        TextCondition(length=2, size=4).parse(value, prompt_mask=mask)


def test_words_are_encoded_by_a_t5_padded_on_the_left(tmp_path):
    pytest.importorskip("sentencepiece")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "lake": 4}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=model, **special).save_pretrained(tmp_path)
    config = transformers.T5Config(vocab_size=5, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    encoder = transformers.T5EncoderModel(config).to(torch.bfloat16).eval()
    encoder.save_pretrained(tmp_path)
    condition = TextCondition(length=4, size=8, encoder=str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about its own arguments
        parsed = condition.parse(["a lake"])
    inputs = condition.gpt_inputs(parsed)
    assert inputs["text_mask"].tolist() == [[False, False, True, True]]
    expected = encoder(input_ids=torch.tensor([[3, 4]])).last_hidden_state.float()
    torch.testing.assert_close(inputs["text"][:, 2:], expected, atol=2e-2, rtol=2e-2)
    with pytest.raises(ValueError, match="5 positions"):
        condition.parse("a lake a lake a")


def test_an_encoder_that_cannot_be_had_is_said_with_what_to_do(tmp_path):
    pytest.importorskip("sentencepiece")
    pytest.importorskip("transformers")
    with pytest.raises(FileNotFoundError, match="prompt_embeds="):
        TextCondition(length=4, size=8, encoder=str(tmp_path / "none")).parse("a lake")

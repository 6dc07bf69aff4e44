"""Which stage loses what: a report on a user's own pictures, from tiny models whose faults are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from test_pipeline import LABELS, label_map, label_vqgan
from vqgan_transformer import ImageSynthesisPipeline, SegmentationCondition, Unconditional
from vqgan_transformer.evaluation import Diagnosis, contact_sheet, diagnose
from vqgan_transformer.evaluation.diagnosis import unigram_entropy


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    return [np.random.default_rng(k).integers(256, size=(*size, 3), dtype=np.uint8) for k, size in enumerate(sizes)]


@pytest.fixture
def pipe(vqgan, gpt) -> ImageSynthesisPipeline:
    condition = SegmentationCondition(labels=LABELS, vqgan=label_vqgan(3))
    return ImageSynthesisPipeline(vqgan, gpt, conditions=(condition,))


def test_it_measures_both_stages_picture_by_picture(pipe):
    sizes = [(16, 20), (21, 18)]
    photos, maps = pictures(*sizes), [label_map(*size) for size in sizes]
    report = pipe.diagnose(photos, segmentation=maps, seed=3)

    image = torch.from_numpy(photos[0]).permute(2, 0, 1)[None].double() / 127.5 - 1
    with torch.no_grad():
        tokens = pipe.vqgan.encode(image)
        error = (pipe.vqgan.decode(tokens).clamp(-1, 1) - image).pow(2).mean().item()
    assert report.psnr[0] == pytest.approx(10 * math.log10(4 / error), abs=1e-4)
    assert report.nats == [
        -pipe.log_likelihood(photo, segmentation=labels).item() for photo, labels in zip(photos, maps, strict=True)
    ]
    swapped = pipe.log_likelihood(photos[0], segmentation=maps[1], resize=True)
    assert report.nats_of_others[0] == pytest.approx(-swapped.item())
    assert (report.tokens, report.codebook_size) == (4 * 5 + 6 * 5, 24)
    # photo, map, reconstruction and sample stand in columns as wide as the widest
    assert report.sheet.size == (4 * (20 + 4), 22 + 16 + 4 + 21 + 4)
    assert np.array_equal(np.asarray(report.sheet)[22:38, :20], photos[0])
    sample = pipe(segmentation=maps[1], seed=4, progress=False).images[0]
    assert np.array_equal(np.asarray(report.sheet)[42:63, 72:90], np.asarray(sample))


def test_a_condition_that_is_not_followed_is_found_out(pipe):
    with torch.no_grad():
        pipe.gpt.position_embedding.zero_()
        pipe.gpt.token_embedding.weight.zero_()  # whatever it reads is the same
    report = pipe.diagnose(pictures((16, 16), (16, 16)), segmentation=[label_map(16, 16, k) for k in range(2)])
    assert report.nats == pytest.approx(report.nats_of_others)
    assert any("does not follow its condition" in finding for finding in report.findings)


def test_a_tokenizer_that_loses_much_is_found_out(pipe):
    report = pipe.diagnose(pictures((16, 16))[0], segmentation=label_map(16, 16))
    assert "The tokenizer loses much" in report.findings[0]
    assert f"{report.psnr[0]:.1f} dB" in str(report)
    assert report.nats_of_others == []


def test_a_model_that_knows_its_pictures_is_not_blamed(vqgan, gpt):
    # a codebook and a head of one likely token: nats far below the entropy of the codes
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(Unconditional(),))
    photo = pictures((16, 16))[0]
    report = diagnose(pipe, photo)
    better = type(report)(**{**vars(report), "psnr": [30.0], "nats": [0.5 * report.unigram_entropy], "codes_used": 20})
    assert better.findings[0].startswith("Neither stage stands out")
    worse = type(report)(**{**vars(report), "nats": [1.1 * report.unigram_entropy]})
    assert any("worse than counting codes" in finding for finding in worse.findings)


def test_unigram_entropy_of_draws_from_a_known_distribution():
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.125])
    drawn = torch.multinomial(probabilities, 4000, replacement=True, generator=torch.Generator().manual_seed(0))
    assert unigram_entropy(drawn) == pytest.approx(1.75 * math.log(2), abs=0.02)
    assert unigram_entropy(torch.tensor([3, 3, 3])) == 0


def test_pictures_and_conditions_go_in_pairs(pipe):
    photos = pictures((16, 16), (16, 16))
    with pytest.raises(ValueError, match="2 pictures, but not as many of segmentation"):
        pipe.diagnose(photos, segmentation=[label_map(16, 16)])
    with pytest.raises(ValueError, match="not as many of segmentation"):
        pipe.diagnose(photos, segmentation=Image.new("L", (16, 16)))
    with pytest.raises(TypeError, match="'segmentation'"):
        pipe.diagnose(photos, segmentatoin=[label_map(16, 16)] * 2)
    with pytest.raises(ValueError, match="paints from segmentation"):
        pipe.diagnose(photos)
    with pytest.raises(ValueError, match="smaller than the window"):
        pipe.diagnose(pictures((8, 8)), segmentation=[label_map(8, 8)])


def test_a_contact_sheet_has_rows_and_columns():
    red, blue = Image.new("RGB", (10, 8), "red"), Image.new("L", (20, 4), 0)
    sheet = contact_sheet([[red, blue], [blue]], ["first"])
    assert sheet.size == (20 + 4 + 20 + 4, 22 + 8 + 4 + 4 + 4)
    assert sheet.getpixel((0, 22)) == (255, 0, 0)
    assert sheet.getpixel((24, 22)) == sheet.getpixel((0, 34)) == (0, 0, 0)
    assert contact_sheet([[red], [blue]], height=16).size == (80 + 4, 40)
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([[]])


def test_titles_are_as_large_as_fits_and_have_letters_for_all_they_say():
    picture = Image.new("RGB", (200, 8), "white")

    def inked(title: str, columns: int = 1) -> np.ndarray:
        return np.asarray(contact_sheet([[picture] * columns], [title]).convert("L"))[:22] < 128

    assert np.array_equal(inked("256×256 – née"), inked("256x256 - nee"))
    narrow, wide = (
        inked("a title that is longer than its picture"),
        inked("a title that is longer than its picture", columns=3),
    )
    assert narrow[:, 200:].sum() == 0 and wide.sum() > narrow.sum()  # smaller letters, none beyond the column


def test_its_progress_reaches_the_user_and_numbers_must_agree(pipe):
    [photo], seen = pictures((16, 16)), []
    pipe.diagnose(photo, segmentation=label_map(16, 16), progress=False, callback=lambda *so_far: seen.append(so_far))
    assert seen[-1][:2] == (16, 16)
    with pytest.raises(ValueError, match="1 picture, but 2 of segmentation"):
        pipe.diagnose([photo], segmentation=[label_map(16, 16)] * 2)
    with pytest.raises(TypeError, match="callback"):
        pipe.diagnose([photo], segmentation=label_map(16, 16), callback=5)


def test_bright_pictures_are_no_reason_for_a_warning(pipe, recwarn):
    pipe.diagnose([np.full((16, 16, 3), 240, np.uint8)], segmentation=label_map(16, 16))
    assert not recwarn.list


def test_a_reader_shows_which_stage_loses_the_condition(pipe):
    photos, maps = pictures((16, 20), (21, 18)), [label_map(16, 20), label_map(21, 18)]
    shown = iter(
        [maps[0], maps[0], 0 * maps[0], maps[1], maps[1], 0 * maps[1]]
    )  # photo, reconstruction, sample of each
    report = pipe.diagnose(photos, segmentation=maps, reader=lambda picture: next(shown))
    [found] = report.readings.values()
    assert (found["photo"], found["reconstruction"]) == (1, 1) and found["sample"] < 0.5
    assert any("Samples follow their condition less" in finding for finding in report.findings)
    assert "segmentation, miou: 1.00 in the photo" in str(report)
    with pytest.raises(ValueError, match="reader= is for 'depth', of which nothing was given"):
        pipe.diagnose(photos, segmentation=maps, reader={"depth": lambda picture: maps[0]})


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({}, "Nothing asks for training"),
        ({"psnr": [12.0]}, "Train the VQGAN next"),
        ({"readings": {"depth": {"photo": 0.9, "reconstruction": 0.5, "sample": 0.5}}}, "Train the VQGAN next"),
        ({"codes_used": 3}, "revives codes"),
        ({"nats": [5.0]}, "See that VQGAN and GPT belong together"),
        ({"nats": [3.9]}, "Train the GPT next"),
        ({"nats_of_others": [2.0]}, "See that maps and pictures of the training data belong together"),
        ({"readings": {"depth": {"photo": 0.9, "reconstruction": 0.9, "sample": 0.5}}}, "Try guidance_scale"),
        ({"psnr": [12.0], "nats": [5.0]}, "Train the VQGAN next"),  # what comes first is mended first
    ],
)
def test_it_says_what_to_train_next(change, advice):
    good = {
        "psnr": [30.0], "codes_used": 300, "codebook_size": 512, "tokens": 4096, "nats": [2.0], "unigram_entropy": 4.0,
        "nats_of_others": [3.0], "sheet": Image.new("RGB", (20, 10)),
    }  # fmt: skip
    report = Diagnosis(**(good | change))
    assert advice in report.next_step and f"Next: {report.next_step}" in str(report)


def test_a_report_is_one_html_file_or_one_picture(pipe, tmp_path):
    report = pipe.diagnose(pictures((16, 16))[0], segmentation=label_map(16, 16))
    text = report.save(tmp_path / "report.html").read_text()
    assert "The tokenizer loses much" in text and "data:image/png;base64," in text
    page = Image.open(report.save(tmp_path / "report.png"))
    assert page.height > report.sheet.height and page.width >= report.sheet.width
    with pytest.raises(ValueError, match=r"\.html or a \.png"):
        report.save(tmp_path / "report.pdf")

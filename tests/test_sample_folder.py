"""Many samples as files: their seeds and conditions, going on, and the file that ADM's evaluator takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from evaluated_models import painter
from test_pipeline import LABELS, label_vqgan
from vqgan_transformer import ClassCondition, CondGPT, CondGPTConfig, ImageSynthesisPipeline, SegmentationCondition
from vqgan_transformer.evaluation import generate_samples, write_npz

QUIET = {"progress": False}


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_each_file_is_the_picture_of_its_seed(tmp_path):
    pipe = painter()
    folder = generate_samples(pipe, tmp_path / "samples", 5, size=(16, 20), seed=40, batch_size=2, top_k=5, **QUIET)
    expected = pipe(size=(16, 20), seed=43, top_k=5, **QUIET).images[0]
    assert np.array_equal(pixels(folder / "000003.png"), expected)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert rows[3] == {"file_name": "000003.png", "seed": 43} and len(rows) == 5


def test_a_call_that_was_stopped_goes_on_with_the_same_files(tmp_path):
    folder = generate_samples(painter(), tmp_path / "samples", 5, size=(16, 16), batch_size=2, **QUIET)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = folder / "000004.png"
    age = kept.stat().st_mtime_ns
    (folder / "000001.png").unlink()
    generate_samples(painter(), folder, 5, size=(16, 16), batch_size=2, **QUIET)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert kept.stat().st_mtime_ns == age


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 1}, "seed"), ({"top_k": 3}, "settings"), ({"count": 6}, "count")]
)
def test_a_folder_of_other_samples_is_refused(tmp_path, change, named):
    call = {"count": 5, "size": (16, 16), **QUIET}
    generate_samples(painter(), tmp_path / "samples", **call)
    with pytest.raises(ValueError, match=f"holds samples of other {named}"):
        generate_samples(painter(), tmp_path / "samples", **(call | change))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        generate_samples(painter(), tmp_path / "full", **call)


def test_classes_are_gone_through_in_turn(tmp_path, vqgan):
    config = CondGPTConfig(vocab_size=24, block_size=17, n_layer=1, n_head=2, n_embd=8, window=(4, 4), null_token=23)
    classes = ClassCondition(labels=("day", "night"))
    pipe = ImageSynthesisPipeline(vqgan, CondGPT(config).double().eval(), conditions=(classes,))
    folder = generate_samples(
        pipe, tmp_path / "samples", 5, size=(16, 16), class_label=["day", "night"], batch_size=3, **QUIET
    )
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert [row["class_label"] for row in rows] == ["day", "night", "day", "night", "day"]
    expected = pipe(size=(16, 16), class_label="night", seed=3, **QUIET).images[0]
    assert np.array_equal(pixels(folder / "000003.png"), expected)
    with pytest.raises(TypeError, match="class_label= is a list here"):
        generate_samples(pipe, tmp_path / "others", 5, size=(16, 16), class_label="day", **QUIET)


def test_maps_of_a_folder_give_each_picture_its_size(tmp_path, vqgan, gpt):
    (tmp_path / "scenes" / "segmentations").mkdir(parents=True)
    for number, size in enumerate([(16, 20), (24, 16)]):
        labels = np.random.default_rng(number).integers(3, size=size).astype(np.uint8)
        Image.fromarray(labels).save(tmp_path / "scenes" / "segmentations" / f"{number}.png")
    condition = SegmentationCondition(labels=LABELS, vqgan=label_vqgan(3))
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(condition,))
    folder = generate_samples(pipe, tmp_path / "samples", data=tmp_path / "scenes", **QUIET)
    assert [pixels(folder / f"00000{number}.png").shape for number in range(2)] == [(16, 20, 3), (24, 16, 3)]
    assert json.loads((folder / "metadata.jsonl").read_text().splitlines()[1])["from"] == "1"
    with pytest.raises(ValueError, match="of one size"):
        write_npz(folder, tmp_path / "samples.npz")
    assert not (tmp_path / "samples.npz").exists()


def test_the_npz_is_read_as_adm_reads_it(tmp_path):
    folder = generate_samples(painter(), tmp_path / "samples", 3, size=(16, 20), **QUIET)
    write_npz(folder, tmp_path / "samples.npz")
    with np.load(tmp_path / "samples.npz") as stored:
        assert stored["arr_0"].shape == (3, 16, 20, 3) and stored["arr_0"].dtype == np.uint8
        assert np.array_equal(stored["arr_0"][2], pixels(folder / "000002.png"))
    (folder / "000001.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of 3 samples, the first 000001.png"):
        write_npz(folder, tmp_path / "again.npz")

"""Reconstruction and generation measured: by hand, by torch-fidelity, and named after what they depend on."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evaluated_models
from evaluated_models import Difference, Filters
from training_data import picture, tokenizer, write_pictures
from vqgan_transformer.evaluation import evaluate_generation, evaluate_reconstruction, write_reference
from vqgan_transformer.evaluation.picture_set import fit, open_pictures
from vqgan_transformer.evaluation.published_weights import INCEPTION

QUIET = {"progress": False}


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    samples, reference = tmp_path / "samples", tmp_path / "reference"
    write_pictures(samples, 12)
    for number in range(20, 30):
        reference.mkdir(exist_ok=True)
        Image.fromarray(picture(number)).save(reference / f"{number}.png")
    return samples, reference


def filters_of(folder: Path) -> torch.Tensor:
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])
    with torch.no_grad():
        return Filters()(torch.from_numpy(pixels).movedim(-1, 1).float() / 127.5 - 1)


def test_psnr_and_codes_are_those_of_a_plain_loop(folders):
    vqgan = tokenizer()
    result = evaluate_reconstruction(vqgan, folders[0], metrics=("psnr", "codes"), batch_size=5, **QUIET)
    psnr, tokens = {}, []
    for path in sorted(folders[0].glob("*.png")):
        pixels = np.asarray(Image.open(path)).astype(np.float64)
        with torch.no_grad():
            codes = vqgan.encode(torch.from_numpy(pixels).float().movedim(-1, 0)[None] / 127.5 - 1)
            copy = vqgan.decode(codes)[0].movedim(0, -1)
        copy = ((copy + 1) * 127.5).round().clamp(0, 255).double().numpy()
        psnr[path.name] = 10 * math.log10(255**2 / ((pixels - copy) ** 2).mean())
        tokens.append(codes.flatten())
    shares = torch.cat(tokens).bincount().double() / len(torch.cat(tokens))
    entropy = -(shares[shares > 0] * shares[shares > 0].log()).sum()
    assert result.numbers["psnr"] == pytest.approx(np.mean(list(psnr.values())), abs=1e-4)
    assert result.numbers["perplexity"] == pytest.approx(entropy.exp().item())
    assert result.numbers["codes_used"] == (shares > 0).sum() and result.numbers["codebook_size"] == 16
    assert result.worst[0][0] == min(psnr, key=psnr.get) and result.best[0][0] == max(psnr, key=psnr.get)


def test_a_perfect_copy_loses_nothing(folders):
    pytest.importorskip("torchmetrics")

    class Perfect(torch.nn.Module):
        def encode(self, images):
            self.images = images
            return torch.zeros(len(images), 1, 1, dtype=torch.int64)

        def decode(self, tokens):
            return self.images

    vqgan = Perfect()
    vqgan.to_codes, vqgan.downsample_factor, vqgan.codebook_size = torch.nn.Conv2d(1, 1, 1), 4, 1
    result = evaluate_reconstruction(
        vqgan, folders[0], metrics=("ssim", "lpips", "rfid"), inception=Filters(), lpips=Difference(), **QUIET
    )
    assert result.numbers["ssim"] == pytest.approx(1)
    assert result.numbers["perceptual_distance [Difference]"] == 0
    assert result.numbers["reconstruction_frechet [Filters]"] == pytest.approx(0, abs=1e-9)
    assert not {"lpips", "rfid"} & result.numbers.keys()  # these are names of published networks


def test_pictures_of_other_sizes_are_cut_and_scaled_by_the_filter_that_is_named(tmp_path):
    wide = np.zeros((8, 20, 3), np.uint8)
    wide[:, 6:14] = 255  # the largest square from its middle
    assert (fit(wide, (4, 4), "box") == 255).all()
    Image.fromarray(wide).save(tmp_path / "wide.png")
    pictures = open_pictures(tmp_path, 4, "nearest")
    assert pictures[0].shape == (4, 4, 3) and pictures.resize == "nearest"
    with pytest.raises(ValueError, match="resize is one of"):
        open_pictures(tmp_path, 4, "sinc")


def test_a_model_is_left_in_the_mode_it_was_in(folders):
    vqgan = tokenizer().train()
    evaluate_reconstruction(vqgan, folders[0], metrics=("psnr",), **QUIET)
    assert vqgan.training


def test_generation_agrees_with_torch_fidelity_on_the_same_features(folders):
    fid, kid, prc = (pytest.importorskip(f"torch_fidelity.metric_{name}") for name in ("fid", "kid", "prc"))
    result = evaluate_generation(folders[0], reference=folders[1], inception=Filters(), batch_size=5, **QUIET)
    first, second = (filters_of(folder).double() for folder in folders)
    statistics = [fid.fid_features_to_statistics(features) for features in (first, second)]
    expected = fid.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert result.numbers["frechet [Filters]"] == pytest.approx(expected, abs=1e-6)
    expected = kid.kid_features_to_metric(first, second, kid_subset_size=10, rng_seed=2020, verbose=False)
    assert result.numbers["kernel_distance [Filters]"] == pytest.approx(
        expected["kernel_inception_distance_mean"], abs=1e-6
    )
    expected = prc.prc_features_to_metric(first, second, prc_neighborhood=3, prc_batch_size=100, verbose=False)
    assert result.numbers["precision [Filters]"] == pytest.approx(expected["precision"])
    assert result.numbers["recall [Filters]"] == pytest.approx(expected["recall"])
    assert "fid" not in result.numbers and "sfid, inception_score left out" in result.notes[0]


def test_a_reference_may_be_pictures_or_statistics_or_both_in_one_file(folders, tmp_path):
    options = {"inception": Filters(), "batch_size": 5, **QUIET}
    pytest.importorskip("torch_fidelity")
    whole = evaluate_generation(folders[0], reference=folders[1], **options).numbers
    write_reference(folders[1], tmp_path / "statistics.npz", **options)
    known = evaluate_generation(folders[0], reference=tmp_path / "statistics.npz", **options)
    assert known.numbers == {"frechet [Filters]": pytest.approx(whole["frechet [Filters]"], abs=1e-12)}
    assert any("kid, precision, recall left out" in note for note in known.notes)
    with pytest.raises(ValueError, match=r"kid cannot be measured: the reference statistics.npz has statistics"):
        evaluate_generation(folders[0], reference=tmp_path / "statistics.npz", metrics=("kid",), **options)
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(folders[1].glob("*.png"))])
    np.savez(tmp_path / "both.npz", pixels, **np.load(tmp_path / "statistics.npz"))
    both = evaluate_generation(folders[0], reference=tmp_path / "both.npz", **options)
    assert both.numbers == pytest.approx(whole, abs=1e-9)
    samples = np.stack(
        [np.asarray(Image.open(path)) for path in sorted(folders[0].glob("*.png"), key=lambda p: p.name)]
    )
    np.savez_compressed(tmp_path / "samples.npz", samples)
    packed = evaluate_generation(tmp_path / "samples.npz", reference=folders[1], **options)
    assert packed.numbers == pytest.approx(whole, abs=1e-9)


def test_sizes_that_differ_need_a_word(folders, tmp_path):
    write_pictures(tmp_path / "small", 4, (16, 16))
    with pytest.raises(ValueError, match=r"24×32 and small of 16×16.*pass size="):
        evaluate_generation(folders[0], reference=tmp_path / "small", inception=Filters(), **QUIET)


def test_inception_with_other_weights_is_not_called_fid(folders, tmp_path):
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    isc = pytest.importorskip("torch_fidelity.metric_isc")
    torch.manual_seed(0)
    path = inception_weights(fidelity, tmp_path)
    result = evaluate_generation(folders[0], reference=folders[0], inception=path, batch_size=6, **QUIET)
    [name] = {name.partition(" [")[2] for name in result.numbers}
    assert name.startswith("Inception-v3 with weights ") and len(result.numbers) == 6
    assert result.numbers[f"frechet [{name}"] == pytest.approx(0, abs=1e-3)
    assert result.numbers[f"spatial_frechet [{name}"] == pytest.approx(0, abs=1e-3)
    network = fidelity.FeatureExtractorInceptionV3("other", ["logits_unbiased"], feature_extractor_weights_path=path)
    pixels = np.stack([np.asarray(Image.open(file)) for file in sorted(folders[0].glob("*.png"))])
    [logits] = network(torch.from_numpy(pixels).movedim(-1, 1))
    expected = isc.isc_features_to_metric(logits)["inception_score_mean"]
    assert result.numbers[f"class_score [{name}"] == pytest.approx(expected, rel=1e-6)


def inception_weights(fidelity, folder: Path) -> Path:
    """Random weights in the form of the published ones."""

    class Untrained(fidelity.FeatureExtractorInceptionV3):
        def load_state_dict(self, state, **options):
            return None

    torch.save({}, folder / "empty.pth")
    network = Untrained("untrained", ["2048"], feature_extractor_weights_path=str(folder / "empty.pth"))
    torch.save(network.state_dict(), folder / "inception.pth")
    return folder / "inception.pth"


def test_without_weights_and_network_the_error_names_the_file(folders, tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))

    def no_network(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(RuntimeError, match=rf"{INCEPTION.name} \(95,628,359 bytes, sha256 {INCEPTION.digest}"):
        evaluate_generation(folders[0], reference=folders[1], **QUIET)
    with pytest.raises(RuntimeError, match=r"alexnet-owt-7be5be79.pth \(244,408,911 bytes"):
        evaluate_reconstruction(tokenizer(), folders[0], metrics=("lpips",), **QUIET)


def test_a_weights_file_cannot_run_anything(folders, tmp_path):
    pytest.importorskip("torch_fidelity")

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="no weights that can be read safely"):
        evaluate_generation(folders[0], reference=folders[1], inception=tmp_path / "evil.pth", **QUIET)
    assert not (tmp_path / "was here").exists()


def test_a_result_carries_all_that_it_depends_on(folders, tmp_path):
    result = evaluate_reconstruction(tokenizer(), folders[0], metrics=("psnr",), folder=tmp_path / "out", **QUIET)
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    assert stored == json.loads(result.to_json())
    assert {"numbers", "samples", "size", "resize", "measured_hash", "weights", "version", "seconds"} <= stored.keys()
    assert (tmp_path / "out" / "sheet.png").is_file() and stored["samples"] == 12
    assert f"vqgan: weights {result.weights['vqgan'][:12]}" in str(result)


def test_two_processes_measure_and_paint_to_the_last_bit_what_one_does(folders, tmp_path):
    pytest.importorskip("torchmetrics")
    pytest.importorskip("torch_fidelity")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, evaluated_models.__file__, *map(str, folders), str(tmp_path / "two")]
    processes = [
        subprocess.Popen(
            command, env={**os.environ, **shared, "OMP_NUM_THREADS": "1", "RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in (0, 1)
    ]
    once = evaluated_models.measure(*folders, tmp_path / "one")
    assert [process.wait() for process in processes] == [0, 0]
    # each of the two measured a part of the chunks
    parts = sorted(path.name for path in (tmp_path / "two" / "reconstruction" / "progress").iterdir())
    assert parts == ["reconstruction-0.npz", "reconstruction-1.npz"]
    for expected, part in zip(once, ("reconstruction", "generation"), strict=True):
        stored = json.loads((tmp_path / "two" / part / "result.json").read_text())
        assert stored["numbers"] == expected["numbers"] and stored["worst"] == expected["worst"]
    for name in [*(f"{number:06d}.png" for number in range(7)), "metadata.jsonl"]:
        assert (tmp_path / "one" / "samples" / name).read_bytes() == (tmp_path / "two" / "samples" / name).read_bytes()


def test_pictures_in_memory_are_told_apart_by_what_they_show(tmp_path):
    first, second = ([picture(number) for number in numbers] for numbers in ((0, 1), (0, 2)))
    call = {"metrics": ("psnr",), "folder": tmp_path / "out", **QUIET}
    evaluate_reconstruction(tokenizer(), first, **call)
    with pytest.raises(ValueError, match="other pictures, models or settings"):
        evaluate_reconstruction(tokenizer(), second, **call)

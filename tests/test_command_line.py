"""The command, as it is typed: real processes, their output, their exit status and the files they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from vqgan_transformer import VQGAN, ImageSynthesisPipeline
from vqgan_transformer.cli import main
from vqgan_transformer.cli.commands import COMMANDS
from vqgan_transformer.cli.reference import updated
from vqgan_transformer.scenes import make_scene

ROOT = Path(__file__).parent.parent
TINY = [
    "batch_size=2", "crop_size=32", "channels=16", "channel_multipliers=1,2", "codebook_size=32", "num_res_blocks=0",
    "decoder_res_blocks=0", "perceptual=none", "disc_weight=0",
]  # fmt: skip


def command(*words: str | Path, module: tuple[str, ...] = (sys.executable, "-m")) -> list[str]:
    return [*module, "vqgan_transformer", *map(str, words)]


def run(*words: str | Path, folder: Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words, **options), capture_output=True, text=True, cwd=folder, timeout=300)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A label map, the photo it belongs to, an area, and a folder of small pictures."""
    folder = tmp_path_factory.mktemp("files")
    scene = make_scene(3, (64, 96))
    Image.fromarray(scene.segmentation.astype(np.uint8)).save(folder / "labels.png")
    Image.fromarray(scene.image).save(folder / "photo.png")
    np.save(folder / "depth.npy", scene.depth)
    area = np.zeros((64, 96), np.uint8)
    area[16:40, 32:64] = 255
    Image.fromarray(area).save(folder / "area.png")
    (folder / "photos").mkdir()
    for seed in range(6):
        Image.fromarray(make_scene(seed, (48, 64)).image).save(folder / "photos" / f"{seed}.png")
    return folder


def test_a_picture_is_painted_as_in_python_and_its_settings_paint_it_again(files, tmp_path):
    words = (
        "--segmentation",
        files / "labels.png",
        "--class-label",
        "winter dusk",
        "top_k=50",
        "--output",
        "a/one.png",
    )
    done = run("sample", *words, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")  # no bars where there is no terminal
    settings = yaml.safe_load((tmp_path / "a" / "one.yaml").read_text(encoding="utf-8"))
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    same = {"class_label": "winter dusk", "top_k": 50, "seed": settings["seed"], "progress": False}
    expected = np.asarray(pipe(segmentation=str(files / "labels.png"), **same).images[0])
    assert (np.asarray(Image.open(tmp_path / "a" / "one.png")) == expected).all()

    again = run("sample", "--config", "a/one.yaml", "output=two.png", "--output-format", "json", folder=tmp_path)
    told = json.loads(again.stdout)
    assert (told["images"], told["seeds"]) == (["two.png"], [settings["seed"]])
    assert (tmp_path / "two.png").read_bytes() == (tmp_path / "a" / "one.png").read_bytes()


def test_an_area_is_completed_and_the_rest_stays(files, tmp_path):
    words = ["complete", "--image", str(files / "photo.png"), "--mask", str(files / "area.png"), "seed=1"]
    assert main([*words, "--output", str(tmp_path / "done.png")]) == 0
    photo, done = (np.asarray(Image.open(file)) for file in (files / "photo.png", tmp_path / "done.png"))
    outside = np.asarray(Image.open(files / "area.png")) == 0
    assert (photo[outside] == done[outside]).all() and (photo[~outside] != done[~outside]).any()


def test_several_pictures_are_numbered(files, tmp_path):
    words = ["sample", "--depth", str(files / "depth.npy"), "--num-images", "2", "--seed", "5", "--size", "32", "48"]
    assert main([*words, "--output", str(tmp_path / "x.png")]) == 0
    assert [Image.open(tmp_path / f"x_{number}.png").size for number in range(2)] == [(48, 32)] * 2
    assert yaml.safe_load((tmp_path / "x.yaml").read_text())["seed"] == 5


def test_tokens_are_written_and_decode_to_the_reconstruction(files, tmp_path, capsys):
    assert main(["tokenize", str(files / "photo.png"), "--output", str(tmp_path)]) == 0
    tokens = np.load(tmp_path / "photo.npy")
    assert tokens.shape == (8, 12)
    assert main(["reconstruct", str(tmp_path / "photo.npy"), "--output", str(tmp_path / "decoded")]) == 0
    assert main(["reconstruct", str(files / "photo.png"), "--output", str(tmp_path / "direct")]) == 0
    assert "dB PSNR" in capsys.readouterr().out
    decoded, direct = (np.asarray(Image.open(tmp_path / name / "photo.png")) for name in ("decoded", "direct"))
    assert (decoded == direct).all()


def test_both_stages_train_through_accelerate_and_again_from_what_they_left(files, tmp_path):
    launch = (sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "-m")
    first = run("train-vqgan", files / "photos", "v", "--max-train-steps", "2", *TINY, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    again = run("train-vqgan", "--config", "v/run.yaml", "folder=w", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    weights = [VQGAN.from_pretrained(tmp_path / name).state_dict() for name in ("v", "w")]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])

    sizes = ("n_layer=1", "n_head=2", "n_embd=32", "--max-steps", "2", "crop_size=32", "batch_size=2")
    second = run("train-gpt", files / "photos", "g", "--vqgan", "v", *sizes, folder=tmp_path, module=launch)
    assert second.returncode == 0, second.stderr
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path / "g")
    assert (pipe.gpt.config.n_embd, pipe.conditions[0].name) == (32, "unconditional")
    assert run("sample", "g", "--size", "32", "32", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sampel"], "Did you mean 'sample'?"),
        (["sample", "--sead", "3"], "Did you mean '--seed'?"),
        (["sample", "sead=3"], "Did you mean 'seed'?"),
        (["sample", "--seed", "three"], "--seed should be a whole number"),
        (["sample", "a", "b"], "what 'b' is for"),
        (["train-vqgan", "photos"], "needs --folder"),
        (["train-vqgan", "photos", "run", "schedule=linear"], "'constant' or 'cosine'"),
        (["train-gpt", "photos", "run"], "needs --vqgan"),
        (["sample", "--config", "{folder}/bad.yaml"], "Did you mean 'seed'?"),
        (["sample", "--config", "{folder}/other.yaml"], "It is of 'complete'"),
    ],
)
def test_what_is_not_understood_is_status_2_and_one_line(words, complaint, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("sead: 3\n")
    (tmp_path / "other.yaml").write_text("command: complete\n")
    assert main([word.format(folder=tmp_path) for word in words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and complaint in printed.err
    assert printed.err.startswith("vqgan-transformer: ") and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sample", "--segmentation", "nowhere.png"], "there is no file"),
        (["sample", "no/such/model", "--size", "8", "8"], "no file or folder"),
        (["sample", "--size", "32", "32", "temperature=-1"], "temperature must be"),
        (["sample", "--config", "nowhere.yaml"], "there is no file 'nowhere.yaml'"),
        (["train-vqgan", "photos", "run", "learning_rate=-1"], "learning_rate must not be negative"),
    ],
)
def test_what_fails_is_status_1_and_one_line(words, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert complaint in printed and printed.count("\n") == 1
    assert main([*words, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_the_command_line_goes_before_the_file_and_the_file_knows_plain_words(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "mixed-precision: no\nlearning_rate: 1e-4\nseed: 7\nvalidation: held_out\ndata: a\nfolder: b\n"
    )
    command = COMMANDS["train-vqgan"]
    from vqgan_transformer.cli.command import Words

    options = command.options()
    values = command.settings(Words([], {"seed": ["8"]}, {"config": str(tmp_path / "run.yaml")}), options)
    assert (values["mixed_precision"], values["learning_rate"], values["seed"]) == ("no", 1e-4, 8)
    assert values["folder"] == tmp_path / "b"  # paths in a file start from its folder
    assert values["validation"] == "held_out"  # might be a data set's name: there is no such folder


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_one_name_each_and_a_text(name):
    for option in COMMANDS[name].options():
        assert option.text, f"{name} {option.flag}"


def test_the_page_of_all_options_is_as_generated():
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert page == updated(page), "python -m vqgan_transformer.cli.reference docs/command_line.md"


def test_help_and_version_come_without_torch():
    code = "import sys; from vqgan_transformer.cli import main; main(['--help']); main(['--version']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(name in done for name in COMMANDS) and done.endswith("False\n")


def test_checks_say_what_an_extra_lacks(tmp_path, capsys, monkeypatch):
    information = tmp_path / "vqgan_transformer-9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: vqgan_transformer\nVersion: 9\nProvides-Extra: flying\n"
        "Requires-Dist: numpy>=1\nRequires-Dist: no-such-wings>=1; extra == 'flying'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["checks", "--output-format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dependencies"] == {"numpy": np.__version__}
    assert told["extras"]["flying"]["missing"] == ["no-such-wings"]
    assert told["extras"]["flying"]["to get it"] == "pip install 'vqgan_transformer[flying]'"
    assert any("cpu" in device for device in told["devices"])


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_watching_paints_again_when_the_map_is_saved_and_ctrl_c_leaves_whole_files(files, tmp_path):
    labels = tmp_path / "labels.png"
    labels.write_bytes((files / "labels.png").read_bytes())
    words = command("sample", "--segmentation", labels, "--seed", "0", "--watch")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            picture = tmp_path / "picture.png"
            wait_for(picture.exists)
            first = picture.read_bytes()
            Image.fromarray(np.full((64, 96), 156, np.uint8)).save(labels)  # all sky
            wait_for(lambda: picture.read_bytes() != first)
            Image.fromarray(np.full((1024, 1024), 156, np.uint8)).save(labels)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # leaving the block waits for its end
    assert process.returncode == 0 and "stopped watching" in errors
    Image.open(picture).load()
    assert not [*tmp_path.glob(".*")]  # no drafts


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_ctrl_c_ends_a_command_with_status_130_and_no_picture(files, tmp_path):
    words = command("sample", "--segmentation", files / "labels.png", "--size", "2048", "3072", "--progress")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        try:
            while "token" not in process.stderr.read(1) + process.stderr.readline(60):
                pass
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert not [*tmp_path.iterdir()]

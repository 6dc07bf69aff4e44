"""Files as programs and people leave them: wrappers around weights, averages beside them, shards, other kinds of files."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from hostile_files import SIX, Persistent, program, tensor_call, zip_with_pickle
from vqgan_transformer import VQGAN, CondGPT
from vqgan_transformer.checkpoints.safe_unpickle import read_state_dict
from vqgan_transformer.errors import CheckpointError, UnsafeFileError

WEIGHTS = golden.state_dict(golden.case("taming_vqgan"))
AVERAGES = {name: tensor + 0.25 for name, tensor in WEIGHTS.items()}
CODES = "to_codes.bias", "quant_conv.bias"


@pytest.fixture(autouse=True)
def cached_weights():
    """Tensors are shared between tests: nothing may change them."""
    before = WEIGHTS[CODES[1]].clone()
    yield
    assert torch.equal(WEIGHTS[CODES[1]], before)


def prefixed(prefix: str, weights: dict[str, torch.Tensor] = WEIGHTS) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


def written(folder: Path, content: object, name: str = "last.ckpt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def is_trained(vqgan: VQGAN) -> bool:
    return torch.equal(vqgan.state_dict()[CODES[0]], WEIGHTS[CODES[1]])


def is_average(vqgan: VQGAN) -> bool:
    return torch.equal(vqgan.state_dict()[CODES[0]], AVERAGES[CODES[1]])


def nest(weights: dict[str, torch.Tensor]) -> dict:
    tree: dict = {}
    for name, tensor in weights.items():
        *branches, leaf = name.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = tensor
    return tree


WRAPPED = {
    "bare": WEIGHTS,
    "Lightning": {"state_dict": WEIGHTS, "optimizer_states": [{"state": {0: torch.ones(3)}}], "epoch": 3},
    "DistributedDataParallel": {"state_dict": prefixed("module.")},
    "torch.compile": {"model": prefixed("_orig_mod.")},
    "both": {"net": prefixed("module._orig_mod.")},
    "AveragedModel": prefixed("module.") | {"n_averaged": torch.tensor(7)},
    "params": {"params": WEIGHTS},
    "model_state_dict": {"model_state_dict": prefixed("model."), "optimizer_state_dict": {"state": {0: torch.ones(2)}}},
    "generator": {"generator": WEIGHTS, "discriminator": {"main.0.weight": torch.ones(2)}, "steps": torch.tensor(5)},
    "within each other": {"state_dict": {"model": {"net": prefixed("module.")}}},
    "a tree": {"params": nest(WEIGHTS)},
    "a part of a module": prefixed("tokenizer_of_mine.") | {"discriminator.main.0.weight": torch.ones(2)},
}


@pytest.mark.parametrize("how", WRAPPED)
def test_what_programs_wrap_around_weights_is_taken_off(tmp_path, how):
    path = written(tmp_path, WRAPPED[how])
    assert is_trained(VQGAN.from_pretrained(path))
    assert list(VQGAN.inspect(path).holds) == ["VQGAN"]


@pytest.mark.parametrize("prefix", ["module.", "model.", "vqgan."])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("diffusers_attention", VQGAN), ("llamagen_vqgan", VQGAN), ("llamagen_gpt", CondGPT), ("maskgit_vqgan", VQGAN)],
)
@pytest.mark.filterwarnings("ignore")
def test_every_family_is_found_behind_a_common_beginning(tmp_path, name, kind, prefix):
    save_file(prefixed(prefix, foreign.state_dict(name)), tmp_path / "model.safetensors")
    if golden.case(name).get("config"):
        (tmp_path / "config.json").write_text(json.dumps(golden.case(name)["config"]))
    found = kind.from_pretrained(tmp_path, **foreign.options(name)).state_dict()
    direct = kind.from_pretrained(foreign.write(name, tmp_path / "direct"), **foreign.options(name)).state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in direct.items())


def test_a_run_of_a_transformer_is_found_behind_a_common_beginning(tmp_path):
    run = golden.write_run("taming_class_transformer", tmp_path / "run")
    path = run / "checkpoints" / "last.ckpt"
    torch.save({"state_dict": prefixed("module.", read_state_dict(path))}, path)
    assert set(VQGAN.inspect(run).holds) >= {"VQGAN", "CondGPT", "ImageSynthesisPipeline"}


BOTH = {
    "a dictionary of its own": {"model": WEIGHTS, "ema": AVERAGES},
    "a dictionary in the same": {"params": WEIGHTS, "params_ema": AVERAGES},
    "wrapped, too": {"state_dict": prefixed("module."), "ema_state_dict": prefixed("module.", AVERAGES)},
    "names of its own": {"state_dict": prefixed("online_model.") | prefixed("ema_model.", AVERAGES) | {"step": torch.tensor(1)}},
    "names without their dots": {
        "state_dict": prefixed("module.") | {"module.model_ema." + name.replace(".", ""): tensor for name, tensor in AVERAGES.items()}
    },
}  # fmt: skip


@pytest.mark.parametrize("how", BOTH)
def test_of_weights_and_their_average_one_is_taken_and_said(tmp_path, how):
    path = written(tmp_path, BOTH[how])
    (tmp_path / "model.yaml").write_text(taming_yaml())  # whose program keeps no average: nothing decides
    with pytest.warns(UserWarning, match="average is taken. Pass weights='raw'") as caught:
        assert is_average(VQGAN.from_pretrained(path))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_average(VQGAN.from_pretrained(path, weights="ema"))
        assert is_trained(VQGAN.from_pretrained(path, weights="raw"))


def taming_yaml() -> str:
    import yaml

    return yaml.safe_dump(golden.case("taming_vqgan")["config"])


def test_programs_decide_where_they_do(tmp_path):
    weights = foreign.state_dict("llamagen_vqgan")
    path = written(tmp_path, {"model": weights, "ema": {name: tensor + 1 for name, tensor in weights.items()}}, "vq.pt")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*average is taken")
        found = VQGAN.from_pretrained(path)
    assert torch.equal(found.to_codes.bias, weights["quant_conv.bias"] + 1)


@pytest.mark.parametrize(
    ("content", "options", "error", "complaint"),
    [
        (WEIGHTS, {"weights": "ema"}, CheckpointError, "no running average"),
        ({"ema": AVERAGES}, {"weights": "raw"}, CheckpointError, "running average of its weights only"),
        (WEIGHTS, {"weights": "average"}, ValueError, "'ema' or 'raw'"),
        (WEIGHTS, {"wieghts": "ema"}, TypeError, "Did you mean 'weights'"),
    ],
)
def test_a_choice_that_there_is_not_is_an_error(tmp_path, content, options, error, complaint):
    with pytest.raises(error, match=complaint):
        VQGAN.from_pretrained(written(tmp_path, content), **options)


def test_an_average_alone_is_taken_without_a_word(tmp_path):
    assert is_average(VQGAN.from_pretrained(written(tmp_path, {"ema": AVERAGES})))


def sharded(folder: Path, ending: str) -> Path:
    names = sorted(WEIGHTS)
    stem = {"bin": "pytorch_model", "safetensors": "model"}[ending]
    weight_map = {}
    for number, part in enumerate((names[:100], names[100:]), 1):
        shard = f"{stem}-0000{number}-of-00002.{ending}"
        weights = {name: WEIGHTS[name].contiguous() for name in part}
        save_file(weights, folder / shard) if ending == "safetensors" else torch.save(weights, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_shards_are_read_by_their_index(tmp_path, ending):
    folder = sharded(tmp_path, ending)
    assert is_trained(VQGAN.from_pretrained(folder))
    index = next(folder.glob("*.index.json"))
    shards = sorted(folder.glob("*-of-*"))
    content = json.loads(index.read_text())
    index.unlink()
    with pytest.raises(CheckpointError, match=r"2 of 2 shards .* not the index"):
        VQGAN.from_pretrained(folder)
    index.write_text(json.dumps(content))
    shards[1].unlink()
    with pytest.raises(CheckpointError, match=f"{shards[1].name}.* is missing"):
        VQGAN.from_pretrained(folder)
    content["weight_map"] = {name: "../x.py" for name in content["weight_map"]}
    index.write_text(json.dumps(content))
    with pytest.raises(UnsafeFileError):
        VQGAN.from_pretrained(folder)


@pytest.mark.parametrize("first", [True, False])
def test_half_a_file_is_half_a_file(tmp_path, first):
    names = sorted(WEIGHTS)
    half = names[: len(names) // 2] if first else names[len(names) // 2 :]
    path = written(tmp_path, {"state_dict": {name: WEIGHTS[name] for name in half}})
    with pytest.raises(CheckpointError, match="half of its keys are missing"):
        VQGAN.from_pretrained(path)


@pytest.mark.parametrize("name", ["taming_vqgan", "diffusers_attention", "llamagen_vqgan", "maskgit_vqgan"])
@pytest.mark.parametrize("half", ["encoder.", "decoder."])
@pytest.mark.filterwarnings("ignore")
def test_a_half_of_any_family_is_no_other_family(tmp_path, name, half):
    weights = WEIGHTS if name == "taming_vqgan" else foreign.state_dict(name)
    path = written(tmp_path, {key: tensor for key, tensor in weights.items() if not key.startswith(half)})
    with pytest.raises(CheckpointError, match=r"half of its keys are missing|missing"):
        VQGAN.from_pretrained(path)


def test_chameleons_half_can_be_said_to_be_whole(tmp_path):
    path = written(tmp_path, foreign.state_dict("chameleon_vqvae"))
    with pytest.raises(CheckpointError, match="format='chameleon'"):
        VQGAN.from_pretrained(path)
    assert not VQGAN.from_pretrained(path, format="chameleon").config.has_decoder


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["model.safetensors", "model.fp16.safetensors"], "model.safetensors"),
        (["vae.fp16.safetensors", "vae.safetensors"], "vae.safetensors"),
        (["vae.fp16.ckpt", "vae.bf16.ckpt"], "vae.bf16.ckpt"),
        (["vae_fp16.safetensors"], "vae_fp16.safetensors"),
        (["vae.ckpt", "vae.safetensors"], "vae.safetensors"),
        (["a.ckpt", "b.ckpt"], None),
        (["vae.ckpt", "vae.ema.ckpt"], None),
    ],
)
def test_of_files_that_differ_in_type_or_format_the_most_exact_is_taken(tmp_path, names, taken):
    for name in names:
        weights = prefixed("", WEIGHTS if name == taken else AVERAGES)
        save_file(weights, tmp_path / name) if name.endswith("safetensors") else torch.save(weights, tmp_path / name)
    if taken is None:
        with pytest.raises(CheckpointError, match=r"several checkpoints.*filename="):
            VQGAN.from_pretrained(tmp_path)
    else:
        assert is_trained(VQGAN.from_pretrained(tmp_path))


def test_a_file_without_an_ending_is_what_it_holds(tmp_path):
    assert is_trained(VQGAN.from_pretrained(written(tmp_path, WEIGHTS, "last")))
    save_file(prefixed("", WEIGHTS), tmp_path / "weights.of-mine")
    assert is_trained(VQGAN.from_pretrained(tmp_path / "weights.of-mine"))


KINDS = {
    "LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n",
    "GGUF": b"GGUF\x03\x00\x00\x00" + bytes(500),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "web page": b"<!DOCTYPE html><html>404</html>",
    "gzip": b"\x1f\x8b\x08" + bytes(500),
    "NumPy": b"\x93NUMPY\x01\x00" + bytes(500),
    "empty": b"",
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("ending", [".ckpt", ".safetensors", ".msgpack", "", ".gguf"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_other_kinds_are_named(tmp_path, kind, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(KINDS[kind])
    with pytest.raises(CheckpointError, match=kind) as caught:
        VQGAN.from_pretrained(path)
    assert path.name in str(caught.value)


def test_endings_tell_the_truth(tmp_path):
    torch.save(WEIGHTS, tmp_path / "a.safetensors")
    save_file(prefixed("", WEIGHTS), tmp_path / "b.ckpt")
    for name, kind in {"a.safetensors": "a zip archive", "b.ckpt": "a safetensors file"}.items():
        with pytest.raises(CheckpointError, match=f"{kind}. Rename it"):
            VQGAN.from_pretrained(tmp_path / name)


@pytest.mark.parametrize("config", ["config.json", "model.yaml"])
def test_pointers_of_git_lfs_are_named_in_place_of_configs(tmp_path, config):
    written(tmp_path, WEIGHTS)
    (tmp_path / config).write_bytes(KINDS["LFS"])
    with pytest.raises(CheckpointError, match=f"{config}.*Git LFS"):
        VQGAN.from_pretrained(tmp_path)


def test_whole_objects_and_programs_are_named(tmp_path):
    module = torch.nn.Conv2d(3, 4, 3)
    with pytest.raises(CheckpointError, match=r"whole object: torch\.nn\.modules\.conv\.Conv2d.*state_dict\(\)"):
        VQGAN.from_pretrained(written(tmp_path, module))
    with pytest.raises(CheckpointError, match=r"'model' is a whole object \(torch\.nn\.modules\.conv\.Conv2d\)"):
        VQGAN.from_pretrained(written(tmp_path, {"model": module, "epoch": 1}))
    with zipfile.ZipFile(tmp_path / "script.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02N.")
        archive.writestr("net/code/__torch__.py", "pass\n" * 1000)
    with pytest.raises(CheckpointError, match="TorchScript"):
        VQGAN.from_pretrained(tmp_path / "script.pt")


def test_folders_without_weights_say_what_they_hold(tmp_path):
    with pytest.raises(CheckpointError, match="it is empty"):
        VQGAN.from_pretrained(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(CheckpointError, match=r"there are notes\.txt"):
        VQGAN.from_pretrained(tmp_path)


def test_several_networks_in_one_file_are_named(tmp_path):
    path = written(tmp_path, prefixed("day.") | prefixed("night."))
    with pytest.raises(CheckpointError, match=r"several networks, under day\.…, night\.…"):
        VQGAN.from_pretrained(path)


def test_names_that_nobody_knows_are_listed(tmp_path):
    path = written(tmp_path, {f"blocks.{number}.weight": torch.ones(1) for number in range(9)})
    with pytest.raises(CheckpointError, match=r"9 tensors \(blocks\.0\.weight, .*, …\) are those of no program"):
        VQGAN.from_pretrained(path)


def test_one_refusal_is_said_once(tmp_path):
    shutil.copytree(golden.write_run("taming_class_transformer", tmp_path / "run"), tmp_path / "other")
    path = tmp_path / "other" / "checkpoints" / "last.ckpt"
    torch.save({"state_dict": read_state_dict(path) | {"strange.weight": torch.ones(1)}}, path)
    report = VQGAN.inspect(tmp_path / "other")
    assert len(report.problems) > 2
    assert str(report).count("strange.weight") == 1


def test_weights_that_share_their_memory_a_thousand_times_are_refused(tmp_path):
    storage = Persistent("storage", torch.FloatStorage, "0", "cpu", 6)
    content = {f"layer.{number}": tensor_call(storage) for number in range(1000)}
    path = zip_with_pickle(tmp_path / "bomb.pt", program(content), SIX)
    padded = {"0": SIX["0"] * 10_000}
    assert path.stat().st_size < 1_000_000
    large = Persistent("storage", torch.FloatStorage, "0", "cpu", 60_000)
    content = {f"layer.{number}": tensor_call(large, size=(60_000,), stride=(1,)) for number in range(1000)}
    with pytest.raises(UnsafeFileError, match="share their memory"):
        VQGAN.from_pretrained(zip_with_pickle(tmp_path / "bomb.pt", program(content), padded))


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), None), (float("inf"), None), (1e30, "float16")])
def test_weights_that_are_no_numbers_are_named(tmp_path, value, dtype):
    weights = prefixed("")
    weights[CODES[1]] = torch.full_like(weights[CODES[1]], value)
    with pytest.raises(CheckpointError, match=r"in 1 of its \d+ tensors: to_codes\.bias"):
        VQGAN.from_pretrained(written(tmp_path, weights), dtype=dtype)


def test_weights_that_are_whole_numbers_are_named(tmp_path):
    path = written(tmp_path, {name: (tensor * 10).to(torch.int8) for name, tensor in WEIGHTS.items()})
    with pytest.raises(CheckpointError, match=r"whole numbers where weights should be: .*torch\.int8"):
        VQGAN.from_pretrained(path)

"""Damaged files and absurd sizes: an error that names the file, soon, and before memory is taken."""

from __future__ import annotations

import json
import pickle
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
import torch

from hostile_files import CONTAINERS, SIX, Persistent, bomb, program, saved, tensor_call, zip_with_pickle
from vqgan_transformer import VQGAN, VQGANConfig
from vqgan_transformer.checkpoints.pickle_machine import StandIn
from vqgan_transformer.checkpoints.safe_unpickle import read_checkpoint, read_state_dict
from vqgan_transformer.checkpoints.safe_yaml import read_yaml
from vqgan_transformer.errors import CheckpointError, UnsafeFileError


@CONTAINERS
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_files_that_are_cut_short_are_errors_that_name_the_file(tmp_path, zipped, share):
    whole = saved({"state_dict": {"weight": torch.randn(50, 50)}}, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "cut.ckpt"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"cut\.ckpt"):
        read_state_dict(path)


@CONTAINERS
def test_random_damage_never_escapes_as_another_error(tmp_path, zipped):
    whole = saved(
        {"state_dict": {"weight": torch.randn(4, 4)}, "x": [1, "a", 2.5]}, _use_new_zipfile_serialization=zipped
    )
    generator = torch.Generator().manual_seed(5)
    path = tmp_path / "damaged.ckpt"
    for _ in range(150):
        data = bytearray(whole)
        for place in torch.randint(len(data), (3,), generator=generator).tolist():
            data[place] = int(torch.randint(256, (), generator=generator))
        path.write_bytes(data)
        try:
            read_state_dict(path)
        except CheckpointError as error:
            assert "damaged.ckpt" in str(error)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("beyond its memory", tensor_call(size=(2, 4), stride=(4, 1))),
        ("beyond its memory", tensor_call(offset=1)),
        ("beyond its memory", tensor_call(stride=(2**40, 1))),
        ("by something else than sizes", tensor_call(offset=-1)),
        ("by something else than sizes", tensor_call(size=(-2, 3))),
        ("by something else than sizes", tensor_call(stride=(3, -1))),
        ("by something else than sizes", tensor_call(size=(True, 3))),
        ("by something else than sizes", tensor_call(size=(2**70, 3))),
        ("strides", tensor_call(stride=(1,))),
        ("repeats", tensor_call(size=(2**40, 3), stride=(0, 1))),
        ("needs more memory", tensor_call(Persistent("storage", torch.FloatStorage, "0", "cpu", 2**40), size=(2**40,), stride=(1,))),
        ("needs more memory", tensor_call(Persistent("storage", torch.DoubleStorage, "0", "cpu", 6))),
        ("is missing", tensor_call(Persistent("storage", torch.FloatStorage, "../1", "cpu", 6))),
    ],
)  # fmt: skip
def test_tensors_stay_within_the_memory_that_the_file_holds(tmp_path, what, call):
    path = zip_with_pickle(tmp_path / "bad.pt", program({"weight": call}), SIX)
    with pytest.raises(CheckpointError, match=what):
        read_state_dict(path)


def test_archives_that_unpack_to_more_than_they_are_are_refused(tmp_path):
    body = program(
        {
            "weight": tensor_call(
                Persistent("storage", torch.FloatStorage, "0", "cpu", 25_000), size=(25_000,), stride=(1,)
            )
        }
    )
    path = zip_with_pickle(tmp_path / "bomb.pt", body, {"0": bytes(100_000)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFileError, match="once unpacked"):
        read_checkpoint(path)


def test_overlapping_members_are_refused(tmp_path):
    path = zip_with_pickle(tmp_path / "ok.pt", program({"weight": tensor_call()}), {"0": bytes(10_000)})
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"ok\.pt"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"X\xff\xff\xff\xff" + b"a", id="a string of 4 GB"),
        pytest.param(b"\x8d" + b"\xff" * 8, id="a string of 16 EB"),
        pytest.param(b"\x8b\xff\xff\xff\x7f", id="a number of 2 GB"),
        pytest.param(b"]" * 5_000_000, id="millions of lists"),
        pytest.param(b"]r\xff\xff\xff\xff" * 10 + b"j\xfe\xff\xff\xff", id="a memo that is not there"),
        pytest.param(b"c" + b"a" * 100_000, id="a name without end"),
        pytest.param(b"0" * 10, id="an empty stack"),
        pytest.param(b"e", id="no mark"),
        pytest.param(b"K\x01K\x01s", id="items of a number"),
        pytest.param(b"(" * 100_000, id="marks alone"),
    ],
)
def test_pickles_out_of_proportion_are_refused_quickly(tmp_path, body):
    path = zip_with_pickle(tmp_path / "bomb.pt", bomb(body))
    before = time.process_time()
    with pytest.raises(CheckpointError, match=r"bomb\.pt"):
        read_checkpoint(path)
    assert time.process_time() - before < 30


def test_nests_that_share_their_parts_are_neither_hashed_nor_walked(tmp_path):
    doubled = b")" + b"2\x86" * 200  # t = (t, t), two hundred times
    path = zip_with_pickle(tmp_path / "nest.pt", bomb(b"}(" + doubled + b"K\x01" + b"X\x01\x00\x00\x00wK\x02u"))
    assert read_checkpoint(path).content["w"] == 2
    called = zip_with_pickle(tmp_path / "called.pt", bomb(doubled + b"N\x85R"))
    assert isinstance(read_checkpoint(called).content, StandIn)
    deep = zip_with_pickle(tmp_path / "deep.pt", bomb(b"]" * 100_000 + b"a" * 99_999))
    assert isinstance(read_checkpoint(deep).content, list)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"just some text", "neither a zip archive nor a pickle"),
        (pickle.dumps({"a": 1}), "none that torch.save wrote"),
        (b"PK\x03\x04" + bytes(100), "damaged or cut short"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, data, complaint):
    (tmp_path / "file.ckpt").write_bytes(data)
    with pytest.raises(CheckpointError, match=complaint):
        read_checkpoint(tmp_path / "file.ckpt")


def test_other_archives_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("photo.png", b"")
    with pytest.raises(CheckpointError, match=r"none that torch\.save wrote"):
        read_checkpoint(tmp_path / "photos.pt")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("net/data.pkl", bomb(b"N"))
        archive.writestr("net/code/__torch__.py", "")
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(tmp_path / "script.pt")
    with tarfile.open(tmp_path / "old.pt", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(tmp_path / "script.pt", "pickle")
    with pytest.raises(CheckpointError, match="tar archive"):
        read_checkpoint(tmp_path / "old.pt")


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.manual_seed(4)
    config = VQGANConfig(
        channels=32, channel_multipliers=(1, 1), num_res_blocks=1, attention_levels=(), latent_channels=8,
        codebook_size=16, code_dim=8,
    )  # fmt: skip
    return VQGAN(config).save_pretrained(tmp_path / "model", max_shard_size=100_000)


def header_file(path: Path, header: object, data: bytes = b"") -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_shards_that_are_cut_short_are_errors_that_name_the_shard(folder, share):
    shard = max(folder.glob("model-*.safetensors"))
    shard.write_bytes(shard.read_bytes()[: int(shard.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=shard.name):
        VQGAN.from_pretrained(folder)


def test_a_missing_shard_is_named(folder):
    shard = max(folder.glob("model-*.safetensors"))
    shard.unlink()
    with pytest.raises(CheckpointError, match=shard.name):
        VQGAN.from_pretrained(folder)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"{" * 5000, "no safetensors file"),
        (b"\xff\xfe", "no safetensors file"),
        ([1, 2], "no safetensors file"),
        ({"w": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 4]}}, "does not fill"),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**50]}}, "cut short"),
        ({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "not whole numbers"),
        ({"w": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, "type PICKLE"),
        ({"w": {"shape": [1]}}, "no safetensors file"),
    ],
    ids=str,
)
def test_headers_are_checked_before_tensors_are_read(folder, header, complaint):
    for path in folder.glob("model*"):
        path.unlink()
    header_file(folder / "model.safetensors", header, bytes(4))
    with pytest.raises(CheckpointError, match=complaint):
        VQGAN.from_pretrained(folder)


def test_a_header_of_exabytes_is_refused(folder):
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x7f" + bytes(100))
    with pytest.raises(CheckpointError, match="cut short"):
        VQGAN.from_pretrained(folder)


@pytest.mark.parametrize(
    "name", ["../stolen.safetensors", "/etc/passwd", "a\\..\\..\\b.safetensors", "model.ckpt", "C:b"]
)
def test_an_index_cannot_point_elsewhere(folder, name):
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], name)
    index.write_text(json.dumps(content))
    with pytest.raises(UnsafeFileError):
        VQGAN.from_pretrained(folder)


def test_a_shard_cannot_be_a_link_to_elsewhere(folder, tmp_path):
    shard = max(folder.glob("model-*.safetensors"))
    shard.rename(tmp_path / "elsewhere.safetensors")
    try:
        shard.symlink_to(tmp_path / "elsewhere.safetensors")
    except OSError:
        pytest.skip("links need a privilege here")
    with pytest.raises(UnsafeFileError, match="link"):
        VQGAN.from_pretrained(folder)


def test_links_into_the_cache_of_the_hub_are_its_own_way(folder, tmp_path):
    repository = tmp_path / "models--someone--clouds"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        try:
            (snapshot / path.name).symlink_to(blobs / str(number))
        except OSError:
            pytest.skip("links need a privilege here")
    assert VQGAN.from_pretrained(snapshot).config.channels == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        '{"a": NaN}',
        '{"a": ' + "[" * 100_000,
        "\ufeff{}",
        '{"_class_name": "VQGAN", "_package_version": "0"',
    ],
)
def test_damaged_json_is_an_error_that_names_the_file(folder, text):
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        VQGAN.from_pretrained(folder)


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("!!python/object/apply:os.system ['payload']", CheckpointError, id="python tag"),
        pytest.param("a: !!python/name:os.system", CheckpointError, id="python name"),
        pytest.param(aliases(12), UnsafeFileError, id="alias bomb"),
        pytest.param("a: &a {b: 1}\n" + "".join(f"b{k}: &b{k} {{<<: [{', '.join(['*a'] * 9)}]}}\n" for k in range(9000)),
                     UnsafeFileError, id="merges"),
        pytest.param("a: &a [*a]", UnsafeFileError, id="circle"),
        pytest.param("a: " + "[" * 20_000, CheckpointError, id="deep"),
        pytest.param("a: [1, 2", CheckpointError, id="cut short"),
        pytest.param("just text", CheckpointError, id="no mapping"),
        pytest.param("", CheckpointError, id="empty"),
        pytest.param("a: 1\n" * 200_000, UnsafeFileError, id="a megabyte"),
        pytest.param("a: 1\n---\nb: 2", CheckpointError, id="two documents"),
        pytest.param("? [1, 2]\n: 3", CheckpointError, id="a list as a key"),
    ],
)  # fmt: skip
def test_yaml_is_data_within_bounds(tmp_path, text, error):
    (tmp_path / "project.yaml").write_text(text)
    before = time.process_time()
    with pytest.raises(error, match=r"project\.yaml"):
        read_yaml(tmp_path / "project.yaml")
    assert time.process_time() - before < 20


def test_honest_aliases_are_fine(tmp_path):
    (tmp_path / "project.yaml").write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert read_yaml(tmp_path / "project.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}

"""Headers, indexes, configs and trees of arrays that ask for much in few bytes: refused within seconds."""

from __future__ import annotations

import json
import resource
import struct
import time
from pathlib import Path

import msgpack
import pytest
import torch
from safetensors.torch import save_file

from vqgan_transformer import VQGAN, CondGPT
from vqgan_transformer.checkpoints.safe_yaml import read_yaml
from vqgan_transformer.errors import CheckpointError, UnsafeFileError
from vqgan_transformer.storage.config_json import parse_json
from vqgan_transformer.storage.provenance import provenance
from vqgan_transformer.storage.shards import shards_with_vqgan
from vqgan_transformer.storage.weights import read_safetensors


@pytest.fixture(autouse=True)
def bounds():
    """Ten seconds and 700 MB."""
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - before < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 700_000


def safetensors_file(path: Path, header: bytes, data: bytes = bytes(4)) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def entry(shape: str, begin: int = 0, end: int = 4) -> str:
    return f'{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}'


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (f'{{"a":{entry("[" + "9," * 2_000_000 + "9]")}}}', "axes"),
        (f'{{"a":{entry("[0,4611686018427387904,4611686018427387904]", 0, 0)}}}', "does not fill"),
        (f'{{"a":{entry("[1" + "0" * 5_000_000 + "]")}}}', "no number"),
        (f'{{"a":{entry("[NaN]")}}}', "NaN is no number"),
        (f'{{"a":{entry("[1.0]")}}}', "not whole numbers"),
        (f'{{"a":{entry("[true]")}}}', "not whole numbers"),
        (f'{{"a":{entry("[1]")},"a":{entry("[1]")}}}', "'a' is there twice"),
        (f'{{"a":{entry("[1]")},"b":{entry("[1]")}}}', "does not lie behind"),
        (f'{{"a":{entry("[0]", 2, 2)}}}', "does not lie behind"),
        ('{"a":' + "[" * 1_000_000, "nested too deeply"),
        ('{"a":[' + "{}," * 5_000_000 + "{}]}", "TypeError"),
        (json.dumps({f"a{n}": {} for n in range(150_000)}), "lists 150000 tensors"),
        ('{"' + "a" * 5_000_000 + '":1}', "TypeError"),
    ],
    ids=lambda value: "" if len(value) > 40 else value,
)
def test_headers_say_little_and_say_it_once(tmp_path, header, complaint):
    path = safetensors_file(tmp_path / "a.safetensors", header.encode())
    with pytest.raises(CheckpointError, match=complaint) as caught:
        VQGAN.from_pretrained(path)
    assert "a.safetensors" in str(caught.value) and len(str(caught.value)) < 1000


def test_tensors_are_read_as_the_library_writes_them(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.zeros(0, 3), "d": torch.tensor(2.5)}
    tensors |= {"e": torch.randn(7).bfloat16(), "f": torch.tensor([True, False]), "g": torch.randn(3).half()}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = {name: tensor.read() for name, tensor in read_safetensors(tmp_path / "a.safetensors").items()}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


@pytest.mark.parametrize("depth", [1, 100])
def test_shards_of_many_models_are_found_in_time(tmp_path, depth):
    names = {"x." * depth + f"a{n}.encoder.conv_in.weight": "one.safetensors" for n in range(20_000)}
    names |= {f"b{n}.weight": "other.safetensors" for n in range(20_000)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert shards_with_vqgan(tmp_path / "model.safetensors.index.json") == ["one.safetensors"]


def test_one_tokenizer_inside_another_counts_once(tmp_path):
    weight_map = dict.fromkeys(
        ["m.encoder.conv_in.weight", "m.n.encoder.conv_in.weight", "m.n.b", "m.a", "ma", "z"], "other"
    )
    weight_map |= {
        "m.encoder.conv_in.weight": "one",
        "m.n.encoder.conv_in.weight": "two",
        "m.n.b": "three",
        "m.a": "four",
    }
    (tmp_path / "index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert shards_with_vqgan(tmp_path / "index.json") == ["four", "one", "three", "two"]


def test_layers_are_not_built_by_the_ten_thousand(tmp_path):
    config = {"_class_name": "CondGPT", "_package_version": "0", "vocab_size": 16, "block_size": 16, "n_layer": 60_000}
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_head": 1, "n_embd": 8, "window": [2, 2]}))
    header = json.dumps({f"e{n}": json.loads(entry("[0]", 0, 0)) for n in range(90_000)}).encode()
    safetensors_file(tmp_path / "model.safetensors", header)
    with pytest.raises(CheckpointError, match="more than 10000 parameter tensors"):
        CondGPT.from_pretrained(tmp_path)


def test_levels_are_counted_in_one_pass(tmp_path):
    names = [f"encoder.down.{n}.block.0.conv1.weight" for n in range(20_000)]
    names += [
        "encoder.conv_in.weight",
        "encoder.mid.block_1.conv1.weight",
        "quant_conv.weight",
        "decoder.conv_in.weight",
    ]
    names += ["quantize.embedding.weight"]
    header = {name: json.loads(entry("[1,1,1,1]", 4 * n, 4 * n + 4)) for n, name in enumerate(names)}
    path = safetensors_file(tmp_path / "a.safetensors", json.dumps(header).encode(), bytes(4 * len(names)))
    with pytest.raises(CheckpointError, match="20000 levels"):
        VQGAN.from_pretrained(path)


def packed(array: bytes) -> bytes:
    return msgpack.packb({"a": msgpack.ExtType(1, array)})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (packed(msgpack.packb(([9] * 1_000_000, "float32", b"1234"))), "max_array_len"),
        (packed(b"\xdd" + struct.pack(">I", 10_000_000) + b"\x90" * 10_000_000), "max_array_len"),
        (packed(b"\xdc\x00\x40" + (b"\xdc\x00\x40" + b"\x90" * 64) * 64), "array"),
        (packed(b"\x80"), "of 0 parts"),
        (packed(msgpack.packb(([2**64 - 1, 0], "float32", b""))), "no numbers"),
        (packed(msgpack.packb(([1], "f" * 100_000, b"1234"))), "of type"),
        (
            b"\xdf\x00\x00\xff\xff" + b"".join(msgpack.packb(f"{n}") + b"\x81\xa1a\x80" for n in range(65_535)),
            "entries",
        ),
        (b"\x82\xa1a\x80\xa1a\x80", "there twice"),
        (b"\x81\xa1a\x91\x01", "max_array_len"),
        (b"\x81\xa1a" * 100_000, "StackError"),
        (b"\x81" + msgpack.packb("n" * 5000) + packed(msgpack.packb(([1], "float32", b"1234"))), "name of"),
    ],
    ids=range(11),
)
def test_trees_of_arrays_are_counted(tmp_path, data, complaint):
    (tmp_path / "flax_model.msgpack").write_bytes(data)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        VQGAN.from_pretrained(tmp_path)
    assert "flax_model.msgpack" in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "error", "complaint"),
    [
        ("x: 1" + ":1" * 100_000, UnsafeFileError, "a number of"),
        ("x: " + "1" * 200_000, UnsafeFileError, "a number of"),
        ("x: !!bool maybe", CheckpointError, "maybe"),
        ("x: !!binary aGk=", CheckpointError, "binary"),
        ("x: !!set {a, b}", CheckpointError, "set"),
        ("x: !other 1", CheckpointError, "!other"),
        ("x: 1\ny: 2\nx: 3", CheckpointError, "'x' is there twice"),
        ("x: [" + "1," * 60_000 + "1]", UnsafeFileError, "more than 50000 values"),
        ("x: " + "[" * 500 + "1," * 40_000 + "]" * 500, CheckpointError, "yaml"),
        ("x: \x00", CheckpointError, "special characters"),
    ],
    ids=range(10),
)
def test_yaml_has_plain_values_only(tmp_path, text, error, complaint):
    (tmp_path / "project.yaml").write_text(text)
    with pytest.raises(error, match=complaint) as caught:
        read_yaml(tmp_path / "project.yaml")
    assert "project.yaml" in str(caught.value) and len(str(caught.value)) < 1000


def test_days_and_marks_at_the_beginning_of_yaml_are_text(tmp_path):
    (tmp_path / "project.yaml").write_text("\ufeffday: 2020-11-09\nimpossible: 2020-99-99\n", encoding="utf-8")
    assert read_yaml(tmp_path / "project.yaml") == {"day": "2020-11-09", "impossible": "2020-99-99"}


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": ' + "1" * 100_000 + "}", '{"a": -Infinity}', "\ud800"])
def test_json_is_strict(text):
    with pytest.raises(ValueError):
        parse_json(text.encode("utf-8", "surrogatepass"))


def test_a_config_of_megabytes_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"x": [' + "{}," * 1_000_000 + "{}]}")
    with pytest.raises(CheckpointError, match="at most"):
        VQGAN.from_pretrained(tmp_path)


def test_cards_that_share_their_parts_are_not_spelled_out(tmp_path):
    lines = ["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60))]
    (tmp_path / "README.md").write_text("\n".join(["---", *lines, "license: [mit, *a59]", "---", ""]))
    safetensors_file(tmp_path / "a.safetensors", f'{{"a":{entry("[1]")}}}'.encode())
    with pytest.raises(CheckpointError, match="no checkpoint that can be loaded"):
        VQGAN.from_pretrained(tmp_path)
    assert provenance(tmp_path).licence == "mit"

"""Mutated files: whatever is done to one, there is a clean error or a model, soon, and without taking memory."""

from __future__ import annotations

import json
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from hostile_files import saved
from vqgan_transformer import VQGAN, VQGANConfig
from vqgan_transformer.checkpoints.safe_unpickle import read_checkpoint
from vqgan_transformer.checkpoints.safe_yaml import read_yaml
from vqgan_transformer.errors import CheckpointError
from vqgan_transformer.storage.weights import read_safetensors


def bounded(examples: int) -> settings:
    quiet = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=quiet)


# overwrite, insert, delete or repeat a stretch: (what, where in thousandths of the file, bytes)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "insert", "delete", "repeat", "cut"]),
        st.integers(0, 999),
        st.binary(min_size=1, max_size=12) | st.sampled_from([b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7]),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    for what, thousandths, given_bytes in mutations:
        at, length = len(data) * thousandths // 1000, len(given_bytes)
        middle = {
            "overwrite": given_bytes + data[at + length :],
            "insert": given_bytes + data[at:],
            "delete": data[at + length :],
            "repeat": data[at : at + 40] * length + data[at:],
            "cut": b"",
        }[what]
        data = data[:at] + middle
    return data


REFERENCES = b"a: ${model.target}\nb: [\"${a}/${.1}\", 1, '${c}']\nc: {d: 2}\n"


def read_all(path) -> None:
    """Reads headers and tensors as loading does."""
    if path.suffix == ".yaml":
        read_yaml(path)
    elif path.suffix == ".safetensors":
        for tensor in list(read_safetensors(path).values()):
            tensor.read()
    elif path.suffix in (".msgpack", ".json"):
        VQGAN.from_pretrained(path)
    else:
        for tensor in read_checkpoint(path).tensors("state_dict").values():
            tensor.read()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Small honest files of every kind."""
    import msgpack
    import yaml
    from safetensors.torch import save

    weights = {"a.weight": torch.randn(4, 4), "b": torch.arange(5), "c.bias": torch.zeros(3, dtype=torch.float16)}
    content = {"state_dict": weights, "epoch": 3, "callbacks": {"x": [1, "a", 2.5, None, (1, 2)]}}
    array = msgpack.ExtType(1, msgpack.packb(((2, 2), "float32", bytes(16))))
    return {
        ".ckpt": saved(content),
        ".pt": saved(content, _use_new_zipfile_serialization=False),
        ".safetensors": save(weights),
        ".msgpack": msgpack.packb({"encoder": {"conv_in": {"kernel": array, "bias": array}}}),
        ".yaml": yaml.safe_dump(golden.case("taming_class_transformer")["config"]).encode() + REFERENCES,
        ".bin.index.json": json.dumps({"weight_map": {name: "mutated.bin" for name in weights}}).encode(),
    }


@pytest.mark.parametrize("ending", [".ckpt", ".pt", ".safetensors", ".msgpack", ".yaml", ".bin.index.json"])
@bounded(60)
@given(mutations=MUTATIONS)
def test_mutated_files_are_clean_errors_or_read(originals, tmp_path, ending, mutations):
    path = tmp_path / f"mutated{ending}"
    path.write_bytes(mutated(originals[ending], mutations))
    before = time.process_time()
    try:
        read_all(path)
    except CheckpointError as error:
        assert "mutated" in str(error)
    assert time.process_time() - before < 10


SIZES = st.sampled_from([0, 1, -1, 2, 31, 33, 10**6, 2**31, 2**63, 1.5, "32", None, True, [], {}])


@bounded(12)
@given(fields=st.dictionaries(st.sampled_from(list(VQGANConfig.__dataclass_fields__)), SIZES, min_size=1, max_size=3))
def test_mutated_configs_are_clean_errors_or_fit(tmp_path, fields):
    path = tmp_path / "model" / "config.json"
    if not path.exists():
        config = VQGANConfig(
            channels=32, channel_multipliers=(1,), num_res_blocks=1, attention_levels=(), latent_channels=8,
            codebook_size=16, code_dim=8,
        )  # fmt: skip
        VQGAN(config).save_pretrained(tmp_path / "model")
        (tmp_path / "honest").write_text(path.read_text())
    path.write_text(json.dumps(json.loads((tmp_path / "honest").read_text()) | fields))
    try:
        VQGAN.from_pretrained(tmp_path / "model")
    except CheckpointError as error:
        assert "model" in str(error)


@bounded(12)
@given(
    name=st.sampled_from(["diffusers_attention", "maskgit_vqgan", "llamagen_gpt", "llamagen_vqgan", "chameleon_vqvae"]),
    dropped=st.sets(st.integers(0, 400), max_size=4),
    shapes=st.dictionaries(st.integers(0, 400), st.lists(st.integers(0, 3), max_size=5), max_size=3),
)
def test_missing_and_misshapen_tensors_are_clean_errors(tmp_path, name, dropped, shapes):
    from safetensors.torch import save_file

    weights = {key: torch.zeros(1).expand(tensor.shape) for key, tensor in foreign.state_dict(name).items()}
    keys = list(weights)
    for number, shape in shapes.items():
        weights[keys[number % len(keys)]] = torch.zeros(shape)
    for number in dropped:
        weights.pop(keys[number % len(keys)], None)
    path = tmp_path / "file.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in weights.items()}, path)
    for look in (VQGAN.from_pretrained, VQGAN.inspect):
        try:
            look(path)
        except CheckpointError as error:
            assert str(tmp_path) in str(error)


PARTS = st.sampled_from(
    ["state_dict", "model", "ema", "module", "params", "encoder", "conv_in", "weight", "model_ema", "x.y", ""]
)
CONTENTS = st.recursive(
    st.sampled_from([0, None, "text", torch.ones(1), torch.ones(2, 3), [torch.ones(1)]]),
    lambda inner: st.dictionaries(PARTS, inner, max_size=4),
    max_leaves=12,
)


@bounded(60)
@given(content=st.dictionaries(PARTS, CONTENTS, max_size=4), weights=st.sampled_from([None, "ema", "raw"]))
def test_weights_wrapped_in_anything_are_found_or_refused(tmp_path, content, weights):
    path = tmp_path / "file.ckpt"
    torch.save(content, path)
    for look in (VQGAN.from_pretrained, VQGAN.inspect):
        try:
            look(path, weights=weights)
        except CheckpointError as error:
            assert str(path) in str(error)


@bounded(80)
@given(data=st.binary(max_size=64) | st.sampled_from([b"PK\x03\x04", b"GGUF", b"\x80\x02}.", b"\x89HDF\r\n", b"{}", b"%PDF"]),
       name=st.sampled_from(["a.ckpt", "a.safetensors", "flax_model.msgpack", "model.safetensors.index.json", "a", "a.zip"]))  # fmt: skip
def test_any_bytes_under_any_name_are_clean_errors(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    for look in (VQGAN.from_pretrained, VQGAN.inspect):
        with pytest.raises(CheckpointError, match=name):
            look(path)

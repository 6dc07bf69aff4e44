"""Checkpoints from strangers: nothing in them runs, and what is honest in them is read."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import _tensor, _utils

import golden_checkpoints as golden
from hostile_files import (
    CONTAINERS,
    SIX,
    Call,
    Persistent,
    payloads,
    program,
    tensor_call,
    write,
    zip_with_pickle,
)
from vqgan_transformer import VQGAN
from vqgan_transformer.checkpoints import pickle_machine, safe_unpickle
from vqgan_transformer.checkpoints.pickle_machine import Global, StandIn
from vqgan_transformer.checkpoints.safe_unpickle import LEGACY_MAGIC, read_checkpoint, read_state_dict
from vqgan_transformer.errors import CheckpointError, UnsafeFileError


@pytest.fixture
def alarm(tmp_path):
    """The file that all payloads write to. It must not exist in the end."""
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists(), "a payload ran"


PAYLOAD_NAMES = sorted(payloads(Path("nowhere")))


def test_the_payloads_of_these_tests_do_run_in_pythons_own_unpickler(tmp_path):
    for name in ("os.system", "eval", "exec", "open", "pathlib", "nested pickle"):
        trace = tmp_path / name.replace(" ", "_")
        pickle.loads(pickle.dumps(payloads(trace)[name]))
        assert trace.exists(), name


@CONTAINERS
@pytest.mark.parametrize("name", PAYLOAD_NAMES)
def test_nothing_runs_wherever_it_stands(tmp_path, alarm, name, zipped):
    payload = payloads(alarm)[name]
    content = {
        "state_dict": OrderedDict(weight=torch.arange(6.0).view(2, 3)),
        "callbacks": {"early": payload, ("a", 1): [payload]},
        "hyper_parameters": payload,
        "optimizer_states": [{"state": {0: payload}}],
    }
    checkpoint = read_checkpoint(write(tmp_path / "last.ckpt", content, zipped))
    assert torch.equal(checkpoint.tensors("state_dict")["weight"].read(), torch.arange(6.0).view(2, 3))
    assert isinstance(checkpoint.content["hyper_parameters"], StandIn)


@CONTAINERS
@pytest.mark.parametrize("name", PAYLOAD_NAMES)
def test_nothing_runs_in_place_of_the_whole_or_of_a_weight(tmp_path, alarm, name, zipped):
    payload = payloads(alarm)[name]
    with pytest.raises(CheckpointError, match="holds no weights"):
        read_state_dict(write(tmp_path / "whole.ckpt", payload, zipped))
    with pytest.raises(CheckpointError, match="not an ordinary tensor"):
        read_state_dict(write(tmp_path / "weight.ckpt", {"state_dict": {"weight": payload}}, zipped))
    with pytest.raises(CheckpointError):
        VQGAN.from_pretrained(tmp_path / "whole.ckpt")


@pytest.mark.parametrize("position", range(5))
def test_nothing_runs_in_the_header_of_the_legacy_stream(tmp_path, alarm, position):
    payload = payloads(alarm)["exec"]
    parts: list[object] = [LEGACY_MAGIC, 1001, {"little_endian": True}, {"state_dict": {}}, []]
    parts[position] = payload
    (tmp_path / "last.ckpt").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    with pytest.raises(CheckpointError):
        read_state_dict(tmp_path / "last.ckpt")


def test_hand_made_files_are_read_like_torchs_own(tmp_path):
    path = zip_with_pickle(tmp_path / "ok.pt", program({"weight": tensor_call(offset=1, size=(2,), stride=(3,))}), SIX)
    assert read_state_dict(path)["weight"].tolist() == [1.0, 4.0]


@pytest.mark.parametrize("name", PAYLOAD_NAMES)
def test_nothing_runs_inside_a_tensor_or_its_memory(tmp_path, alarm, name):
    payload = payloads(alarm)[name]
    attacks = {
        "as size": tensor_call(size=payload),
        "as offset": tensor_call(offset=payload),
        "as hooks": Call(_utils._rebuild_tensor_v2, Persistent("storage", torch.FloatStorage, "0", "cpu", 6), 0,
                         (2, 3), (3, 1), False, payload, payload),
        "as storage": tensor_call(storage=payload),
        "as persistent id": tensor_call(storage=Persistent(payload)),
        "as storage type": tensor_call(storage=Persistent("storage", payload, "0", "cpu", 6)),
        "as key": tensor_call(storage=Persistent("storage", torch.FloatStorage, payload, "cpu", 6)),
        "as subclass": Call(_tensor._rebuild_from_type_v2, exec, payload, ("1  # payload",), {}),
        "as subclass state": Call(_tensor._rebuild_from_type_v2, _utils._rebuild_tensor_v2, payload,
                                  (Persistent("storage", torch.FloatStorage, "0", "cpu", 6), 0, (2, 3), (3, 1), False, {}),
                                  payload),
        "as parameter": Call(_utils._rebuild_parameter, payload, True, OrderedDict()),
    }  # fmt: skip
    for where, attack in attacks.items():
        path = zip_with_pickle(tmp_path / f"{where}.pt", program({"weight": attack}), SIX)
        try:
            found = read_state_dict(path)["weight"]
        except CheckpointError:
            continue
        assert where in ("as hooks", "as subclass state")
        assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_state_that_is_set_on_names_and_containers_changes_nothing(tmp_path, alarm):
    """BUILD on a global would, in Python, set attributes of the function that rebuilds tensors."""
    hostile = b"ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__cos\nsystem\nsb0"
    body = program({"weight": tensor_call()})
    path = zip_with_pickle(tmp_path / "build.pt", b"\x80\x02" + hostile + body[2:], SIX)
    assert read_state_dict(path)["weight"].shape == (2, 3)


@pytest.mark.parametrize(
    ("instruction", "data"),
    [
        ("INST", b"(S'payload'\nios\nsystem\n."),
        ("INST", b"(ios\nsystem\n."),
        ("OBJ", b"(cos\nsystem\nX\x07\x00\x00\x00payloado."),
        ("EXT1", b"\x80\x02\x82\x01."),
        ("EXT4", b"\x80\x02\x84\x01\x00\x00\x00."),
        ("PERSID", b"\x80\x02Ppayload\n."),
        ("NEXT_BUFFER", b"\x80\x05\x97."),
    ],
)
def test_instructions_that_reach_into_python_are_refused(tmp_path, alarm, instruction, data):
    path = zip_with_pickle(tmp_path / "bad.pt", data)
    with pytest.raises(UnsafeFileError, match="instruction"):
        read_checkpoint(path)
    del instruction


def test_the_machine_never_looks_a_name_up(tmp_path, alarm):
    """Protocol 4 spells names out on the stack, with dots for attributes of attributes."""
    data = pickle.dumps({"callbacks": Call(exec, "1  # payload"), "class": OrderedDict, "method": Path.touch}, 4)
    content = read_checkpoint(zip_with_pickle(tmp_path / "names.pt", data)).content
    assert content["class"] == Global("collections", "OrderedDict")
    assert isinstance(content["method"], Global | StandIn)


@CONTAINERS
def test_tensors_of_every_kind_are_read_as_they_were(tmp_path, zipped):
    base = torch.randn(4, 6)
    weights = OrderedDict(
        {
            str(dtype): torch.arange(5).to(dtype)
            for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.uint8)
        },
        whole=torch.arange(3),
        truth=torch.tensor([True, False]),
        parameter=torch.nn.Parameter(torch.randn(2)),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 3),
        view=base[1:, ::2],
        transposed=base.T,
        base=base,
    )
    found = read_state_dict(write(tmp_path / "x.pt", {"state_dict": weights}, zipped))
    assert found.keys() == weights.keys()
    for name, tensor in weights.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
        assert found[name].untyped_storage().nbytes() == found[name].nbytes  # memory of its own, and no more


@CONTAINERS
def test_lightnings_checkpoints_need_no_lightning(tmp_path, zipped):
    path = tmp_path / "last.ckpt"
    golden.save_as_lightning(path, {"weight": torch.ones(3)}, _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(path)
    assert checkpoint.tensors("state_dict")["weight"].read().tolist() == [1, 1, 1]
    [callback] = checkpoint.content["callbacks"]
    assert callback == Global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    assert checkpoint.content["optimizer_states"][0]["param_groups"] == [{"lr": 4.5e-6, "betas": (0.5, 0.9)}]


@CONTAINERS
def test_tensors_that_nobody_asks_for_are_not_read(tmp_path, zipped, monkeypatch):
    content = {"state_dict": {"weight": torch.ones(3)}, "optimizer_states": [torch.zeros(1000, 1000)]}
    path = write(tmp_path / "last.ckpt", content, zipped)
    asked = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda count, **options: asked.append(count) or empty(count, **options))
    assert read_state_dict(path)["weight"].tolist() == [1, 1, 1]
    assert asked == [12]


def test_the_reader_has_no_ordinary_unpickler_in_it():
    for module in (pickle_machine, safe_unpickle):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        for word in (
            "pickle.load",
            "Unpickler",
            "torch.load",
            "eval(",
            "exec(",
            "import_module",
            "__import__",
            "find_class",
        ):
            assert word not in source

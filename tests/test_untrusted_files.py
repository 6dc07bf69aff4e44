"""Files from strangers: nothing in them runs, and damage or absurd sizes are errors that name the file."""

from __future__ import annotations

import io
import json
import os
import pickle
import pickletools
import struct
import tarfile
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import golden_checkpoints as golden
import pytest
import torch

from vqgan_transformer import VQGAN, VQGANConfig
from vqgan_transformer.errors import CheckpointError, UnsafeFileError
from vqgan_transformer.hub.pickle_machine import Global, StandIn
from vqgan_transformer.hub.safe_unpickle import LEGACY_MAGIC, read_checkpoint, read_state_dict
from vqgan_transformer.hub.safe_yaml import read_yaml

CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy stream"])


@pytest.fixture
def alarm(tmp_path):
    """The file that all payloads write to. It must not exist in the end."""
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists(), "a payload ran"


class Call:
    """Pickles as a call: ``Call(f, *arguments)`` stands for ``f(*arguments)`` once unpickled in the ordinary way."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def payloads(trace: Path) -> dict[str, object]:
    touch = f"open({str(trace)!r}, 'w')  # payload"
    return {
        "os.system": Call(os.system, f'echo payload > "{trace}"'),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "open": Call(open, str(trace), "w"),
        "pathlib": Call(Path.touch, trace),
        "load_from_bytes": Call(torch.storage._load_from_bytes, saved(Call(exec, touch))),
        "nested pickle": Call(pickle.loads, pickle.dumps(Call(exec, touch))),
        "partial": Call(__import__("functools").partial, exec, touch),
    }


def saved(value: object, **options) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def write(path: Path, value: object, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


PAYLOAD_NAMES = sorted(payloads(Path("nowhere")))


# -- the payloads are real: with Python's own unpickler they would run ------------------------------------------------


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


def zip_with_pickle(path: Path, program: bytes, storages: dict[str, bytes] | None = None, **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


class Pickler(pickle.Pickler):
    """Writes ``Persistent(x)`` as the persistent id x."""

    def persistent_id(self, obj):
        return obj.reference if isinstance(obj, Persistent) else None


class Persistent:
    def __init__(self, *reference):
        self.reference = reference


def program(value: object) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def tensor_call(storage=None, offset=0, size=(2, 3), stride=(3, 1), function=torch._utils._rebuild_tensor_v2, more=()):
    storage = storage or Persistent("storage", torch.FloatStorage, "0", "cpu", 6)
    return Call(function, storage, offset, size, stride, False, OrderedDict(), *more)


SIX = {"0": struct.pack("<6f", *range(6))}


def test_hand_made_files_are_read_like_torchs_own(tmp_path):
    path = zip_with_pickle(tmp_path / "ok.pt", program({"weight": tensor_call(offset=1, size=(2,), stride=(3,))}), SIX)
    assert read_state_dict(path)["weight"].tolist() == [1.0, 4.0]


@pytest.mark.parametrize("name", PAYLOAD_NAMES)
def test_nothing_runs_inside_a_tensor_or_its_memory(tmp_path, alarm, name):
    payload = payloads(alarm)[name]
    attacks = {
        "as size": tensor_call(size=payload),
        "as offset": tensor_call(offset=payload),
        "as hooks": Call(torch._utils._rebuild_tensor_v2, Persistent("storage", torch.FloatStorage, "0", "cpu", 6), 0,
                         (2, 3), (3, 1), False, payload, payload),
        "as storage": tensor_call(storage=payload),
        "as persistent id": tensor_call(storage=Persistent(payload)),
        "as storage type": tensor_call(storage=Persistent("storage", payload, "0", "cpu", 6)),
        "as key": tensor_call(storage=Persistent("storage", torch.FloatStorage, payload, "cpu", 6)),
        "as subclass": Call(torch._tensor._rebuild_from_type_v2, exec, payload, ("1  # payload",), {}),
        "as subclass state": Call(torch._tensor._rebuild_from_type_v2, torch._utils._rebuild_tensor_v2, payload,
                                  (Persistent("storage", torch.FloatStorage, "0", "cpu", 6), 0, (2, 3), (3, 1), False, {}),
                                  payload),
        "as parameter": Call(torch._utils._rebuild_parameter, payload, True, OrderedDict()),
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


# -- what honest files hold ------------------------------------------------------------------------------------------


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


# -- damage and absurd sizes -----------------------------------------------------------------------------------------


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
            assert "damaged.ckpt" in str(error)  # noqa: PT017


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


def bomb(body: bytes) -> bytes:
    return b"\x80\x04" + body + b"."


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
    with pytest.raises(CheckpointError, match="none that torch.save wrote"):
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


def test_the_reader_has_no_ordinary_unpickler_in_it():
    from vqgan_transformer.hub import pickle_machine, safe_unpickle

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
    assert {code.name for code in pickletools.opcodes} >= {"GLOBAL", "REDUCE"}


# -- safetensors and json --------------------------------------------------------------------------------------------


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


# -- yaml ------------------------------------------------------------------------------------------------------------


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
def test_yaml_is_data_within_bounds(tmp_path, alarm, text, error):
    (tmp_path / "project.yaml").write_text(text)
    before = time.process_time()
    with pytest.raises(error, match=r"project\.yaml"):
        read_yaml(tmp_path / "project.yaml")
    assert time.process_time() - before < 20


def test_honest_aliases_are_fine(tmp_path):
    (tmp_path / "project.yaml").write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert read_yaml(tmp_path / "project.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}

"""Small pickles that would take hours or gigabytes if what they say were done: read or refused within seconds."""

from __future__ import annotations

import pickle
import resource
import struct
import time
import zipfile
from pathlib import Path

import pytest

from hostile_files import bomb, laughs, legacy_with_keys, text, zip_with_pickle
from vqgan_transformer import VQGAN
from vqgan_transformer.checkpoints.pickle_machine import StandIn
from vqgan_transformer.checkpoints.safe_unpickle import read_checkpoint
from vqgan_transformer.errors import CheckpointError, UnsafeFileError

MILLION = 1_000_000


def put(number: int) -> bytes:
    return b"r" + struct.pack("<I", number)


def get(number: int) -> bytes:
    return b"j" + struct.pack("<I", number)


def number(value: int) -> bytes:
    data = value.to_bytes(12, "little", signed=True)
    return b"\x8a\x0c" + data


def name(module: str, function: str) -> bytes:
    return text(module) + text(function) + b"\x93"


LIST = b"]" + put(0) + b"(" + b"N" * MILLION + b"e0"  # remembered as number 0
CALLS = {
    "a list copied by torch.Size": LIST + name("torch", "Size") + put(1) + b"0" + get(0) + b"\x85" + put(2) + b"0",
    "a dictionary copied by OrderedDict": b"}" + put(0) + b"(" + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(300_000)) + b"u0"
    + name("collections", "OrderedDict") + put(1) + b"0" + get(0) + b"\x85" + put(2) + b"0",
    "a list as sizes of tensors": LIST + name("torch._utils", "_rebuild_tensor") + put(1) + b"0"
    + b"N" + b"K\x00" + get(0) + get(0) + b"(NK\x00" + get(0) + get(0) + b"t" + put(2) + b"0",
    "arguments without end": b"(" + b"N" * MILLION + b"t" + put(2) + b"0" + name("torch._utils", "_rebuild_parameter") + put(1) + b"0",
}  # fmt: skip
BOMBS = {
    **{what: setup + (get(1) + get(2) + b"R0") * 20_000 + b"N" for what, setup in CALLS.items()},
    "a name of a megabyte, spelled out again and again": text("a" * MILLION) + text("b") + b"\x93" + put(0)
    + b")" + put(1) + (get(0) + get(1) + b"R") * 10_000,
    "a name of a million dots": name("torch" + "." * MILLION, "FloatStorage"),
    "a long tuple as a key": b"(" + b"K\x01" * 200_000 + b"t" + put(0) + b"0}" + (get(0) + b"Ns") * 5000,
    "a nest of tuples as a key": laughs(60, b")", b"(*t") + b"}" + get(60) + b"Ns",
    "long strings that are equal as keys": text("a" * MILLION) + put(0) + b"0" + text("a" * MILLION) + put(1) + b"0}"
    + (get(0) + b"Ns" + get(1) + b"Ns") * 100_000,
    "numbers of one hash as keys": b"}(" + b"".join(number(n * (2**61 - 1)) + b"N" for n in range(1, 100_000)) + b"u",
    "sets": b"(" + b"\x8f\x94" * 900_000 + b"t",
    "an exact number of instructions": b"]\x94" * 990_000,
}  # fmt: skip


@pytest.mark.parametrize("what", BOMBS)
def test_what_is_said_once_is_not_done_a_thousand_times(tmp_path, what):
    path = zip_with_pickle(tmp_path / "bomb.ckpt", bomb(BOMBS[what]))
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"bomb\.ckpt") as caught:
        VQGAN.from_pretrained(path)
    assert len(str(caught.value)) < 1000
    assert time.process_time() - before < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 700_000


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(laughs(60, b"]", b"](*e", first=5) + b"](" + get(65) + b"e", id="a nest that shares its parts"),
        pytest.param(b"]" * 300_001 + b"a" * 300_000, id="a deep nest"),
        pytest.param(b"](" + text("k" * 1000) + b"e", id="a long name"),
        pytest.param(b"](K\x01K\x01e", id="one key twice"),
        pytest.param(b"](" + b"\x8a\xff" + b"\x7f" * 255 + b"e", id="a huge number"),
    ],
)
def test_the_legacy_list_of_storages_is_not_spelled_out(tmp_path, keys):
    before = time.process_time()
    with pytest.raises(CheckpointError, match=r"old\.ckpt"):
        read_checkpoint(legacy_with_keys(tmp_path / "old.ckpt", keys))
    assert time.process_time() - before < 10


def test_the_headers_of_the_legacy_stream_are_short(tmp_path):
    (tmp_path / "old.ckpt").write_bytes(bomb(b"]" * 100_000))
    with pytest.raises(UnsafeFileError, match="more than 1000"):
        read_checkpoint(tmp_path / "old.ckpt")


def test_sets_and_keys_of_other_kinds_are_kept_as_what_they_are_called(tmp_path):
    value = {("a", 1): 1, 2.5: 2, b"x": 3, 2**70: 4, "plain": {1, 2}, 7: frozenset()}
    content = read_checkpoint(zip_with_pickle(tmp_path / "keys.pt", pickle.dumps(value, 4))).content
    assert {key for key in content if not isinstance(key, StandIn)} == {"plain", 7}
    assert sorted(key.of for key in content if isinstance(key, StandIn)) == ["bytes", "float", "int", "tuple"]
    assert isinstance(content["plain"], StandIn)


def archive(path: Path, entries: int, extra: bytes = b"") -> Path:
    """A zip archive with a directory of many entries for a single member."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", bomb(b"N"))
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[start : start + 30] + struct.pack("<H", len(extra)) + data[start + 32 : end] + extra
    names = [f"{number:016d}".encode() for number in range(entries)]
    directory = data[start:end] + b"".join(entry.replace(b"archive/data.pkl", name) for name in names)
    record = data[end : end + 12] + struct.pack("<II", len(directory), start) + bytes(2)
    path.write_bytes(data[:start] + directory + record)
    return path


@pytest.mark.parametrize(
    ("entries", "extra"),
    [
        pytest.param(250, bytes.fromhex("ffff0000") * 16_000, id="entries with thousands of additions"),
        pytest.param(240_000, b"", id="entries by the hundred thousand"),
        pytest.param(400_000, b"", id="a directory out of proportion"),
    ],
)
def test_directories_of_archives_are_read_once(tmp_path, entries, extra):
    path = archive(tmp_path / "bomb.ckpt", entries, extra)
    before = time.process_time()
    with pytest.raises(CheckpointError, match=r"bomb\.ckpt"):
        VQGAN.from_pretrained(path)
    assert time.process_time() - before < 10


def test_archives_of_more_than_four_gigabytes_are_found_by_their_64_bit_numbers(tmp_path):
    path = tmp_path / "large.pt"
    with zipfile.ZipFile(path, "w") as file, file.open("archive/data.pkl", "w", force_zip64=True) as member:
        member.write(bomb(b"K\x07"))
    assert read_checkpoint(path).content == 7
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    length = len(bomb(b"K\x07"))
    extra = struct.pack("<HHQQQ", 1, 24, length, length, 0)  # both lengths and the place, as beyond four gigabytes
    full = b"\xff" * 4
    entry = data[start : start + 20] + full * 2 + data[start + 28 : start + 30] + struct.pack("<H", len(extra))
    entry += data[start + 32 : start + 42] + full + b"archive/data.pkl" + extra
    large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(entry), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(entry), 1)
    record = data[end : end + 8] + b"\xff\xff" * 2 + full * 2 + bytes(2)
    path.write_bytes(data[:start] + entry + large + locator + record)
    assert read_checkpoint(path).content == 7


@pytest.mark.parametrize(
    "names", [[b"model", b"state_dict", b"params", b"ema"], [b"a", b"b", b"c", b"d"]], ids=["wrappers", "a tree"]
)
def test_dictionaries_that_share_their_parts_are_counted(tmp_path, names):
    def level(below: int) -> bytes:
        return b"}(" + b"".join(text(name.decode()) + get(below) for name in names) + b"u" + put(below + 1) + b"0"

    body = b"}" + put(0) + b"0" + b"".join(map(level, range(60))) + get(60)
    path = zip_with_pickle(tmp_path / "nest.ckpt", bomb(body))
    before = time.process_time()
    with pytest.raises(UnsafeFileError, match=r"nest\.ckpt has dictionaries with more than"):
        VQGAN.from_pretrained(path)
    assert time.process_time() - before < 10

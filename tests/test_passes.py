"""Sums that do not depend on the order, and passes over pictures that go on where they were stopped."""

from __future__ import annotations

import pytest
import torch

from vqgan_transformer.evaluation.passes import chunks_of, go_through
from vqgan_transformer.evaluation.tally import ExactSum, Tally


def terms() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    sizes = 10.0 ** torch.randint(-8, 9, (400, 5), generator=generator)
    return torch.randn(400, 5, dtype=torch.float64, generator=generator) * sizes


def summed(rows: torch.Tensor) -> ExactSum:
    total = ExactSum(rows[0])
    for row in rows[1:]:
        total.add(row)
    return total


def test_a_sum_is_the_same_in_every_order_and_split():
    rows, shuffled = terms(), terms()[torch.randperm(400, generator=torch.Generator().manual_seed(1))]
    assert not torch.equal(rows.cumsum(0)[-1], shuffled.cumsum(0)[-1])  # as plain sums do not
    split = summed(shuffled[300:])
    split.merge(summed(shuffled[:300]))
    assert torch.equal(summed(rows).value, summed(shuffled).value)
    assert torch.equal(summed(rows).value, split.value)


def test_what_is_small_is_not_lost_beside_what_is_large():
    total = summed(torch.tensor([[1e16], [1.0], [1.0], [-1e16]], dtype=torch.float64))
    assert total.value.item() == 2


def test_a_tally_is_written_and_read_as_it_is(tmp_path):
    tally = Tally()
    tally.add("sum", torch.tensor([1e16, 3.0]))
    tally.add("sum", torch.tensor([1.0, 0.5]))
    tally.keep("psnr", 5, 30.0)
    tally.keep("psnr", 2, 20.0)
    tally.save(tmp_path / "tally.npz", {"done": torch.arange(3).numpy()})
    read, extra = Tally.load(tmp_path / "tally.npz")
    assert torch.equal(read.sums["sum"].low, tally.sums["sum"].low)
    assert read.kept("psnr").tolist() == [20, 30] and extra["done"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["tally.npz"]


def counting(chunks: list, stop_at: int | None = None):
    def measure(indices: range) -> Tally:
        if indices.start == stop_at:
            raise RuntimeError("the machine went down")
        chunks.append(indices)
        tally = Tally()
        tally.add("sum", torch.tensor(float(sum(indices))))
        return tally

    return measure


def test_chunks_cover_everything_once():
    assert [list(chunk) for chunk in chunks_of(5, 2)] == [[0, 1], [2, 3], [4]]


def test_a_pass_that_was_stopped_measures_only_what_is_left(tmp_path):
    options = {"title": "sums", "identity": "these", "folder": tmp_path, "save_every": 0.0, "progress": False}
    before: list[range] = []
    with pytest.raises(RuntimeError, match="went down"):
        go_through(10, 2, counting(before, stop_at=6), **options)
    after: list[range] = []
    tally = go_through(10, 2, counting(after), **options)
    assert (before, after) == ([range(0, 2), range(2, 4), range(4, 6)], [range(6, 8), range(8, 10)])
    assert tally.total("sum") == sum(range(10))
    again: list[range] = []
    assert go_through(10, 2, counting(again), **options).total("sum") == 45 and not again


def test_what_was_merged_but_not_yet_deleted_is_not_counted_twice(tmp_path):
    options = {"title": "sums", "identity": "these", "folder": tmp_path, "save_every": 0.0, "progress": False}
    with pytest.raises(RuntimeError):
        go_through(10, 2, counting([], stop_at=4), **options)
    [part] = tmp_path.iterdir()
    part.rename(tmp_path / "sums-1.npz")  # of a second process
    stale = (tmp_path / "sums-1.npz").read_bytes()
    with pytest.raises(RuntimeError):
        go_through(10, 2, counting([], stop_at=6), **options)  # merges it into the first one's, deletes it
    (tmp_path / "sums-1.npz").write_bytes(stale)  # as if it had been stopped before deleting
    assert go_through(10, 2, counting([]), **options).total("sum") == 45
    assert [path.name for path in tmp_path.iterdir()] == ["sums-0.npz"]


def test_what_was_measured_of_something_else_is_refused(tmp_path):
    go_through(4, 2, counting([]), title="sums", identity="these", folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="other pictures, models or settings"):
        go_through(4, 2, counting([]), title="sums", identity="those", folder=tmp_path, progress=False)

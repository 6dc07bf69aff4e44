"""The geometry of the sliding window, by enumeration."""

from __future__ import annotations

from itertools import chain

import pytest

from vqgan_transformer.sampler.schedule import wavefront, window_origin

SIZES = [(4, 4), (4, 9), (9, 4), (7, 11), (13, 5)]
WINDOW = (4, 4)


def original_origin(index: int, length: int, window: int) -> int:
    """The original's rule, written as it states it: by the place inside the window."""
    half = window // 2
    if index <= half:
        inside = index
    elif length - index < half:
        inside = window - (length - index)
    else:
        inside = half
    return index - inside


@pytest.mark.parametrize("length", [16, 17, 24, 31, 64])
def test_windows_are_the_originals(length):
    assert [window_origin(i, length, 16) for i in range(length)] == [
        original_origin(i, length, 16) for i in range(length)
    ]


def test_scene_models_put_a_place_in_row_and_column_seven():
    # max(0, i - 7), held back by the lower border, as the original's scene script has it
    assert [window_origin(i, 24, 16, centre=7) for i in (0, 7, 8, 14, 15, 16, 23)] == [0, 0, 1, 7, 8, 8, 8]


@pytest.mark.parametrize("centre", [None, (1, 1), (3, 0)])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_a_window_lies_in_the_grid_and_holds_its_place(size, stride, centre):
    for place in chain.from_iterable(wavefront(size, WINDOW, stride, centre)):
        assert 0 <= place.top <= place.row < place.top + WINDOW[0] <= size[0]
        assert 0 <= place.left <= place.col < place.left + WINDOW[1] <= size[1]


def test_a_stride_keeps_the_window_for_a_block_of_places():
    def origins(stride):
        return {place.window for places in wavefront((12, 12), WINDOW, stride) for place in places}

    assert len(origins(stride=2)) == 6 * 6
    assert len(origins(stride=1)) == 9 * 9


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_the_wavefront_draws_every_place_once(size, stride):
    drawn = [place for places in wavefront(size, WINDOW, stride) for place in places]
    assert sorted((p.row, p.col) for p in drawn) == [(row, col) for row in range(size[0]) for col in range(size[1])]


@pytest.mark.parametrize("centre", [None, (1, 1), (3, 0)])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_what_a_window_shows_of_the_past_is_drawn_before(size, stride, centre):
    done: set[tuple[int, int]] = set()
    for places in wavefront(size, WINDOW, stride, centre):
        for place in places:
            inside = [
                (row, col)
                for row in range(place.top, place.top + WINDOW[0])
                for col in range(place.left, place.left + WINDOW[1])
            ]
            assert set(inside[: place.prefix(WINDOW[1])]) <= done
        done |= {(place.row, place.col) for place in places}


@pytest.mark.parametrize(("size", "steps"), [((64, 64), 1072), ((128, 64), 2096), ((64, 128), 1136), ((16, 16), 256)])
def test_the_wavefront_takes_sixteen_steps_a_row(size, steps):
    assert sum(1 for _ in wavefront(size, (16, 16))) == steps

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.imagery import (
    RESOLUTIONS_PX,
    mini_batch_bytes,
    mini_batches,
    pixels_of,
    result_bytes,
    task_mini_batches,
    tile_bytes,
    tiles_per_image,
)

# Counted by hand: ceil(width / 224) x ceil(height / 224), as the design prints them.
TILES_224 = {"240p": 4, "480p": 12, "720p": 24, "1080p": 45, "2K": 50, "4K": 180, "8K": 700, "16K": 2691}


def test_tiles_of_the_named_resolutions():
    assert {name: tiles_per_image(name, 224) for name in RESOLUTIONS_PX} == TILES_224


@settings(deadline=None)
@given(width=st.integers(1, 60), height=st.integers(1, 60), tile_px=st.integers(1, 25))
def test_tiles_cover_every_pixel_once(width, height, tile_px):
    tiles_met = {(x // tile_px, y // tile_px) for x in range(width) for y in range(height)}
    assert tiles_per_image((width, height), tile_px) == len(tiles_met)


@given(n_tiles=st.integers(0, 10_000), batch_size=st.integers(1, 300))
def test_mini_batches_hold_all_tiles_and_only_the_last_is_padded(n_tiles, batch_size):
    n_batches = mini_batches(n_tiles, batch_size)
    assert 0 <= n_batches * batch_size - n_tiles < batch_size


def test_task_of_the_paper():
    assert 300 * tiles_per_image("1080p", 224) == 13_500
    assert task_mini_batches(300, "1080p", 224, 64) == 211  # 13,500 / 64 = 210.9
    assert task_mini_batches(300, [1920, 1080], 224, 64) == 211


def test_bytes():
    assert tile_bytes(224, 3) == 150_528
    assert mini_batch_bytes(64, 224, 3) == 64 * 150_528
    assert result_bytes(64) == 256


def test_name_is_found_whatever_its_case():
    assert pixels_of("4k") == pixels_of("4K") == (3840, 2160)


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        ("1080", "did you mean '1080p'"),
        ("huge", "expected one of 240p, 480p"),
        ((1920,), "expected [width, height]"),
        ((1920, 0), "expected [width, height]"),
        ((1920.5, 1080), "expected [width, height]"),
        ((True, 1080), "expected [width, height]"),
    ],
)
def test_bad_resolution_is_explained(resolution, expected):
    with pytest.raises(InputError) as caught:
        pixels_of(resolution)
    assert expected in str(caught.value)


def test_counts_below_one_are_refused():
    with pytest.raises(ValueError, match="tile_px"):
        tiles_per_image("4K", 0)
    with pytest.raises(ValueError, match="batch_size"):
        mini_batches(10, 0)

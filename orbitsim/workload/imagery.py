"""Images to tiles to mini-batches, and their bytes: pure arithmetic.

An image is cut into square tiles of the model's input size, partial tiles at the right and lower edge padded to full
ones. Tiles are gathered into mini-batches of equal size; the last one is padded, so every mini-batch costs the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from orbitsim.errors import InputError, Problem

# Width and height in pixels. 1080p: ITU-R BT.709; 4K and 8K: UHDTV, ITU-R BT.2020; 2K: the container of DCI Digital
# Cinema System Specification 1.4, section 4.3; 720p: SMPTE ST 296; 16K doubles 8K. 240p and 480p at 16:9 have no
# standard: the nearest even width is used.
RESOLUTIONS_PX: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "240p": (426, 240),
        "480p": (854, 480),
        "720p": (1280, 720),
        "1080p": (1920, 1080),
        "2K": (2048, 1080),
        "4K": (3840, 2160),
        "8K": (7680, 4320),
        "16K": (15360, 8640),
    }
)

RESULT_BYTES_PER_TILE = 4  # a 32-bit class number, or one 32-bit score, a tile


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def pixels_of(resolution: str | tuple[int, int]) -> tuple[int, int]:
    """Return the width and height of an image.

    Parameters
    ----------
    resolution : str or (int, int)
        A name of `RESOLUTIONS_PX` (case does not matter), or width and height themselves. [px]

    Returns
    -------
    (int, int)
        Width and height. [px]

    Raises
    ------
    InputError
        For an unknown name, or a width or height that is not a positive whole number.
    """
    if isinstance(resolution, str):
        by_lower = {name.lower(): size for name, size in RESOLUTIONS_PX.items()}
        if resolution.lower() in by_lower:
            return by_lower[resolution.lower()]
        close = difflib.get_close_matches(resolution.lower(), list(by_lower), n=1)
        canonical = next((name for name in RESOLUTIONS_PX if close and name.lower() == close[0]), None)
        hint = f"; did you mean {canonical!r}?" if canonical else ""
        names = ", ".join(RESOLUTIONS_PX)
        raise InputError(Problem("", f"expected one of {names}, or [width, height]; got {resolution!r}{hint}"))
    if len(resolution) != 2 or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in resolution):
        raise InputError(Problem("", f"expected [width, height] in whole pixels, at least 1; got {resolution!r}"))
    return resolution[0], resolution[1]


def tiles_per_image(resolution: str | tuple[int, int], tile_px: int) -> int:
    """Return the number of square tiles of side `tile_px` [px] that cover one image; partial tiles count whole."""
    if tile_px < 1:
        raise ValueError(f"tile_px must be at least 1, got {tile_px}")
    width, height = pixels_of(resolution)
    return _ceil_div(width, tile_px) * _ceil_div(height, tile_px)


def mini_batches(n_tiles: int, batch_size: int) -> int:
    """Return the number of mini-batches that hold `n_tiles` tiles; the last one is padded."""
    if n_tiles < 0 or batch_size < 1:
        raise ValueError(f"expected n_tiles >= 0 and batch_size >= 1, got {n_tiles} and {batch_size}")
    return _ceil_div(n_tiles, batch_size)


def task_mini_batches(n_images: int, resolution: str | tuple[int, int], tile_px: int, batch_size: int) -> int:
    """Return the mini-batches of a task of `n_images` images; one mini-batch may hold tiles of several images."""
    return mini_batches(n_images * tiles_per_image(resolution, tile_px), batch_size)


def tile_bytes(tile_px: int, bytes_per_pixel: float) -> float:
    """Return the size of one raw tile of side `tile_px` [px], where `bytes_per_pixel` covers all channels [B]."""
    return tile_px * tile_px * bytes_per_pixel


def mini_batch_bytes(batch_size: int, tile_px: int, bytes_per_pixel: float) -> float:
    """Return the size of one mini-batch of raw tiles; a padded one is sent whole [B]."""
    return batch_size * tile_bytes(tile_px, bytes_per_pixel)


def result_bytes(n_tiles: int) -> int:
    """Return the size of the results of `n_tiles` tiles: `RESULT_BYTES_PER_TILE` each [B]."""
    return RESULT_BYTES_PER_TILE * n_tiles

"""Arrays on disk, which may have been cut short or damaged since: read whole, or one error that names the file."""

from __future__ import annotations

import struct
import tokenize
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InputError, Problem

# What numpy and the modules it reads with let through from the bytes of a damaged file; an EOFError that is not caught
# would end the command as an interrupt does.
_DAMAGE = (
    OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, MemoryError,
    BadZipFile, struct.error, tokenize.TokenError, zlib.error,
)  # fmt: skip


class DamagedFileError(InputError):
    """A file that does not hold the arrays that it should.

    Parameters
    ----------
    path : Path
        The file.
    reason : str
        What is wrong with it.
    advice : str
        What to do.
    """

    def __init__(self, path: Path, reason: str, advice: str = "remove it") -> None:
        self.path, self.reason = path, reason
        super().__init__(Problem("", f"damaged: {reason}; {advice}", str(path)))


def read_npz(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of a file of several.

    Raises
    ------
    DamagedFileError
        When it cannot be read, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in names}
    except _DAMAGE as fault:
        raise DamagedFileError(path, f"its arrays cannot be read ({_words(fault)})") from fault


def read_npy(path: Path, shape: tuple[int | None, ...], mode: Literal["r", "r+"] | None = "r") -> NDArray[Any]:
    """Return the array of a file, mapped into memory unless the mode is None.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int or None
        That it must have; None for any length.
    mode : str or None
        Of `numpy.load`.

    Raises
    ------
    DamagedFileError
        When it cannot be read, or is of another shape.
    """
    try:
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
        fits = found.ndim == len(shape) and all(want in (None, n) for n, want in zip(found.shape, shape, strict=True))
    except _DAMAGE as fault:
        raise DamagedFileError(path, f"its array cannot be read ({_words(fault)})") from fault
    if not fits:
        raise DamagedFileError(path, f"its array has shape {found.shape}")
    return found  # type: ignore[no-any-return]


def _words(fault: BaseException) -> str:
    return " ".join(str(getattr(fault, "strerror", None) or fault).split())[:200] or type(fault).__name__

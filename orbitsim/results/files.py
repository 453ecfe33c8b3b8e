"""Single result files: written under a temporary name, and moved to their own only when complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orbitsim.errors import InputError, OutputError, Problem


def check_file(path: Path, *, force: bool) -> None:
    """Refuse a file that exists and may not be replaced, and whatever is no file.

    Raises
    ------
    InputError
        If the file must not be written.
    OutputError
        If it cannot be looked at.
    """
    try:
        if path.is_dir():
            raise InputError(Problem("--out", "expected a file, found a folder", str(path)))
        if (path.exists() or path.is_symlink()) and not force:
            raise InputError(Problem("--out", "exists already; give --force to replace it", str(path)))
    except OSError as error:
        raise OutputError(f"{path}: cannot be looked at: {error.strerror or error}") from error


@contextmanager
def whole_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a name to write to; what is written there gets the name `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Final name.
    force : bool
        Replace an existing file.

    Raises
    ------
    InputError
        If the file exists and must not be replaced.
    OutputError
        If it cannot be written; whatever existed before is unchanged.
    """
    path = path.absolute()
    check_file(path, force=force)
    work: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
        work = Path(name)
        yield work
        check_file(path, force=force)  # again: it may have appeared meanwhile
        work.chmod(0o666 & ~_umask())
        work.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(path, error)}") from error
    finally:
        if work is not None:
            with suppress(OSError):
                work.unlink(missing_ok=True)


def reason(path: Path, error: OSError) -> str:
    """Return in words why a file or folder cannot be written; a file among the folders above it is named."""
    for above in path.parents:
        try:
            if above.is_file():
                return f"{above} is a file, not a folder"
        except OSError:
            break
    return error.strerror or str(error)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

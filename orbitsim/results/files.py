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


def check_place(folder: Path, key: str, name: str = "") -> None:
    """Refuse a folder that nothing can be written in, before the work whose results it shall take.

    What is missing of the folder is made for a moment, and so is a file in it: permissions alone tell too little.

    Parameters
    ----------
    folder : Path
        Where files shall be; it need not exist.
    key : str
        Option that names it.
    name : str
        Of the file that shall be written there, if there is one.

    Raises
    ------
    InputError
        Naming the option and what stands in the way.
    """
    folder = folder.absolute()
    missing: list[Path] = []
    try:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        os.close(handle)
        Path(made).unlink()
    except OSError as error:
        message = f"expected a place that can be written: {reason(folder / name if name else folder / '_', error)}"
        raise InputError(Problem(key, message, str(folder / name))) from error
    finally:
        for place in missing:
            with suppress(OSError):
                place.rmdir()


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

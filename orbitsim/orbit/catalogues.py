"""Real satellites: shells from TLE and OMM files.

A shell read from a file counts as one plane; its slots follow the argument of latitude at the scenario's epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sgp4.api import SGP4_ERRORS
from sgp4.conveniences import jday_datetime

from orbitsim.errors import InputError, Problem, PropagationError
from orbitsim.orbit.constellation import Shell
from orbitsim.orbit.elements import Element
from orbitsim.orbit.omm import parse_omm
from orbitsim.orbit.tle import parse_tle


def read_tle(path: str | Path, shell_name: str, *, epoch_utc: datetime) -> Shell:
    """Read a file of two-line element sets, with or without a name line before each.

    Parameters
    ----------
    path : str or Path
        The file. Blank lines and lines that start with ``#`` are skipped; a name line may start with ``0 ``.
    shell_name : str
        Name of the shell.
    epoch_utc : datetime
        The scenario's epoch, at which the satellites are ordered along the orbit.

    Returns
    -------
    Shell
        The satellites, in the order of the file, each with the epoch of its own elements.

    Raises
    ------
    InputError
        If the file cannot be read or holds a malformed line; lists every bad line.
    PropagationError
        If SGP4 fails for a satellite at the scenario's epoch.
    """
    problems: list[Problem] = []
    elements = parse_tle(_read_text(path), problems)
    return _shell("tle", path, shell_name, elements, problems, epoch_utc)


def read_omm(path: str | Path, shell_name: str, *, epoch_utc: datetime) -> Shell:
    """Read a file of orbit mean-elements messages in CSV, JSON or XML; the content decides which.

    Parameters
    ----------
    path : str or Path
        The file.
    shell_name : str
        Name of the shell.
    epoch_utc : datetime
        The scenario's epoch, at which the satellites are ordered along the orbit.

    Returns
    -------
    Shell
        The satellites, in the order of the file, each with the epoch of its own elements.

    Raises
    ------
    InputError
        If the file cannot be read or a message is malformed; lists every bad message.
    PropagationError
        If SGP4 fails for a satellite at the scenario's epoch.
    """
    problems: list[Problem] = []
    elements = parse_omm(_read_text(path), problems)
    return _shell("omm", path, shell_name, elements, problems, epoch_utc)


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(Problem("", f"expected a readable file of element sets: {reason}", str(path))) from error


def _shell(
    kind: str, path: str | Path, name: str, elements: list[Element], problems: list[Problem], epoch_utc: datetime
) -> Shell:
    if not elements and not problems:
        problems.append(Problem("", "expected at least one element set, found none"))
    repeats = Counter(element.name or element.number for element in elements)
    names = []
    for element in elements:
        label = element.name or element.number
        names.append(f"{label} {element.number}" if repeats[label] > 1 and element.name else label)
    for label, count in Counter(names).items():
        if count > 1:
            places = ", ".join(e.place for e, own in zip(elements, names, strict=True) if own == label)
            problems.append(Problem("", f"expected each satellite once, found {label!r} in {places}"))
    if problems:
        raise InputError(problems).located(path)
    satrecs = tuple(element.satrec for element in elements)
    latitude = arguments_of_latitude_rad(satrecs, names, epoch_utc)
    slot = np.empty(len(names), dtype=np.int64)
    slot[np.argsort(latitude, kind="stable")] = np.arange(len(names))
    return Shell(name, kind, tuple(names), satrecs, 1, np.zeros(len(names), dtype=np.int64), slot)


def arguments_of_latitude_rad(satrecs: Iterable[Any], names: Iterable[str], epoch_utc: datetime) -> NDArray[np.float64]:
    """Angle of each satellite from its ascending node, along its orbit, at one moment.

    Parameters
    ----------
    satrecs : iterable of sgp4.api.Satrec
        Element sets.
    names : iterable of str
        Their names, for the error.
    epoch_utc : datetime
        The moment.

    Returns
    -------
    (n,) ndarray
        Argument of latitude in [0, 2 pi). [rad]

    Raises
    ------
    PropagationError
        If SGP4 fails for a satellite; names it, the time and SGP4's reason.
    """
    julian_day, fraction = jday_datetime(epoch_utc)
    angles = []
    failures = []
    for satrec, name in zip(satrecs, names, strict=True):
        error, r, v = satrec.sgp4(julian_day, fraction)
        if error:
            reason = SGP4_ERRORS.get(error, f"error {error}")
            failures.append(f"satellite {name!r}: SGP4 fails at {epoch_utc:%Y-%m-%dT%H:%M:%SZ}: {reason}")
            continue
        position, normal = np.array(r), np.cross(r, v)
        # In an equatorial orbit the node is undefined; the x axis stands in for it.
        node = np.array([-normal[1], normal[0], 0.0]) if np.hypot(normal[0], normal[1]) > 0.0 else np.array([1.0, 0, 0])
        ahead = np.cross(normal / np.linalg.norm(normal), node)
        angles.append(np.arctan2(position @ ahead, position @ node) % (2.0 * np.pi))
    if failures:
        raise PropagationError("\n".join(failures))
    return np.array(angles)

"""The table of layers that trtexec prints with ``--dumpProfile``, in the column orders of TensorRT 8.2 to 10."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from orbitsim.workload.importers.base import Source, Timing

_HEADER_OLD = re.compile(r"^\s*Layer\s+Time \(ms\)\s+Avg\. Time \(ms\)(\s+Median Time \(ms\))?\s+Time %$")
_HEADER_NEW = re.compile(r"^\s*Time\(ms\)\s+Avg\.\(ms\)(\s+Median\(ms\))?\s+Time\(%\)\s+Layer$")
_NUMBER = re.compile(r"[0-9]{1,15}\.[0-9]{1,9}$")


@dataclass(frozen=True)
class LayerTable:
    """Layers in the order of execution.

    Attributes
    ----------
    parts : tuple of Timing
        One for each layer; layers that never ran are not printed.
    n_iterations : int
        Executions that were profiled.
    total_s : float
        Time of all layers in all iterations, as printed. [s]
    """

    parts: tuple[Timing, ...]
    n_iterations: int
    total_s: float


def read_layer_table(source: Source, lines: Sequence[str], start: int, n_iterations: int) -> tuple[LayerTable, int]:
    """Read a table up to its row ``Total``.

    Parameters
    ----------
    source : Source
        File that it stands in, for errors.
    lines : sequence of str
        All lines of the file, without time stamps.
    start : int
        Index of the line after the heading.
    n_iterations : int
        As the heading says.

    Returns
    -------
    LayerTable
        Its content.
    int
        Index of the line after the table.

    Raises
    ------
    InputError
        With the line of a row that cannot be read, or of a total that the rows do not come to.
    """
    header = lines[start] if start < len(lines) else ""
    old, new = _HEADER_OLD.match(header), _HEADER_NEW.match(header)
    if not (old or new) or not 0 < n_iterations < 2**53:
        raise source.fault(
            "expected the header of trtexec's table of layers, after 1 or more iterations", line=start + 1
        )
    has_median = bool((old or new)[1])  # type: ignore[index]
    n_figures = 4 if has_median else 3
    parts: list[Timing] = []
    sums = [0.0, 0.0]
    for at in range(start + 1, len(lines)):
        cells = lines[at].rsplit(None, n_figures) if old else lines[at].split(None, n_figures)
        name, figures = (cells[0].strip(), cells[1:]) if old and cells else ("".join(cells[-1:]).strip(), cells[:-1])
        if len(figures) != n_figures or not all(_NUMBER.match(figure) for figure in figures):
            raise source.fault(_complaint(lines[at]), line=at + 1)
        total, mean, *rest = map(float, figures)
        median = rest[0] if has_median else None
        if name == "Total":
            _check(source, sums, (total, mean), len(parts), at + 1)
            return LayerTable(tuple(parts), n_iterations, total / 1000.0), at + 1
        if abs(mean * n_iterations - total) > 0.5e-4 * n_iterations + 0.0051:
            message = (
                f"average x {n_iterations} iterations is {mean * n_iterations:.6g} ms, but the row says {total:.6g} ms"
            )
            raise source.fault(message, line=at + 1)
        sums = [sums[0] + total, sums[1] + mean]
        p50_s = None if median is None else median / 1000.0
        parts.append(Timing(name, mean / 1000.0, p50_s=p50_s, n_samples=n_iterations))
    raise source.fault("the table of layers has no row 'Total': the log was cut short", line=len(lines))


def _check(source: Source, sums: Sequence[float], totals: Sequence[float], n_layers: int, line: int) -> None:
    for found, stated, digit in zip(sums, totals, (1e-2, 1e-4), strict=True):
        if not math.isclose(found, stated, rel_tol=1e-5, abs_tol=0.5 * digit * (n_layers + 1) + 1e-9):
            raise source.fault(f"the layers come to {found:.6g} ms, but Total says {stated:.6g} ms", line=line)
    if totals[1] <= 0:
        raise source.fault("no layer took any time", line=line)


def _complaint(line: str) -> str:
    if re.search(r"\d,\d+\s", f"{line} "):
        return f"expected numbers with a decimal point, found '{line.strip()[-60:]}' (made in another locale?)"
    return f"expected a layer and its times, or 'Total', found '{line.strip()[:60]}'"

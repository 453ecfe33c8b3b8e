"""Write the leave-one-out tables into docs/cost-model.md, from the traces that ship.

Usage: ``python docs/tabulate_errors.py``. The same rows on the command line: ``orbitsim trace fit --leave-one-out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from orbitsim.workload.fit_report import LeftOut, leave_one_out
from orbitsim.workload.traces import shipped_profiles

PAGE = Path(__file__).with_name("cost-model.md")
BEGIN, END = "<!-- leave-one-out: begin -->\n", "<!-- leave-one-out: end -->\n"


def main() -> None:
    """Rewrite the page between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{tables()}{END}{after}", encoding="utf-8")


def tables() -> str:
    """Return all tables as Markdown."""
    rows = leave_one_out(shipped_profiles())
    chosen = {name: [row for row in rows if row.question == name] for name in ("model", "batch", "whole-model")}
    modes = [row for row in rows if row.question == "power-mode"]
    parts = [
        "### Another model on the same device\n",
        _table("fitted on", chosen["model"], lambda row: row.known),
        "### Another power mode of the same board\n",
        _modes(modes),
        "### Another batch size of the same model\n",
        _table("fitted on", chosen["batch"], lambda row: f"{row.known}{'' if row.between else ' (beyond)'}"),
        "### Whole models on desktop GPUs\n",
        _table("fitted on", chosen["whole-model"], lambda row: row.known),
    ]
    return "\n" + "\n".join(parts) + "\n"


def _table(heading: str, rows: Sequence[LeftOut], known: Callable[[LeftOut], str]) -> str:
    with_catalogue = any(row.catalogue_error is not None for row in rows)
    head = ["device", "left out", heading, "timed", "fitted", "proportional"] + ["catalogue"] * with_catalogue
    lines = [
        [
            f"{row.device} {row.power_mode} {row.precision}",
            f"{row.model}, batch {row.batch_size}",
            known(row),
            f"{row.timed_s:.4g} s",
            _percent(row.fitted_error),
            _percent(row.proportional_error),
        ]
        + [_percent(row.catalogue_error)] * with_catalogue
        for row in rows
    ]
    medians = ["median, without sign", "", "", "", *_medians(rows, with_catalogue=with_catalogue)]
    return _markdown(head, [*lines, medians], left=3)


def _modes(rows: Sequence[LeftOut]) -> str:
    """One line for each pair of modes and precision; every cell holds the fit, and the simpler rule in brackets."""
    models = list(dict.fromkeys(row.model for row in rows))
    pairs = dict.fromkeys((row.device, row.precision, row.known, row.power_mode) for row in rows)
    lines = []
    for device, precision, known, mode in pairs:
        cells = []
        for model in models:
            found = [
                row
                for row in rows
                if (row.device, row.precision, row.known, row.power_mode, row.model)
                == (device, precision, known, mode, model)
            ]
            cells.append(
                ", ".join(f"{_percent(row.fitted_error)} ({_percent(row.proportional_error)})" for row in found)
            )
        lines.append([f"{device} {precision}", known, mode, *cells])
    fitted, simple = _medians(rows, with_catalogue=False)
    return (
        _markdown(["device", "fitted in", "left out", *models], lines, left=3)
        + f"\nMedian without sign: {fitted} ({simple} in proportion to the peaks).\n"
    )


def _medians(rows: Iterable[LeftOut], *, with_catalogue: bool) -> list[str]:
    found = [[row.fitted_error for row in rows], [row.proportional_error for row in rows]]
    if with_catalogue:
        found.append([row.catalogue_error for row in rows if row.catalogue_error is not None])
    return [f"{np.median(np.abs(errors)):.1%}" for errors in found]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]], *, left: int) -> str:
    rule = ["---" if column < left else "---:" for column in range(len(head))]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


if __name__ == "__main__":
    main()

"""The page of several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from orbitsim.report.blocks import Section, Table
from orbitsim.report.charts.delay_parts import Group, delay_parts
from orbitsim.report.charts.distributions import Series, cumulative, histogram
from orbitsim.report.charts.headline import headline
from orbitsim.report.charts.means import means
from orbitsim.report.charts.provenance import citation_list, flattened
from orbitsim.report.data import RunData
from orbitsim.report.page import Page
from orbitsim.report.palette import sequence_name
from orbitsim.report.wording import in_html, listed

_MOST_SERIES = 12  # groups of tasks in a figure, at best
_DASHES = ("solid", "dash", "dashdot", "dot")


def comparison_page(runs: Sequence[RunData]) -> Page:
    """Return the page of several runs."""
    labels = run_labels(runs)
    series = [
        Series(
            f"{label}: {scheme}",
            run.of_scheme("tasks", scheme),
            sequence_name(index),
            _DASHES[index % len(_DASHES)],
            scheme,
            label,
        )
        for index, (label, run) in enumerate(zip(labels, runs, strict=True))
        for scheme in run.schemes
    ]
    drawn = series[:_MOST_SERIES]
    left = "" if len(series) == len(drawn) else f" The first {len(drawn)} of {len(series)} are drawn."
    sections = [
        Section(
            "schemes",
            "Schemes",
            "",
            [
                headline([(label, run.summary) for label, run in zip(labels, runs, strict=True)]),
                _cannot(labels, runs),
                *([means(labels, runs)] if series else []),
            ],
        )
    ]
    if series:
        sections += [
            Section("delay", "Where the delay goes", left, [delay_parts(_by_run(drawn))]),
            Section(
                "distributions",
                "Distributions",
                f"A colour for each run.{left}",
                [cumulative(drawn), histogram(drawn)],
            ),
        ]
    sections += [
        Section("differences", "What differs", "Keys of the resolved scenarios that are not the same.",
        [differences(labels, runs)]),
        Section("provenance", "Provenance", "", [_provenance(labels, runs), _cite(runs)]),
    ]  # fmt: skip
    return Page("Comparison", " and ".join([", ".join(labels[:-1]),
    labels[-1]]) if len(labels) < 4 else f"{len(labels)} runs",
                f"{len(runs)} runs: {listed(labels, 8)}", sections)  # fmt: skip


def _by_run(series: Sequence[Series]) -> list[tuple[str, list[Group]]]:
    found: dict[str, list[Group]] = {}
    for one in series:
        found.setdefault(one.line, []).append((one.panel, one.tasks))
    return list(found.items())


def run_labels(runs: Sequence[RunData]) -> list[str]:
    """Return a name for each run: its scenario's, with the folder where two have the same."""
    names = [run.name for run in runs]
    labels = [
        f"{name} ({run.folder.name})" if names.count(name) > 1 else name for name, run in zip(names, runs, strict=True)
    ]
    return [f"{label} {i + 1}" if labels.count(label) > 1 else label for i, label in enumerate(labels)]


def differences(labels: Sequence[str], runs: Sequence[RunData]) -> Table:
    """Return the keys of which the runs' scenarios have different values."""
    values = [dict(flattened(run.scenario.model_dump(mode="json"))) for run in runs]
    keys = dict.fromkeys(key for one in values for key in one)
    rows = [
        [key, *(one.get(key, "-") for one in values)] for key in keys if len({one.get(key, "-") for one in values}) > 1
    ]
    columns = ["key", *labels]
    return Table("Keys that differ", columns, rows, frozenset(range(len(columns))), "scenario.json of each run")


def _cannot(labels: Sequence[str], runs: Sequence[RunData]) -> str:
    lines = [
        f"<li><strong>{in_html(label)}: {in_html(scheme)}</strong> cannot run: {in_html(item.get('reason'))}</li>"
        for label, run in zip(labels, runs, strict=True)
        for scheme, item in run.summary["schemes"].items()
        if item["status"] != "ok"
    ]
    lines += [
        f"<li>{in_html(label)}: {in_html(note)}</li>"
        for label, run in zip(labels, runs, strict=True)
        for note in (*run.warnings, *run.summary["notes"])
    ]
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""


def _provenance(labels: Sequence[str], runs: Sequence[RunData]) -> Table:
    rows = [
        [
            label,
            str(run.summary["provenance"].get("version", "-")),
            str(run.summary["provenance"].get("created_utc", "-")),
            str(run.summary["provenance"].get("seed", "-")),
            " ".join(map(str, run.summary["provenance"].get("command", []))),
        ]
        for label, run in zip(labels, runs, strict=True)
    ]
    columns = ["run", "version", "made [UTC]", "seed", "command"]
    return Table("Provenance", columns, rows, frozenset(range(5)), "summary.json of each run")


def _cite(runs: Sequence[RunData]) -> str:
    cited: dict[str, str] = {}
    for run in runs:
        cited |= {str(text): str(address or "") for text, address in run.summary["cite"].items()}
    return citation_list(cited)

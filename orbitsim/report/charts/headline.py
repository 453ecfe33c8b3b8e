"""The first things to know of a run: a table of its schemes, and a few figures in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orbitsim.report.blocks import Table
from orbitsim.report.charts.contacts import contact_share
from orbitsim.report.data import RunData
from orbitsim.report.wording import clock, duration, in_html
from orbitsim.results.wording import energy, seconds, share, size

COLUMNS = (
    "scheme", "tasks", "delivered", "undeliver\u00adable", "delay, mean", "median", "95 %", "max", "service, mean",
    "crosslinks", "downlink", "energy of computing", "compute times",
)  # fmt: skip
"""Headings; one of them may be broken where its soft hyphen stands."""


def headline(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Return the table of schemes; with several runs a row is named after both.

    Parameters
    ----------
    runs : sequence of (str, dict)
        Name of each run (empty for a single one), and its summary.
    """
    rows = []
    for name, summary in runs:
        for scheme, item in summary["schemes"].items():
            label = f"{name}: {scheme}" if name else scheme
            if item["status"] != "ok":
                rows.append([label, "infeasible", *["-"] * (len(COLUMNS) - 2)])
                continue
            delay = item["delay_s"]
            rows.append(
                [
                    label,
                    f"{item['tasks']:,}",
                    f"{item['delivered']:,}",
                    f"{item['undeliverable']:,}",
                    *(seconds(delay[key]) for key in ("mean", "p50", "p95", "max")),
                    seconds(item["service_s"]["mean"]),
                    size(item["isl_bytes"]),
                    size(item["downlink_bytes"]),
                    _energy(item, summary["compute"].get(scheme, {})),
                    _origin(summary["compute"].get(scheme, {})),
                ]
            )
    return Table(
        "Schemes: delays are those of delivered tasks",
        COLUMNS,
        rows,
        frozenset({len(COLUMNS) - 2, len(COLUMNS) - 1}),
        "summary.json",
    )


def _energy(item: Mapping[str, Any], compute: Mapping[str, Any]) -> str:
    if item["energy_j"] is None:
        return "unknown"
    origin = compute.get("energy_origin")
    return energy(item["energy_j"]) + (f" ({origin})" if origin else "")


def _origin(compute: Mapping[str, Any]) -> str:
    """Return the shares of measured, modelled and published compute time in words."""
    by_origin = compute.get("origin_s") or {}
    total_s = sum(by_origin.values())
    if not total_s:
        return "-"
    parts = [f"{share(value / total_s)} {name}" for name, value in by_origin.items() if value > 0.0]
    return parts[0].removeprefix("100% ") if len(parts) == 1 else ", ".join(parts)


def cards(run: RunData) -> str:
    """Return the figures that say most, as HTML."""
    ok = {name: item for name, item in run.summary["schemes"].items() if item["status"] == "ok"}
    found: list[tuple[str, str, str]] = []
    most = max((item["delivered"] for item in ok.values()), default=0)
    known = {name: item for name, item in ok.items() if item["delay_s"]["mean"] is not None}
    if known:
        best = min(known, key=lambda name: (known[name]["delay_s"]["mean"], name))
        found.append(("Lowest mean delay", duration(known[best]["delay_s"]["mean"]), best))
        quick = min(known, key=lambda name: (known[name]["service_s"]["mean"], name))
        found.append(("Lowest mean service time", duration(known[quick]["service_s"]["mean"]), quick))
    if ok:
        names = [name for name, item in ok.items() if item["delivered"] == most]
        n_tasks = max(item["tasks"] for item in ok.values())
        found.append(("Most tasks delivered", f"{most:,} of {n_tasks:,}", ", ".join(names)))
    if run.scenario.links.downlink.availability == "always":
        found.append(("Downlink", "open always", "an idealisation: no contacts are waited for"))
    else:
        for station, (part, first_s, n_passes) in list(contact_share(run).items())[:2]:
            when = "never" if first_s is None else f"first after {clock(first_s)} h, {n_passes:,} passes"
            found.append((f"Contact with {station}", f"{part:.1%} of the time", when))
    return '<div class="cards">' + "".join(
        f'<div class="fact"><span class="what">{in_html(what)}</span><strong>{in_html(value)}</strong>'
        f'<span class="of">{in_html(detail)}</span></div>'
        for what, value, detail in found
    ) + "</div>"  # fmt: skip


def infeasible(run: RunData) -> str:
    """Say as HTML which schemes could not run, and why; nothing where all could."""
    lines = [
        f"<li><strong>{in_html(name)}</strong> cannot run: {in_html(item.get('reason'))}</li>"
        for name, item in run.summary["schemes"].items()
        if item["status"] != "ok"
    ]
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""

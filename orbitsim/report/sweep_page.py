"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Mapping

from orbitsim.report.blocks import Figure, Section, Table
from orbitsim.report.charts.sweeps import sweep_axes, sweep_figures, sweep_table
from orbitsim.report.page import Page
from orbitsim.report.sweep_data import SweepData
from orbitsim.report.wording import in_html, listed, number
from orbitsim.results.wording import share

_NEAR = 0.01  # of the lowest delay: what is nearer decides nothing, as in script/sweep.js


def sweep_page(sweep: SweepData) -> Page:
    """Return the page of a sweep."""
    results = sweep.results
    n_cells = int(results["cell"].nunique())
    figures: list[Figure | Table | str] = [*sweep_figures(sweep)]
    nothing = '<div class="card note"><p>Nothing to draw: no axis has two values, or no scheme ran.</p></div>'
    sections = [
        Section("results", "Results", "", [_cards(sweep), *(figures or [nothing]), _failures(sweep)]),
        Section("cells", "Cells", "", [sweep_table(sweep)]),
        Section("axes", "Axes", "What was varied; the rest of the scenario is in base.json of the folder.",
        [_axes(sweep)]),
        Section("provenance", "Provenance", "", [_provenance(sweep), *_times(sweep)]),
    ]  # fmt: skip
    schemes = list(dict.fromkeys(results["scheme"].astype(str)))
    return Page(
        "Sweep",
        sweep.name,
        f"{n_cells:,} cells · {len(schemes)} schemes ({listed(schemes)}) · {len(sweep.axes)} keys varied",
        sections,
        f"Run by orbitsim {sweep.provenance['sweep'].get('version')}. Opens without a network.",
    )


def _cards(sweep: SweepData) -> str:
    results = sweep.results
    n_cells = int(results["cell"].nunique())
    ok = results[(results["status"] == "ok") & results["delay_mean_s"].notna()]
    least_s = ok.groupby("cell")["delay_mean_s"].transform("min")
    best = ok.loc[ok["delay_mean_s"] <= least_s * (1.0 + _NEAR), "scheme"].astype(str).value_counts(sort=False)
    wins = sorted(best.items(), key=lambda item: (-int(item[1]), str(item[0])))
    failed = int(results.loc[results["status"] == "error", "cell"].nunique())
    infeasible = int((results["status"] == "infeasible").sum())
    facts = [("Cells", f"{n_cells:,}", f"{failed:,} failed")]
    facts += [
        ("Within 1 % of the lowest mean delay", f"{count:,} of {n_cells:,} cells", str(scheme))
        for scheme, count in wins[:3]
    ]
    facts.append(("Infeasible", f"{infeasible:,}", "of all pairs of a cell and a scheme"))
    return '<div class="cards">' + "".join(
        f'<div class="fact"><span class="what">{in_html(what)}</span><strong>{in_html(value)}</strong>'
        f'<span class="of">{in_html(detail)}</span></div>'
        for what, value, detail in facts
    ) + "</div>"  # fmt: skip


def _failures(sweep: SweepData) -> str:
    """Return why cells failed and schemes had no plan, each reason once."""
    lines = [f"<li>{in_html(warning)}</li>" for warning in sweep.warnings]
    for status, column in (("error", "error"), ("infeasible", "reason")):
        rows = sweep.results[sweep.results["status"] == status]
        if column not in rows.columns:
            continue
        reasons: dict[tuple[str, str], list[str]] = {}
        for scheme, reason, cell in zip(rows["scheme"], rows[column], rows["cell"], strict=True):
            reasons.setdefault((str(scheme), str(reason)), []).append(str(cell))
        for (scheme, reason), cells in list(reasons.items())[:20]:
            where = listed(cells, 6)
            words = "failed" if status == "error" else "infeasible"
            lines.append(f"<li><strong>{in_html(scheme)}</strong> {words} in cells {where}: {in_html(reason)}</li>")
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""


def _axes(sweep: SweepData) -> Table:
    rows = [
        [
            ", ".join((axis.name, *axis.twins)),
            str(len(axis.values)),
            listed([number(v, 6) if axis.numeric else str(v) for v in axis.values], 12),
        ]
        for axis in sweep_axes(sweep)
    ]
    return Table(
        "Axes with more than one value",
        ["key (and those that change with it)", "values", "which"],
        rows,
        frozenset({2}),
        "results.parquet",
    )


def _provenance(sweep: SweepData) -> Table:
    rows = []
    for key, value in sweep.provenance.items():
        if key == "sweep":
            rows += [[str(name), str(item)] for name, item in value.items() if not isinstance(item, Mapping)]
        elif isinstance(value, Mapping):
            title = "SHA-256 of" if key == "inputs_sha256" else key
            rows += [[f"{title} {name}", str(item)] for name, item in value.items()]
        else:
            rows.append([key.replace("_", " "), " ".join(map(str, value)) if isinstance(value, list) else str(value)])
    return Table("Provenance", ["what", "value"], rows, frozenset({1}), "provenance.json")


def _times(sweep: SweepData) -> list[Table]:
    """Return what the cells took on the machine that ran them."""
    times = sweep.times
    needed = {"seconds", "made_s", "reused_s", "worker"}
    if times is None or not needed <= set(times.columns):
        return []
    made_s, reused_s = float(times["made_s"].sum()), float(times["reused_s"].sum())
    saved = share(reused_s / (made_s + reused_s)) if made_s + reused_s > 0.0 else "-"
    rows = [
        ["time of all cells, added up over processes [s]", number(float(times["seconds"].sum()))],
        ["processes", str(times["worker"].nunique())],
        ["shared stages that were computed [s]", number(made_s)],
        ["shared stages that were reused [s]", number(reused_s)],
        ["share of their time that reuse saved", saved],
    ]
    return [
        Table(
            "Times of the machine that ran the sweep (measured then)",
            ["what", "value"],
            rows,
            rest=f"{sweep.folder.name}",
        )
    ]

"""Delays: by scheme, their parts, and their distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from orbitsim.report.data import RunData
from orbitsim.report.figures.style import INK, MUTED, bare, logarithmic, new_figure, time_unit
from orbitsim.report.palette import COLORS, PARTS, scheme_style
from orbitsim.results.wording import seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = (("delay_s", "delay of a task"), ("service_s", "delay without contact wait"))
_LOG_FROM = 30.0  # ratio of the largest to the smallest value from which an axis is logarithmic


def _delivered(run: RunData, scheme: str, column: str) -> NDArray[np.float64]:
    rows = run.of_scheme("tasks", scheme)
    return rows.loc[rows["status"] == "delivered", column].to_numpy(dtype=np.float64)


def _counts(run: RunData, scheme: str) -> str:
    item = run.summary["schemes"][scheme]
    return f"{item['delivered']} of {item['tasks']}"


def delay_by_scheme(run: RunData) -> Figure | None:
    """Draw mean, median and spread of delay and service time of delivered tasks, scheme by scheme."""
    schemes = [scheme for scheme in run.schemes if len(_delivered(run, scheme, "delay_s"))]
    if not schemes:
        return None
    figure, panels = new_figure(1, 2, height_in=0.9 + 0.42 * len(schemes), sharey=True)
    for axes, (column, words) in zip(panels, _KINDS, strict=True):
        values = [_delivered(run, scheme, column) for scheme in schemes]
        unit_s, unit = time_unit(float(max(each.max() for each in values)))
        for row, (scheme, each) in enumerate(zip(schemes, values, strict=True)):
            color = scheme_style(scheme, row).color.light
            low, first, median, third, high = np.percentile(each, [5, 25, 50, 75, 95]) / unit_s
            axes.plot([low, high], [row, row], color=color, linewidth=1.2, solid_capstyle="butt")
            axes.plot([first, third], [row, row], color=color, linewidth=6.0, solid_capstyle="butt", alpha=0.45)
            axes.plot([median], [row], marker="|", color=color, markersize=12.0, markeredgewidth=2.0)
            axes.plot([each.mean() / unit_s], [row], marker="D", color=color, markeredgecolor=INK, markersize=5.0)
            axes.annotate(
                seconds(float(each.mean())), (each.mean() / unit_s, row), (0, 7), textcoords="offset points",
                ha="center", fontsize=7.0,
            )  # fmt: skip
        smallest, largest = min(each.min() for each in values), max(each.max() for each in values)
        if smallest > 0.0 and largest / smallest > _LOG_FROM:
            logarithmic(axes)
        else:
            axes.set_xlim(left=0.0)
        axes.set_xlabel(f"{words} [{unit}]")
        axes.set_ylim(len(schemes) - 0.5, -0.6)
        bare(axes)
    panels[0].set_yticks(range(len(schemes)), [f"{scheme}\n{_counts(run, scheme)} delivered" for scheme in schemes])
    panels[0].set_title(f"{run.name}: mean (diamond, labelled), median (bar), middle half, 5 to 95 %", fontsize=8.5)
    return figure


def delay_parts(run: RunData) -> Figure | None:
    """Draw where the delay of delivered tasks goes, on average; below without the wait for a contact."""
    schemes = [scheme for scheme in run.schemes if len(_delivered(run, scheme, "delay_s"))]
    if not schemes:
        return None
    means_s = {
        part: np.array([float(np.nanmean(_delivered(run, scheme, part))) for scheme in schemes]) for part in PARTS
    }
    shown = [part for part in PARTS if means_s[part].max() > 0.0]
    waits = "contact_wait_s" in shown
    figure, panels = new_figure(2 if waits else 1, 1, height_in=(1.3 if waits else 1.0) + 0.55 * len(schemes))
    for axes, parts in zip(panels, (shown, [part for part in shown if part != "contact_wait_s"]), strict=False):
        totals_s = sum((means_s[part] for part in parts), np.zeros(len(schemes)))
        unit_s, unit = time_unit(float(totals_s.max()))
        left = np.zeros(len(schemes))
        for part in parts:
            words, color = PARTS[part]
            width = means_s[part] / unit_s
            axes.barh(
                range(len(schemes)), width, left=left, height=0.62, color=COLORS[color].light, label=words,
                edgecolor="white", linewidth=0.4,
            )  # fmt: skip
            left += width
        for row, total_s in enumerate(totals_s):
            axes.annotate(
                seconds(float(total_s)), (left[row], row), (4, 0), textcoords="offset points", va="center", fontsize=7.5
            )
        axes.set_yticks(range(len(schemes)), schemes)
        axes.invert_yaxis()
        axes.set_xlim(0.0, 1.14 * float(left.max()))
        axes.set_xlabel(f"mean of delivered tasks [{unit}]" + ("" if "contact_wait_s" in parts or not waits else
                        ", without waiting for a contact"))  # fmt: skip
        bare(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, title=f"{run.name}: where the delay goes")
    return figure


def cumulative(run: RunData) -> Figure | None:
    """Draw the share of all tasks that are delivered within a delay; what is never delivered is never counted."""
    if not run.schemes:
        return None
    figure, panels = new_figure(1, 2, height_in=3.3, sharey=True)
    for axes, (column, words) in zip(panels, _KINDS, strict=True):
        found = {scheme: np.sort(_delivered(run, scheme, column)) for scheme in run.schemes}
        known = [values for values in found.values() if len(values)]
        if not known:
            return None
        smallest, largest = float(min(v[0] for v in known)), float(max(v[-1] for v in known))
        unit_s, unit = time_unit(largest)
        on_log = smallest > 0.0 and largest / smallest > _LOG_FROM
        for index, (scheme, values) in enumerate(found.items()):
            look = scheme_style(scheme, index)
            n_tasks = len(run.of_scheme("tasks", scheme))
            share_pct = 100.0 * np.arange(len(values) + 1) / max(1, n_tasks)
            first = smallest if on_log else 0.0
            edges_s = np.concatenate(([first], values, [largest * 1.02]))
            axes.step(
                edges_s / unit_s, np.append(share_pct, share_pct[-1]), where="post", color=look.color.light,
                linestyle=look.line, label=f"{scheme} ({_counts(run, scheme)})",
            )  # fmt: skip
        axes.set_xlabel(f"{words} [{unit}]")
        if on_log:
            logarithmic(axes)
        else:
            axes.set_xlim(left=0.0)
        axes.axhline(100.0, color=MUTED, linewidth=0.8, linestyle=":")
        axes.set_ylim(0.0, 104.0)
    panels[0].set_ylabel("share of all tasks delivered within it [%]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, title=f"{run.name} (delivered of all tasks)")
    return figure

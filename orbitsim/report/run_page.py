"""The page of one run."""

from __future__ import annotations

from orbitsim.report.blocks import Figure, Section, Table
from orbitsim.report.charts.contacts import contact_timeline
from orbitsim.report.charts.delay_parts import delay_parts
from orbitsim.report.charts.deliveries import delay_by_start, deliveries
from orbitsim.report.charts.distributions import Series, cumulative, histogram
from orbitsim.report.charts.gantt import GanttData, bars_of, without_batches
from orbitsim.report.charts.headline import cards, headline, infeasible
from orbitsim.report.charts.link_rates import link_rates
from orbitsim.report.charts.plans import plans
from orbitsim.report.charts.provenance import assumptions, basis, origin
from orbitsim.report.charts.utilisation import SlotCounter, utilisation
from orbitsim.report.charts.world_map import world_map
from orbitsim.report.data import RunData
from orbitsim.report.page import Page
from orbitsim.report.palette import scheme_style
from orbitsim.report.wording import number

Item = Figure | Table | str


def run_page(run: RunData) -> Page:
    """Return the page of a run."""
    scenario = run.scenario
    sections = [
        Section(
            "schemes", "Schemes", "", [cards(run), headline([("", run.summary)]), infeasible(run), *_deliveries(run)]
        ),
        Section(
            "space",
            "Space and contacts",
            "Where the satellites are, when the ground sees them, and what the links carry.",
            [world_map(run), contact_timeline(run), *link_rates(run)],
        ),
    ]
    if run.schemes:
        sections += [
            Section("delay", "Delay", "Where the time of a task goes, and how delays differ between tasks.",
            _delays(run)),
            Section("pipeline", "Pipeline", "What the processors and links do.", _pipeline(run)),
            Section("planning", "Plans", "Who computes which layers, and what is compressed.", [plans(run)]),
        ]  # fmt: skip
    sections += [basis(run), assumptions(run), origin(run)]
    work = run.summary["workload"]
    n_satellites = (
        run.tables["contacts"]["satellite"].cat.categories.size
        if hasattr(run.tables["contacts"]["satellite"], "cat")
        else 0
    )
    where = f"{n_satellites:,} satellites, {len(scenario.stations)} station{'s' if len(scenario.stations) != 1 else ''}"
    return Page(
        "Run",
        scenario.name,
        f"{number(run.span_s / 3600)} h from {scenario.clock.epoch_utc.day} {scenario.clock.epoch_utc:%B %Y %H:%M}"
        f" UTC · {where} ·"
        f" {work.get('model', scenario.workload.model)}, {scenario.workload.images_per_task} images of"
        f" {scenario.workload.resolution} a task, {scenario.n_slots} slots of {number(scenario.clock.slot_s)} s",
        sections,
        f"Run by orbitsim {run.summary['provenance'].get('version', 'of an unknown version')}. Opens without a"
        f" network.",
    )


def series_of(run: RunData) -> list[Series]:
    """Return the tasks of every scheme with its style."""
    found = []
    for index, scheme in enumerate(run.schemes):
        style = scheme_style(scheme, index)
        found.append(Series(scheme, run.of_scheme("tasks", scheme), style.name, style.dash))
    return found


def _deliveries(run: RunData) -> list[Item]:
    return [deliveries(run), delay_by_start(run)] if run.schemes else []


def _delays(run: RunData) -> list[Item]:
    series = series_of(run)
    return [delay_parts([("", [(one.label, one.tasks) for one in series])]), cumulative(series), histogram(series)]


def _pipeline(run: RunData) -> list[Item]:
    if not run.has_batches:
        return [without_batches(), utilisation(run, None)]
    gantt, counter = GanttData(run), SlotCounter(run.span_s, run.scenario.clock.slot_s)
    bars_of(run, (gantt, counter))
    return [gantt.figure(), utilisation(run, counter)]

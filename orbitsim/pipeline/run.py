"""The main job on one screen: geometry, links, work, schemes, simulation, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim import catalog
from orbitsim.errors import InfeasibleError
from orbitsim.pipeline import records
from orbitsim.pipeline.contact_table import contact_table
from orbitsim.pipeline.device_table import compute_summary, device_table
from orbitsim.pipeline.jobs import JobFactory
from orbitsim.pipeline.link_table import link_table
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.stages import Stages
from orbitsim.pipeline.work import Work, build_work
from orbitsim.plan.stages import ORIGINS
from orbitsim.results import metrics, store
from orbitsim.results.provenance import provenance
from orbitsim.scenario import Scenario
from orbitsim.shipped import shipped_path
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeRun
from orbitsim.workload.traces import find_traces

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
"""Told the name of the stage or scheme, what is done, and what there is to do."""


_MOST_LINK_ROWS = 1_000_000  # of the table of links: a large constellation uses thousands of them


def _silent(_name: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


@dataclass(eq=False)
class RunResult:
    """Everything that a run found.

    Attributes
    ----------
    scenario : Scenario
        The resolved scenario.
    summary : dict
        What `summary.json` holds, without provenance.
    tables : dict of str to DataFrame
        Tables by name; schemas in `orbitsim.types.tables`.
    notes : list of str
        What the user should know beside the figures.
    inputs : list of Path
        Files that the result depends on.
    """

    scenario: Scenario
    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    notes: list[str] = field(default_factory=list)
    inputs: list[Path] = field(default_factory=list)


def run_scenario(
    scenario: Scenario,
    *,
    schemes: Sequence[str] | None = None,
    progress: Progress = _silent,
    stages: Stages | None = None,
    world_tables: bool = True,
) -> RunResult:
    """Run a scenario: every scheme on the same world.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    schemes : sequence of str, optional
        Instead of the scenario's own.
    progress : callable
        Told how far the run is.
    stages : Stages, optional
        Geometry, links and costs that earlier runs have left for those after them.
    world_tables : bool
        Make the tables of contacts and links too, which are the same for all schemes.

    Returns
    -------
    RunResult
        A scheme that cannot run is reported in the summary with its reason; the others run.

    Raises
    ------
    InputError
        When something that the scenario names is missing or does not fit.
    """
    progress("geometry", 0, 1)
    space = Space(scenario, stages)
    links = LinkBook(space)
    work = build_work(scenario, stages)
    world = build_world(links)
    factory = JobFactory(scenario, work, links, world)
    starts = task_starts(space)
    frames: dict[str, list[pd.DataFrame]] = {"tasks": [], "batches": [], "plans": [], "resources": [], "devices": []}
    summaries: dict[str, Any] = {}
    compute: dict[str, Any] = {}
    notes: list[str] = []
    carried: set[tuple[int, int]] = set()
    for scheme in schemes or scenario.run.schemes:
        try:
            run = factory.engine.simulate(
                world,
                factory.job(scheme, starts),
                backlog=scenario.run.backlog,
                record=scenario.run.record == "batches",
                progress=lambda done, scheme=scheme: progress(scheme, done, len(starts)),  # type: ignore[misc]
            )
        except InfeasibleError as error:
            summaries[scheme] = metrics.infeasible_summary(str(error), None)
            continue
        finally:
            notes += factory.engine.take_notes(scheme)
        summaries[scheme] = _add_scheme(scheme, run, frames, factory, scenario)
        carried |= records.links_used(run)
        compute[scheme] = compute_summary(frames["devices"][-1])
    if scenario.links.isl.topology != "none" and space.n_satellites > 1 and not space.neighbours(space.sensor):
        notes.append(f"no crosslink of {scenario.workload.sensor} ever opens: it works alone")
    notes += [f"{name}: {caveat}" for name, costs in work.costs.items() for caveat in costs.caveats]
    if not starts:
        notes.append("no task started: the sensor sees no target in any slot")
    progress("tables", 0, 1)
    tables = {name: _joined(parts) for name, parts in frames.items() if parts}
    if "tasks" in tables:
        notes += metrics.slower_slots(tables["tasks"])
    if scenario.run.record != "batches":
        tables.pop("batches", None)
    if world_tables:
        tables["contacts"] = contact_table(space)
        used = sorted(carried)
        every = max(1, math.ceil(len(used) * len(links.step_starts_s) / _MOST_LINK_ROWS))
        if every > 1:
            notes.append(f"links.parquet holds one step of {every}, for {len(used)} links; `orbitsim links` has all")
        tables["links"] = link_table(links, used, every=every)
    summary = {"schemes": summaries, "compute": compute, **_assumptions(work)}
    return RunResult(scenario, summary, tables, notes, _inputs(scenario, work))


def task_starts(space: Space) -> list[tuple[int, float]]:
    """Return slot and start of each task: every slot, or those in which the sensor sees a target. [s]"""
    scenario = space.scenario
    slots = [(index, index * scenario.clock.slot_s) for index in range(scenario.n_slots)]
    if scenario.workload.trigger == "slot":
        return slots
    contacts = space.contacts
    seen = contacts.select((contacts.site >= len(space.stations)) & (contacts.satellite == space.sensor))
    slot_s = scenario.clock.slot_s
    return [(i, t) for i, t in slots if ((seen.start_s < t + slot_s) & (seen.end_s > t)).any()]


def build_world(links: LinkBook) -> World:
    """Return what all schemes meet alike."""
    space, scenario = links.space, links.space.scenario
    isl, down = scenario.links.isl, scenario.links.downlink
    hop_rate_bps, hop_propagation_s = links.typical_isl()
    return World(
        names=space.names,
        n_satellites=space.n_satellites,
        horizon_s=scenario.clock.duration_s,
        link=links.link,
        windows=() if down.availability == "always" else links.contact_windows(),
        n_hops=space.n_hops,
        path=space.path,
        reachable=space.reachable,
        hop_rate_bps=hop_rate_bps,
        hop_propagation_s=hop_propagation_s,
        changes_s=tuple(space.topology.changes_s.tolist()),
        half_duplex=isl.duplex == "half",
    )


def _add_scheme(
    scheme: str, run: SchemeRun, frames: dict[str, list[pd.DataFrame]], factory: JobFactory, scenario: Scenario
) -> dict[str, Any]:
    """Add a scheme's rows to the tables and return its summary."""
    tasks = records.task_table(scheme, run)
    frames["tasks"].append(tasks)
    frames["batches"].append(records.batch_table(scheme, run))
    frames["plans"].append(records.plan_table(scheme, run, factory.desk.node_names))
    span_s = scenario.clock.duration_s
    names = factory.world.names
    open_s = {
        f"{names[a]}>{names[b]}": float(schedule.curve.open_seconds(0.0, span_s))
        for (a, b), schedule in factory.links.used.items()
    }
    frames["resources"].append(records.resource_table(scheme, run, open_s, span_s))
    frames["devices"].append(device_table(scheme, run, factory.work, factory.links.space))
    return metrics.scheme_summary(
        tasks,
        planner_used=run.plans[-1].decision.planner_used if run.plans else scenario.planner.kind,
        energy_j=records.energy_j(run),
        origin=metrics.origin_shares(records.origin_seconds(run), ORIGINS),
    )


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack the schemes' rows; categories are united in order of appearance, so that equal runs give equal bytes."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    joined: dict[str, Any] = {}
    for name in parts[0].columns:
        columns = [part[name] for part in parts]
        if isinstance(columns[0].dtype, pd.CategoricalDtype):
            joined[name] = union_categoricals(columns)
        else:
            joined[name] = pd.concat(columns, ignore_index=True)
    return pd.DataFrame(joined)


def _assumptions(work: Work) -> dict[str, Any]:
    """Return what the costs rest on, in words."""
    return {
        "costs": {
            name: {
                "method": costs.method,
                "basis": costs.basis,
                "origin": sorted(set(costs.origin)),
                "energy_origin": costs.energy_origin,
                "replay": work.replay_of(name) if name in work.traces or costs.profile is not None else None,
            }
            for name, costs in work.costs.items()
        },
        "codec": _codec(work),
        "cite": _citations(work),
        "workload": {
            "model": work.graph.name,
            "n_layers": work.graph.n_layers,
            "tiles": work.n_tiles,
            "batches": work.n_batches,
            "input_bytes": work.input_bytes,
            "result_bytes": work.result_bytes,
        },
    }


def _codec(work: Work) -> dict[str, Any]:
    codec = work.codec
    facts = {"table": codec.name, "origin": codec.origin, "source": codec.source}
    if codec.notes:
        facts["notes"] = codec.notes
    if work.scenario.codec.replay != "mean":
        facts["replay"] = work.scenario.codec.replay
    return facts


def _inputs(scenario: Scenario, work: Work) -> list[Path]:
    """Return files that the result depends on and that are not part of the scenario itself."""
    files = [Path(shell.file) for shell in scenario.shells if shell.kind in ("tle", "omm")]
    table = scenario.codec.table
    if table is not None:
        shipped = shipped_path("traces") / "codec"
        named = [Path(table), *(shipped / f"{table}{suffix}" for suffix in (".toml", ".json"))]
        files += [path for path in named if path.is_file()][:1]
    files += [Path(traced.trace.path) for traced in work.traces.values()]
    catalogued = {"throughput", "flop-over-rate", "flop-over-peak"}
    if any(costs.method not in catalogued for name, costs in work.costs.items() if name not in work.traces):
        files += find_traces()
    return files


def _citations(work: Work) -> dict[str, str]:
    """Return what to cite for the devices and the model of a scenario: text and address."""
    found = [catalog.citations("model", work.scenario.workload.model)]
    catalogued = set(catalog.names("device"))
    found += [catalog.citations("device", device) for device in sorted(work.costs) if device in catalogued]
    cited = {citation.text: citation.url or citation.doi for group in found for citation in group}
    profiles = [costs.profile for costs in work.costs.values() if costs.profile is not None]
    profiles += [profile for traced in work.traces.values() for profile in traced.profiles]
    published = (row.citation for profile in profiles for row in profile.parts if row.citation)
    return cited | {citation: "" for citation in published if citation not in cited}


def summary_document(result: RunResult, command: Iterable[str]) -> dict[str, Any]:
    """Return what `summary.json` holds of a run: scenario, provenance, schemes, what they rest on, notes."""
    return {
        "scenario": result.scenario.model_dump(mode="json"),
        "provenance": provenance(command, result.scenario.seed, result.inputs),
        **result.summary,
        "notes": result.notes,
    }


def save_run(result: RunResult, folder: Path, *, command: Iterable[str], force: bool = False) -> Path:
    """Write the run folder; it appears under its name only when complete.

    Raises
    ------
    InputError
        If the folder exists and must not be replaced.
    OutputError
        If it cannot be written.
    """
    return store.write_run(folder, summary_document(result, command), result.tables, force=force)

"""Every kind of export by name: what it needs, and the function that writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.results.files import check_file
from orbitsim.results.reading import StoredRun
from orbitsim.scenario import Scenario


class Kind(StrEnum):
    """Formats."""

    PERFETTO = "perfetto"
    CZML = "czml"
    CONTACT_PLAN = "contact-plan"
    ION = "ion"
    GRAPH = "graph"


OPTIONS = {"schemes": ("--scheme", Kind.PERFETTO), "tasks": ("--task", Kind.PERFETTO),
           "arrows": ("--arrows", Kind.PERFETTO), "at_s": ("--at", Kind.GRAPH)}  # fmt: skip
"""Of every option that is for one kind of export: how the command line spells it, and that kind."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen of an export; None leaves it to the export.

    Attributes
    ----------
    schemes : sequence of str or None
        Of a timeline: only these.
    tasks : sequence of int or None
        Of a timeline: only these, by slot.
    arrows : bool or None
        Of a timeline: draw arrows from each service of a mini-batch to its next.
    at_s : float or None
        Of a graph: when, since the epoch. [s]
    """

    schemes: Sequence[str] | None = None
    tasks: Sequence[int] | None = None
    arrows: bool | None = None
    at_s: float | None = None


def export(
    kind: str, out: str | Path, *, scenario: Scenario, run: StoredRun | None, options: Options, force: bool = False
) -> list[str]:
    """Write a run, or what a scenario amounts to, in a format of other tools.

    Parameters
    ----------
    kind : str
        A value of `Kind`.
    out : str or Path
        File to write; it appears only when complete.
    scenario : Scenario
        The scenario, of which orbits and links are computed.
    run : StoredRun or None
        The run, of which a timeline is made.
    options : Options
        What to choose.
    force : bool
        Replace an existing file.

    Returns
    -------
    list of str
        What was written, and what the user should know.

    Raises
    ------
    InputError
        When there is no such kind, an option is for another one, something is missing, or `out` must not be replaced.
    OutputError
        When `out` cannot be written.
    """
    if kind not in set(Kind):
        raise InputError(Problem("--as", f"expected one of {', '.join(Kind)}, got {kind!r}"))
    stray = [name for name in OPTIONS if getattr(options, name) is not None and OPTIONS[name][1] != kind]
    if stray:
        raise InputError(Problem(OPTIONS[name][0], f"is for --as {OPTIONS[name][1]}, not {kind}") for name in stray)
    target = Path(out)
    check_file(target, force=force)  # before the work, not after it
    if kind == Kind.PERFETTO:
        from orbitsim.export.timeline import write_timeline

        if run is None:
            raise InputError(Problem("--as", "perfetto shows a run: expected a run folder, got a scenario"))
        return write_timeline(
            run, target, schemes=options.schemes, tasks=options.tasks, arrows=options.arrows, force=force
        )
    if kind == Kind.CZML:
        from orbitsim.export.czml import write_czml

        return [f"{write_czml(scenario, target, force=force)} packets"]
    if kind == Kind.GRAPH:
        from orbitsim.export.graph import write_graph

        graph = write_graph(scenario, target, t_s=options.at_s or 0.0, force=force)
        return [f"{graph.number_of_nodes()} nodes, {graph.number_of_edges()} links"]
    from orbitsim.export.contact_plan import write_contact_plan, write_ion_plan

    write = write_ion_plan if kind == Kind.ION else write_contact_plan
    return [f"{write(scenario, target, force=force)} contacts"]

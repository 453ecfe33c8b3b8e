"""What a scenario amounts to, before anything runs: orbit, contacts, bytes a day, load of every node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import InfeasibleError
from orbitsim.orbit import geometry
from orbitsim.orbit.contacts import find_contacts
from orbitsim.orbit.sites import Mask
from orbitsim.pipeline.jobs import JobFactory
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.run import build_world, task_starts
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import Work, build_work
from orbitsim.results.wording import size
from orbitsim.scenario import Scenario
from orbitsim.sim.controller import Question
from orbitsim.types.codec_table import IDENTITY

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a preview: what it says, its value in words, and whether the value deserves attention."""

    label: str
    text: str
    attention: bool = False


def preview(scenario: Scenario) -> list[tuple[str, list[Line]]]:
    """Return the preview of a scenario, section by section.

    Raises
    ------
    InputError
        When something that the scenario names is missing or does not fit.
    """
    space = Space(scenario)
    links = LinkBook(space)
    work = build_work(scenario)
    factory = JobFactory(scenario, work, links, build_world(links))
    return [
        ("orbit", _orbit(space)),
        ("contacts with stations", _contacts(space)),
        ("a task", _task(work)),
        ("computers (seconds of a mini-batch through the whole model)", _computers(work)),
        ("a day", _day(space, links, work)),
        ("load per node (busy share of a slot; above 1 the backlog grows)", _load(factory, space)),
    ]


def _orbit(space: Space) -> list[Line]:
    lines = [Line("satellites", f"{space.n_satellites} in {len(space.constellation.shells)} shell(s)")]
    for shell, part in zip(space.constellation.shells, space.constellation.slices, strict=True):
        motion_rad_min = np.array([satrec.no_kozai for satrec in shell.satrecs])
        periods_s = 2.0 * math.pi / motion_rad_min * 60.0
        first = list(range(part.start, min(part.stop, part.start + 50)))
        t_s = np.linspace(0.0, float(periods_s[0]), 65)
        positions_m = space.ephemeris.positions_m(t_s, first)
        heights_m = geometry.ecef_to_geodetic(positions_m)[2]
        mean_m = float(np.linalg.norm(positions_m, axis=-1).mean()) - 6_371_008.8  # IUGG mean radius R1 of GRS 80
        lines.append(Line(f"shell {shell.name}: mean altitude", f"{mean_m / 1e3:.1f} km over the mean Earth radius"))
        lines.append(
            Line(
                f"shell {shell.name}: height over the ellipsoid",
                f"{heights_m.min() / 1e3:.1f} to {heights_m.max() / 1e3:.1f} km in its first revolution",
            )
        )
        spread = f" to {periods_s.max() / 60:.2f}" if np.ptp(periods_s) > 0.6 else ""
        lines.append(Line(f"shell {shell.name}: period", f"{periods_s.min() / 60:.2f}{spread} min"))
    return lines


def merged(starts_s: FloatArray, ends_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the union of intervals as disjoint intervals in order. [s]"""
    if not len(starts_s):
        return starts_s, ends_s
    order = np.argsort(starts_s, kind="stable")
    starts, reach = starts_s[order], np.maximum.accumulate(ends_s[order])
    fresh = np.concatenate(([True], starts[1:] > reach[:-1]))
    return starts[fresh], reach[np.concatenate((np.flatnonzero(fresh)[1:] - 1, [len(reach) - 1]))]


def _share(space: Space, mask: Mask) -> float:
    duration_s = space.scenario.clock.duration_s
    found = find_contacts(space.ephemeris, space.stations, mask, duration_s)
    starts, ends = merged(found.start_s, found.end_s)
    return float((ends - starts).sum()) / duration_s


def _contacts(space: Space) -> list[Line]:
    scenario = space.scenario
    down, duration_s = scenario.links.downlink, scenario.clock.duration_s
    contacts = space.contacts.select(space.contacts.site < len(space.stations))
    angle_deg = down.min_elevation_deg if down.min_elevation_deg is not None else down.max_off_nadir_deg
    readings = []
    if angle_deg is not None and 0.0 < angle_deg < 90.0:
        for words, mask in (
            ("as elevation", Mask(min_elevation_deg=angle_deg)),
            ("as off-nadir", Mask(max_off_nadir_deg=angle_deg)),
        ):
            readings.append(f"{_share(space, mask):.1%} {words}")
    lines = [Line("share of the time in contact", f"at {angle_deg:g} deg: {', '.join(readings)}")] if readings else []
    if down.availability == "always":
        lines.insert(
            0, Line("idealised downlink", "open all the time at the last satellite; the contacts below are not used")
        )
    if not len(contacts):
        return [*lines, Line("contacts", "none: nothing can be delivered", attention=down.availability != "always")]
    starts, ends = merged(contacts.start_s, contacts.end_s)
    gaps = np.diff(np.concatenate(([0.0], np.column_stack((starts, ends)).ravel(), [duration_s])))[::2]
    lengths_s = contacts.end_s - contacts.start_s
    lines += [
        Line(
            "passes",
            f"{len(contacts)}, mean {lengths_s.mean():.1f} s, shortest {lengths_s.min():.1f} s, "
            f"longest {lengths_s.max():.1f} s",
        ),
        Line("first contact", _moment(scenario, float(starts[0]))),
        Line("last contact ends", _moment(scenario, float(ends[-1]))),
        Line("longest gap", _hours(float(gaps.max())), attention=bool(gaps.max() > scenario.clock.slot_s)),
    ]
    tasks = task_starts(space)
    reached = contacts.end_s[np.isin(contacts.satellite, list(space.reachable(space.sensor)))]
    late = sum(t_s >= reached.max(initial=-math.inf) for _, t_s in tasks)
    if len(reached) < len(contacts):
        text = f"{len(reached)} of {len(contacts)}; no crosslink leads to the other satellites"
        lines.append(Line("passes that the sensor can reach", text, attention=True))
    if down.availability != "always":
        lines.append(
            Line("tasks that cannot be delivered", f"{late} of {len(tasks)} start after the last contact", late > 0)
        )
    return lines


def _moment(scenario: Scenario, t_s: float) -> str:
    moment = scenario.clock.epoch_utc + timedelta(seconds=t_s)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z, {_hours(t_s)} after the start"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds:.0f} s"


def _task(work: Work) -> list[Line]:
    load, sizes, n_batches = work.scenario.workload, work.any_costs, work.n_batches
    codec = work.scenario.codec
    ratios = ", ".join(f"{ratio:.4g}" for ratio in work.codec.allowed(codec.max_accuracy_loss, codec.rule))
    model = f"{work.graph.name}, {work.graph.n_layers} layers, {work.graph.total_flop / 1e9:.1f} GFLOP a tile"
    tiles = f"{work.n_tiles} tiles from {load.images_per_task} images, in {n_batches} mini-batches of {load.batch_size}"
    activation = f"{size(float(sizes.activation_bytes[0]))} a mini-batch uncompressed"
    return [
        Line("model", model),
        Line("tiles", tiles),
        Line("raw tiles", f"{size(work.input_bytes)} a mini-batch, {size(work.input_bytes * n_batches)} a task"),
        Line("an activation", activation),
        Line("codec", f"{work.codec.name}, ratios within the loss allowed: {ratios or 'none'}", not ratios),
        *([] if work.codec is IDENTITY else [Line("codec table", _codec_origin(work))]),
        Line("results", f"{size(work.result_bytes)} a mini-batch, {size(work.result_bytes * n_batches)} a task"),
        Line("memory of the model", size(float(sizes.memory_bytes.sum()) + sizes.memory_overhead_bytes)),
    ]


def _codec_origin(work: Work) -> str:
    """Say on what the codec was measured, and what becomes of the scatter of its bytes."""
    codec, spread = work.codec, work.codec.spread
    if work.scenario.codec.replay == "mean" or spread is None:
        return codec.origin
    return f"{codec.origin}; bytes drawn for each mini-batch as measured on {spread.batch_size} images"


def _computers(work: Work) -> list[Line]:
    """Say of every computer how fast it is, what that rests on, and what is replayed."""
    lines: list[Line] = []
    for name, costs in work.costs.items():
        origins = " and ".join(sorted(set(costs.origin)))
        power = ""
        if costs.energy_j is not None:
            power = f"; {costs.energy_j.sum() / costs.compute_s.sum():.3g} W while computing, {costs.energy_origin}"
        lines.append(Line(name, f"{costs.compute_s.sum():.4g} s, {origins}{power}: {costs.basis}"))
        if name in work.traces:
            traced = work.traces[name]
            recorded = ""
            if traced.replay != "mean" and costs.profile is not None:
                samples = [len(row.samples_s or ()) for row in costs.profile.parts]
                n_samples = f"{min(samples)}" if len(set(samples)) == 1 else f"{min(samples)} to {max(samples)}"
                recorded = f" of {n_samples} recorded executions"
            lines.append(Line(f"{name} replays", f"{traced.replay}{recorded}, {traced.trace.path}"))
    return lines


def _day(space: Space, links: LinkBook, work: Work) -> list[Line]:
    n_tasks, down = len(task_starts(space)), space.scenario.links.downlink
    duration_s = space.scenario.clock.duration_s
    raw = work.input_bytes * work.n_batches * n_tasks
    results = work.result_bytes * work.n_batches * n_tasks
    if down.availability == "always":
        capacity = down.rate_bps * duration_s / BITS_PER_BYTE
    else:
        pairs = dict.fromkeys((window.satellite, window.station) for window in links.contact_windows())
        capacity = sum(float(links.curve(*pair).integral_bits(0.0, duration_s)) for pair in pairs) / BITS_PER_BYTE
    return [
        Line("the downlinks can carry", size(capacity)),
        _of_capacity("raw tiles of all tasks", raw, capacity),
        _of_capacity("results of all tasks", results, capacity),
    ]


def _of_capacity(label: str, n_bytes: float, capacity_bytes: float) -> Line:
    share = f", {100.0 * n_bytes / capacity_bytes:.3g}% of that" if capacity_bytes else ""
    return Line(label, size(n_bytes) + share, attention=n_bytes > capacity_bytes)


def _load(factory: JobFactory, space: Space) -> list[Line]:
    scenario = space.scenario
    starts = task_starts(space)
    t_s = starts[0][1] if starts else 0.0
    lines: list[Line] = []
    for scheme in scenario.run.schemes:
        try:
            decision = factory.desk.answer(scheme, Question(t_s), factory.deliver)
        except InfeasibleError as error:
            lines.append(Line(scheme, f"infeasible: {error}", attention=True))
            continue
        stages = factory.desk.stages(decision.route, decision.plan)
        shares = _loads([stage.seconds for stage in stages], factory.work.n_batches, scenario.clock.slot_s)
        busy = [
            f"{name} {share:.2g}"
            for name, share, stage in zip(factory.desk.node_names(decision.route), shares, stages, strict=True)
            if stage.computes
        ]
        lines.append(Line(scheme, f"{', '.join(busy)} ({decision.planner_used})", max(shares) > 1.0))
    return lines


def _loads(seconds: Sequence[float], n_batches: int, slot_s: float) -> list[float]:
    return [stage_s * n_batches / slot_s for stage_s in seconds]

"""Small worlds for the simulator, put together by hand: no orbits, no scenario file, no planner."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from sim.slow_twin import Segments

from orbitsim.link.capacity import CapacityCurve
from orbitsim.link.schedule import LinkSchedule
from orbitsim.plan.delivery import ContactWindow
from orbitsim.plan.stages import Stage
from orbitsim.sim.controller import Decision
from orbitsim.sim.jobs import GroundStage
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob, SchemeRun
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


def curve_of(segments: Segments) -> CapacityCurve:
    if not segments:
        return CapacityCurve.from_windows([], [], [])
    starts, ends, rates = zip(*segments, strict=True)
    return CapacityCurve.from_windows(starts, ends, rates)


def ring_hops(n: int, a: int, b: int) -> int:
    return min((a - b) % n, (b - a) % n)


def ring_path(n: int, a: int, b: int) -> tuple[int, ...]:
    step = 1 if (b - a) % n <= (a - b) % n else -1
    return tuple((a + step * i) % n for i in range(ring_hops(n, a, b) + 1))


def make_world(
    n_satellites: int,
    stations: Sequence[str],
    crosslinks: Mapping[tuple[int, int], Segments] | float,
    downlinks: Mapping[tuple[int, int], Segments],
    *,
    horizon_s: float,
    crosslink_delay_s: float = 0.0,
    downlink_delay_s: float = 0.0,
    hop_rate_bps: float = 1e9,
    half_duplex: bool = False,
    connected: bool = True,
) -> World:
    """Make a world: a ring of satellites, stations after them, a contact for each open segment of a downlink."""
    curves: dict[tuple[int, int], CapacityCurve] = {}

    def curve(a: int, b: int) -> CapacityCurve:
        if (a, b) not in curves:
            if b >= n_satellites:
                curves[a, b] = curve_of(downlinks.get((a, b), ()))
            elif isinstance(crosslinks, float):
                curves[a, b] = CapacityCurve.constant(crosslinks)
            else:
                curves[a, b] = curve_of(crosslinks[a, b])
        return curves[a, b]

    def link(a: int, b: int) -> LinkSchedule:
        delay_s = downlink_delay_s if b >= n_satellites else crosslink_delay_s
        kind = "downlink" if b >= n_satellites else "isl"
        return LinkSchedule(kind, curve(a, b), (lambda _t_s: delay_s) if delay_s else None)

    windows = []
    for (a, b), segments in downlinks.items():
        opened = curve_of(segments).windows() if segments else ((), ())
        windows += [
            ContactWindow(a, b, float(s), float(min(e, horizon_s)), curve) for s, e in zip(*opened, strict=True)
        ]
    n = n_satellites
    hops = {a: [ring_hops(n, a, b) if connected or a == b else -1 for b in range(n)] for a in range(n)}
    return World(
        names=(*(f"p-{i:02d}" for i in range(n)), *stations),
        n_satellites=n,
        horizon_s=horizon_s,
        link=link,
        windows=tuple(windows),
        n_hops=lambda a, _t_s: hops[a],
        path=lambda a, b, _t_s: ring_path(n, a, b),
        hop_rate_bps=crosslinks if isinstance(crosslinks, float) else hop_rate_bps,
        hop_propagation_s=crosslink_delay_s,
        half_duplex=half_duplex,
    )


def stage(seconds: float, n_bytes: float, codec_s: float = 0.0) -> Stage:
    return Stage(seconds, codec_s, 2.0 * seconds, (0.0, seconds, 0.0), n_bytes, seconds > 0.0)


def one_layer_each(stages: Sequence[Stage]) -> Plan:
    """Return a plan with a layer on every stage that computes."""
    layers, cut = [], 0
    for item in stages:
        layers.append((cut, cut + item.computes))
        cut += item.computes
    ratio = [0.5 if a < b < cut else None for a, b in layers]
    return Plan(tuple(layers), tuple(ratio))


def decision(route: Route, plan: Plan) -> Decision:
    return Decision(route, plan, "by hand", 1.0, 0.0, 1e9)


def make_job(
    route: Route,
    stages: Sequence[Stage],
    task_starts: Sequence[float],
    *,
    n_batches: int,
    input_bytes: float = 1e6,
    ground: Mapping[int, GroundStage] | None = None,
    execution: str = "overlapped",
) -> SchemeJob:
    """Make a job that keeps to one plan, with a layer on every stage that computes."""
    plan = one_layer_each(stages)
    return changing_job(
        route, {plan: stages}, lambda _t_s: plan, task_starts, n_batches=n_batches, input_bytes=input_bytes,
        ground=ground, execution=execution,
    )  # fmt: skip


def changing_job(
    route: Route,
    stages: Mapping[Plan, Sequence[Stage]],
    plan_at: Callable[[float], Plan],
    task_starts: Sequence[float],
    *,
    n_batches: int,
    input_bytes: float = 1e6,
    ground: Mapping[int, GroundStage] | None = None,
    execution: str = "overlapped",
) -> SchemeJob:
    """Make a job whose planner answers by the time at which it is asked."""
    return SchemeJob(
        fixed=route.fixed,
        ask=lambda question: decision(route, plan_at(question.t_s)),
        stages=lambda _route, plan: tuple(stages[plan]),
        ground_stages=lambda plan: (ground or {}) if plan.layers[-1][0] < plan.layers[-1][1] else {},
        input_bytes=input_bytes,
        n_batches=n_batches,
        task_starts=list(enumerate(task_starts)),
        execution=execution,
    )


def times_of(run: SchemeRun, number: int = 0) -> dict[tuple[int, int], list[tuple[str, float, float]]]:
    """Return place, start and end of every service of each (task, mini-batch), in order."""
    found: dict[tuple[int, int], list[tuple[str, float, float]]] = {}
    for passages in run.passages[number : number + 1] if number >= 0 else run.passages:
        for i in range(len(passages)):
            key = (int(passages.task[i]), int(passages.batch[i]))
            place = run.place_names[int(passages.place[i])]
            found.setdefault(key, []).append((place, float(passages.start_s[i]), float(passages.end_s[i])))
    return found


def assert_sound(run: SchemeRun, world: World, sensor: int, *, places_are_links: bool = True) -> None:
    """Check what holds in every run: parts, service order in time and place, one mini-batch at a time, capacity."""
    names = list(world.names)
    n_services: dict[tuple[int, int], int] = {}
    ended: dict[tuple[int, int], str] = {}
    by_place: dict[str, list[tuple[float, float]]] = {}
    for key, times in times_of(run, -1).items():
        now_s, here = -math.inf, sensor
        n_services[key] = len(times)
        for place, start_s, end_s in times:
            assert now_s - 1e-9 <= start_s <= end_s + 1e-9, (key, times)
            now_s = end_s
            by_place.setdefault(place, []).append((start_s, end_s))
            if not places_are_links:
                continue
            ends = [names.index(name) for name in place.replace("<>", ">").split(">")]
            assert here in (ends if "<>" in place else ends[:1]), f"{key} is at {names[here]}, not at {place}: {times}"
            here = ends[-1] if here == ends[0] else ends[0]
        ended[key] = names[here]
    for place, services in by_place.items():
        services.sort()
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(services)), place
    stations = set(names[world.n_satellites :])
    for task in run.tasks:
        mine = [batch for t, batch in n_services if t == task.index]
        if places_are_links:
            assert sum(ended[task.index, batch] in stations for batch in mine) >= task.n_delivered
        if task.undeliverable:
            assert task.n_delivered == 0
        if math.isnan(task.end_s):
            assert task.n_delivered < task.n_batches
            continue
        assert task.n_delivered == task.n_batches
        assert task.last is not None
        assert min(task.last.parts) >= -1e-9, task.last.parts
        assert abs(math.fsum(task.last.parts) - (task.end_s - task.start_s)) < 1e-7

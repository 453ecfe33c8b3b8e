"""One task on a static route: the simulation against the closed forms, and against a plain recurrence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plan.random_problems import random_problem
from sim.slow_twin import Work, random_segments, tandem

from orbitsim.link.capacity import CapacityCurve
from orbitsim.plan import delay
from orbitsim.plan.problem import Problem
from orbitsim.sim.jobs import Part
from orbitsim.sim.static import simulate_static
from orbitsim.types.plan import Plan

REL = 1e-9


def random_plan(rng: np.random.Generator, problem: Problem) -> Plan:
    """Draw any plan, relays included; constraints do not matter to how it is carried out."""
    inner = np.sort(rng.integers(0, problem.n_layers + 1, problem.n_nodes - 1))
    cuts = [0, *inner.tolist(), problem.n_layers]
    layers = tuple((cuts[k], cuts[k + 1]) for k in range(problem.n_nodes))
    ratio = tuple(
        float(rng.choice(problem.codec_ratio)) if start < stop < problem.n_layers else None for start, stop in layers
    )
    return Plan(layers=layers, ratio=ratio)


def by_hand(problem: Problem, plan: Plan) -> tuple[list[float], list[float]]:
    """Return the computing time of each node and the bytes on each hop, from the contract's text alone."""
    compute_s, hop_bytes, carried = [], [], problem.input_bytes
    for node, (start, stop) in enumerate(plan.layers):
        seconds = sum(problem.compute_s[node, layer] for layer in range(start, stop))
        if stop > start:
            if start > 0:
                seconds += problem.decode_s_per_byte[node] * problem.activation_bytes[start - 1]
            if stop < problem.n_layers:
                seconds += problem.encode_s_per_byte[node] * problem.activation_bytes[stop - 1]
                carried = problem.activation_bytes[stop - 1] * plan.ratio[node]
            else:
                carried = problem.activation_bytes[-1]
        compute_s.append(float(seconds))
        hop_bytes.append(float(carried))
    return compute_s, hop_bytes


def draw(seed: int) -> tuple[np.random.Generator, Problem, Plan]:
    rng = np.random.default_rng([4711, seed])
    problem = random_problem(
        rng,
        n_layers=int(rng.integers(1, 9)),
        n_nodes=int(rng.integers(1, 6)),
        n_ratios=int(rng.integers(1, 4)),
        n_batches=int(rng.choice([1, 2, 3, 17, 60])),
    )
    return rng, problem, random_plan(rng, problem)


@pytest.mark.parametrize("model", ["exact", "sequential", "serial"])
def test_makespan_equals_the_closed_form_on_generated_pipelines(model):
    seen = {"relay": 0, "input": 0, "no input": 0, "K hops": 0, "K - 1 hops": 0, "delay": 0, "codec": 0}
    for seed in range(240):
        _, problem, plan = draw(seed)
        compute_s, hop_bytes = by_hand(problem, plan)
        n_idle = problem.n_nodes - problem.n_hops
        transfer_s = [8.0 * size / rate for size, rate in zip(hop_bytes, problem.rate_bps, strict=False)] + [
            0.0
        ] * n_idle
        travel_s = [*problem.delay_s.tolist(), *[0.0] * n_idle]
        input_s = 8.0 * problem.input_bytes / problem.input_rate_bps
        closed = getattr(delay, model)(input_s, compute_s, transfer_s, travel_s, problem.n_batches)
        execution = "overlapped" if model == "exact" else model
        run = simulate_static(problem, plan, execution=execution)
        assert run.makespan_s == pytest.approx(float(closed.total_s), rel=REL, abs=0.0), (seed, problem.delay_model)
        seen["relay"] += plan.n_compute < plan.n_nodes
        seen["input" if input_s else "no input"] += 1
        seen["K - 1 hops" if n_idle else "K hops"] += 1
        seen["delay"] += bool(np.any(problem.delay_s))
        seen["codec"] += bool(np.any(problem.encode_s_per_byte))
    assert min(seen.values()) > 40, seen  # every kind of pipeline was among them


def test_the_problem_s_delay_model_chooses_the_execution():
    for seed in range(40):
        _, problem, plan = draw(seed)
        execution = {"exact": "overlapped", "paper": "overlapped"}.get(problem.delay_model, problem.delay_model)
        assert (
            simulate_static(problem, plan).delivered_s
            == simulate_static(problem, plan, execution=execution).delivered_s
        )


@pytest.mark.parametrize("mode", ["overlapped", "sequential", "serial"])
def test_every_start_and_end_equals_a_plain_recurrence_with_outages(mode):
    n_with_outage = 0
    for seed in range(120):
        rng, problem, plan = draw(seed + 1000)
        compute_s, hop_bytes = by_hand(problem, plan)
        scale_s = problem.n_batches * (sum(compute_s) + 8.0 * sum(hop_bytes) / problem.rate_bps.min(initial=1e9))
        hops = [random_segments(rng, scale_s * rng.uniform(0.2, 2.0), float(rate)) for rate in problem.rate_bps]
        stages: list[Work] = []
        entry = None
        if problem.input_rate_bps < math.inf:
            entry = random_segments(rng, scale_s, problem.input_rate_bps)
            stages.append(Work(n_bytes=problem.input_bytes, segments=entry))
        for node, (start, stop) in enumerate(plan.layers):
            if stop > start:
                stages.append(Work(seconds=compute_s[node]))
            if node < problem.n_hops:
                stages.append(Work(n_bytes=hop_bytes[node], segments=hops[node], delay_s=float(problem.delay_s[node])))
        if not stages:
            continue
        expected = tandem(stages, [0.0] * problem.n_batches, mode)

        def curve(segments):
            starts, ends, rates = zip(*segments, strict=True)
            return CapacityCurve.from_windows(starts, ends, rates)

        run = simulate_static(
            problem,
            plan,
            execution=mode,
            curves=[curve(segments) for segments in hops],
            input_curve=None if entry is None else curve(entry),
            record=True,
        )
        passages = run.passages
        assert run.n_passages == len(passages) == problem.n_batches * len(stages)
        order = np.argsort(passages.batch, kind="stable")  # records are in the order in which services ended
        got = np.stack((passages.start_s[order], passages.end_s[order]), axis=-1).reshape(expected.shape)
        np.testing.assert_allclose(got, expected, rtol=REL, atol=REL * expected.max(), err_msg=f"seed {seed}")
        assert run.makespan_s == pytest.approx(expected[-1, -1, 1] + stages[-1].delay_s, rel=REL)
        parts = passages.part[order].reshape(expected.shape[:2])
        assert (parts == [Part.COMPUTE if s.segments is None else Part.ISL for s in stages]).all()
        n_with_outage += any(rate == 0.0 for segments in hops for _, _, rate in segments)
    assert n_with_outage > 50


def test_a_hop_that_never_opens_leaves_the_task_without_end():
    problem = Problem(
        compute_s=[[1.0], [1.0]], activation_bytes=[100.0], layer_memory_bytes=[1.0], memory_bytes=np.inf,
        rate_bps=[1e3], input_bytes=1e3, n_batches=3, relay=True,
    )  # fmt: skip
    plan = Plan(layers=((0, 1), (1, 1)), ratio=(None, None))
    never = simulate_static(problem, plan, curves=[CapacityCurve.from_windows([], [], [])])
    assert never.makespan_s == math.inf
    assert never.delivered_s == ()
    # 100 B at 1 kbit/s take 0.8 s; the link closes during the third mini-batch.
    closes = simulate_static(problem, plan, curves=[CapacityCurve.constant(1e3, 0.0, 3.5)])
    assert closes.delivered_s == pytest.approx((1.8, 2.8), rel=REL)
    assert closes.makespan_s == math.inf


def test_the_example_of_the_planner_contract_makes_its_printed_total():
    """Input link 8 s a mini-batch, nodes 2 s and 3 s, hop 5 s: exact = 8 + 2 + 5 + 3 + 9 x 8 (worked by hand)."""
    problem = Problem(
        compute_s=[[2.0, 2.0], [3.0, 3.0]], activation_bytes=[1000.0, 4.0], layer_memory_bytes=[1.0, 1.0],
        memory_bytes=np.inf, rate_bps=[1600.0], input_bytes=800.0, input_rate_bps=800.0, n_batches=10,
    )  # fmt: skip
    plan = Plan(layers=((0, 1), (1, 2)), ratio=(1.0, None))
    assert simulate_static(problem, plan, execution="overlapped").makespan_s == pytest.approx(90.0, rel=1e-12)
    assert simulate_static(problem, plan, execution="sequential").makespan_s == pytest.approx(90.0, rel=1e-12)
    assert simulate_static(problem, plan, execution="serial").makespan_s == pytest.approx(180.0, rel=1e-12)

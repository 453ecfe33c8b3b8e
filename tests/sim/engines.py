"""Compares what two engines leave behind: every recorded begin and end, every count, every decision."""

from __future__ import annotations

import math

import numpy as np

from orbitsim.sim.scheme import SchemeRun

TOLERANCE_S = 1e-9


def assert_same(one: SchemeRun, two: SchemeRun) -> None:
    """Check that two runs are the same, times to a nanosecond and sums to a relative 1e-9."""
    assert one.place_names == two.place_names
    assert len(one.tasks) == len(two.tasks)
    for a, b in zip(one.tasks, two.tasks, strict=True):
        assert (a.index, a.n_delivered, a.undeliverable) == (b.index, b.n_delivered, b.undeliverable)
        assert abs(a.start_s - b.start_s) < TOLERANCE_S  # the event loop's clock adds up, and rounds
        np.testing.assert_allclose(b.end_s, a.end_s, rtol=0.0, atol=TOLERANCE_S)
        np.testing.assert_allclose([b.isl_bytes, b.downlink_bytes], [a.isl_bytes, a.downlink_bytes], rtol=1e-9)
        if not math.isnan(a.end_s):
            assert a.last is not None
            assert b.last is not None
            np.testing.assert_allclose(b.last.parts, a.last.parts, rtol=0.0, atol=TOLERANCE_S)
    for p, q in zip(one.places, two.places, strict=True):
        assert (p.name, p.kind, p.n_served) == (q.name, q.kind, q.n_served)
        np.testing.assert_allclose([q.busy_s, q.n_bytes], [p.busy_s, p.n_bytes], rtol=1e-9, atol=TOLERANCE_S)
    np.testing.assert_allclose([r.t_s for r in two.plans], [r.t_s for r in one.plans], rtol=0.0, atol=TOLERANCE_S)
    assert [(r.task, r.reason, r.changed, r.decision) for r in one.plans] == [
        (r.task, r.reason, r.changed, r.decision) for r in two.plans
    ]
    assert len(one.passages) == len(two.passages)
    for a, b in zip(one.passages, two.passages, strict=True):
        assert len(a) == len(b)
        order_a, order_b = (np.lexsort((x.end_s, x.start_s, x.batch, x.task)) for x in (a, b))
        for name in ("task", "batch", "place", "part"):
            np.testing.assert_array_equal(getattr(b, name)[order_b], getattr(a, name)[order_a], err_msg=name)
        for name in ("start_s", "end_s"):
            np.testing.assert_allclose(
                getattr(b, name)[order_b], getattr(a, name)[order_a], rtol=0.0, atol=TOLERANCE_S, err_msg=name
            )
        assert (np.diff(b.end_s) >= 0.0).all()
    spent = [[step.spent for step in run.steps if step.curve is None and step.count] for run in (one, two)]
    for index in range(3):
        total = [math.fsum(each.origin_s[index] for each in found) for found in spent]
        assert math.isclose(*total, rel_tol=1e-9, abs_tol=1e-12)

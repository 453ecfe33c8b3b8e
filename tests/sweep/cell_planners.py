"""Planners that make a cell slow, fail, or take its process with it, where a marker in the scenario asks for it."""

from __future__ import annotations

import os
import signal
import time

from orbitsim.plan.planners import plan
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan

_SLOW_S = 0.4
_once = set()


def slow(problem: Problem) -> Plan:
    """Take a while for the first question of a process about a problem."""
    if problem.n_batches not in _once:
        _once.add(problem.n_batches)
        time.sleep(_SLOW_S)
    return plan(problem, planner="optimal").plan


def failing(problem: Problem) -> Plan:
    """Raise."""
    raise RuntimeError(f"no plan for {problem.n_batches} mini-batches")


def fatal(_problem: Problem) -> Plan:
    """End the process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def stopping(_problem: Problem) -> Plan:
    """Interrupt the process as Ctrl-C does."""
    raise KeyboardInterrupt

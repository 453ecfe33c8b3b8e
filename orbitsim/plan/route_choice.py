"""Choice of the compute chain: which satellites, in which order, for the earliest delivery.

Candidates are the simple paths from the sensor over the crosslinks, as long as satellites may compute; shorter chains
need no candidate of their own, because a plan may leave the end of a chain without layers. Each candidate has a lower
bound on its delivery; candidates are simulated in the order of their bounds until the next bound is no better than the
best delivery found. So the choice is exact for a task that meets an empty network, whatever the rates do over time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from orbitsim.errors import InputError, Problem

Key = TypeVar("Key", bound=Hashable)

MOST_CHAINS = 5000
"""Every candidate gets a plan and a bound before the first is simulated; a grid has 108 chains of five satellites."""


def candidate_chains(
    sensor: int, neighbours: Callable[[int], Sequence[int]], n_compute: int, *, sensor_computes: bool
) -> list[tuple[int, ...]]:
    """Return every simple path over the crosslinks on which satellites may compute.

    Parameters
    ----------
    sensor : int
        Sensing satellite: the first of the chain, or the one before it.
    neighbours : callable
        Satellites that a satellite has a crosslink to.
    n_compute : int
        Satellites that may compute, at most.
    sensor_computes : bool
        Whether the sensor is the first of the chain.

    Returns
    -------
    list of tuple of int
        In lexicographic order. A path ends early only where it cannot go on. Empty when nobody can compute.

    Raises
    ------
    InputError
        When there are more than `MOST_CHAINS`.
    """
    length = n_compute if sensor_computes else n_compute + 1
    found: list[tuple[int, ...]] = []
    stack: list[tuple[int, ...]] = [(sensor,)]
    while stack:
        path = stack.pop()
        onward = [node for node in neighbours(path[-1]) if node not in path] if len(path) < length else []
        if onward:
            stack.extend((*path, node) for node in onward)
        else:
            found.append(path if sensor_computes else path[1:])
            if len(found) > MOST_CHAINS:
                message = f"expected few enough for a choice of routes: more than {MOST_CHAINS} chains are possible"
                raise InputError(Problem("planner.max_compute_nodes", message))
    return sorted(chain for chain in found if chain)


@dataclass(frozen=True, slots=True)
class Chosen(Generic[Key]):
    """The chosen candidate, and how far the choice is proved.

    Attributes
    ----------
    candidate : Key
        The candidate with the earliest delivery.
    delivery_s : float
        Its simulated delivery; infinite when no candidate delivers. [s]
    lower_bound_s : float
        No candidate delivers before this; equal to `delivery_s` when the choice is proved. [s]
    n_simulated, n_candidates : int
        Candidates that were simulated, and all there were.
    """

    candidate: Key
    delivery_s: float
    lower_bound_s: float
    n_simulated: int
    n_candidates: int


def choose(
    candidates: Iterable[tuple[Key, float]],
    simulate: Callable[[Key], float],
    *,
    most_simulated: int,
    always: Collection[Key] = (),
) -> Chosen[Key]:
    """Choose the candidate that delivers first.

    Parameters
    ----------
    candidates : iterable of (Key, float)
        Candidates with their lower bounds on delivery [s]; ties go to the earlier in the list.
    simulate : callable
        Delivery of a candidate; infinite when it never delivers. [s]
    most_simulated : int
        Stop after this many simulations, even without a proof.
    always : collection of Key
        Candidates that are simulated in any case unless their bound rules them out, and before the others.

    Raises
    ------
    ValueError
        When there is no candidate.
    """
    ordered = sorted(candidates, key=lambda item: item[1])  # a stable sort: ties keep their order
    if not ordered:
        raise ValueError("expected at least one candidate")
    first = [item for item in ordered if item[0] in always]
    rest = [item for item in ordered if item[0] not in always]
    best, best_s, n_simulated = ordered[0][0], math.inf, 0
    left_s: list[float] = []
    for candidate, bound_s in [*first, *rest]:
        must = candidate in always or n_simulated < most_simulated
        if n_simulated and (bound_s >= best_s or not must):
            left_s.append(bound_s)
            continue
        delivery_s = simulate(candidate)
        n_simulated += 1
        if delivery_s < best_s:
            best, best_s = candidate, delivery_s
    return Chosen(best, best_s, min([best_s, *left_s]), n_simulated, len(ordered))

"""The search of arXiv:2604.04654, Algorithms 1 and 2, in both of its readings.

`paper_astar_tree` is the algorithm as printed: every path enters the queue, and the compression subproblem, Eq. (20),
is solved anew on the whole prefix by enumerating its ratios. It is optimal over the table's ratios, because the best
value of a prefix plus Eq. (23) bounds all its completions, and exponential. (The queue is ordered by f' of line 16; by
the f = g + h of line 3 it would not be optimal.)

`paper_astar` reads the text around it: one label per node (l, k), replaced when a new path has a lower total cost, and
one ratio chosen per edge. With a maximum in the cost the best prefix need not lead to the best plan: not optimal.

Departures from the paper: the grid of ratios is the codec table (q = 0 would send nothing); the heuristic of Eq. (23)
is taken layer by layer, which is the same where speeds differ by a factor only; relays, the bound on computing nodes,
the loss budget and the other delay models are supported so that both run on every problem.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InfeasibleError, InputError
from orbitsim.plan.delay import DELAY_MODELS
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.graph import StageGraph, build_graph
from orbitsim.plan.infeasible import explain
from orbitsim.plan.problem import Problem, loss_limit
from orbitsim.plan.shortest import stage_time
from orbitsim.types.plan import Plan, PlanResult

Array = NDArray[np.float64]

MOST_SETTINGS = 20_000_000


@dataclass(frozen=True, slots=True)
class Label:
    """A partial plan: Eqs. (21) and (22), the cuts and ratio indices so far (None: nothing encoded), and its state."""

    spent_s: float
    theta_s: float
    cuts: tuple[int, ...]
    ratios: tuple[int | None, ...]
    in_flight: int
    n_compute: int
    loss: float


def paper_astar(problem: Problem) -> PlanResult:
    """Search with one label per node (l, k) and the key g + (B - 1) theta + h, Eq. (24).

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The plan found; not proved optimal.

    Raises
    ------
    InfeasibleError
        If no label reaches the last node; with a bound on nodes or losses that can happen although a plan exists.
    """
    graph = build_graph(problem, every_ratio=True)
    heuristic_s = fastest_remaining_s(problem)
    theta_s = problem.input_s if problem.delay_model in ("exact", "sequential") else 0.0
    counter = itertools.count()
    start = Label(0.0, theta_s, (), (), 0, 0, 0.0)
    heap = [(0.0, next(counter), start)]
    best_key: dict[tuple[int, int], float] = {(0, 0): 0.0}
    closed: set[tuple[int, int]] = set()
    expanded = pruned = 0
    while heap:
        key, _, label = heapq.heappop(heap)
        node, cut = len(label.cuts), label.cuts[-1] if label.cuts else 0
        if (cut, node) in closed or key > best_key[cut, node]:
            pruned += 1
            continue
        closed.add((cut, node))
        if node == problem.n_nodes:
            return _result(problem, graph, label.cuts, label.ratios, "paper-astar", expanded, pruned)
        expanded += 1
        for grown in _grown(graph, label, node, cut):
            where = (grown.cuts[-1], node + 1)
            key = _key(graph, grown) + _scale(problem) * heuristic_s[node + 1][grown.cuts[-1]]
            if where not in closed and key < best_key.get(where, np.inf):
                best_key[where] = key
                heapq.heappush(heap, (key, next(counter), grown))
            else:
                pruned += 1
    raise InfeasibleError(f"paper-astar: no label reaches the last node ({_why(problem)})")


def paper_astar_tree(problem: Problem, most_settings: int = MOST_SETTINGS) -> PlanResult:
    """Search all paths, with the ratios of every prefix enumerated anew: Algorithms 1 and 2 as printed.

    Parameters
    ----------
    problem : Problem
        A small problem.
    most_settings : int
        Give up after so many settings of ratios.

    Returns
    -------
    PlanResult
        The fastest plan. `expanded` counts paths, `pruned` the settings of ratios evaluated for them.

    Raises
    ------
    InputError
        If the search needs more than `most_settings`.
    InfeasibleError
        If no plan meets the constraints.
    """
    graph = build_graph(problem, every_ratio=True)
    heuristic_s = fastest_remaining_s(problem)
    counter = itertools.count()
    heap: list[tuple[float, int, tuple[int, ...], tuple[float, ...], tuple[int | None, ...]]] = [
        (0.0, next(counter), (), (), ())
    ]
    expanded = n_settings = 0
    while heap:
        _, _, cuts, compute_s, ratios = heapq.heappop(heap)
        node, cut = len(cuts), cuts[-1] if cuts else 0
        if node == problem.n_nodes:
            return _result(problem, graph, cuts, ratios, "paper-astar-tree", expanded, n_settings, optimal=True)
        expanded += 1
        for stop, busy_s in _next_cuts(graph, node, cut):
            grown, grown_s = (*cuts, stop), (*compute_s, busy_s)
            solved = _solve_ratios(graph, grown, grown_s)
            n_settings += solved[2]
            if n_settings > most_settings:
                raise InputError(
                    f"paper-astar-tree: more than {most_settings:.3g} settings of ratios to try, small problems only"
                )
            if np.isfinite(solved[0]):
                key = solved[0] + _scale(problem) * heuristic_s[node + 1][stop]
                heapq.heappush(heap, (float(key), next(counter), grown, grown_s, solved[1]))
    raise InfeasibleError(explain(problem))


def fastest_remaining_s(problem: Problem) -> Array:
    """Return Eq. (23): the time of the layers that remain, each on the fastest node that remains.

    Parameters
    ----------
    problem : Problem
        What is planned.

    Returns
    -------
    ndarray, (n_nodes + 1, n_layers + 1)
        By number of nodes passed and cut; ``inf`` where layers but no nodes remain [s].
    """
    table = np.full((problem.n_nodes + 1, problem.n_layers + 1), np.inf)
    table[:, -1] = 0.0
    for node in range(problem.n_nodes):
        fastest_s = problem.compute_s[node:].min(axis=0)
        table[node, :-1] = np.cumsum(fastest_s[::-1])[::-1]
    return table


def _grown(graph: StageGraph, label: Label, node: int, cut: int) -> list[Label]:
    """Extend a label over every edge of Algorithm 2, with the ratio that is best for the edge."""
    problem = graph.problem
    model = problem.delay_model
    labels = []
    for stop, busy_s in _next_cuts(graph, node, cut):
        n_compute = label.n_compute + (stop > cut)
        if n_compute > problem.most_compute_nodes:
            continue
        encodes = cut < stop < problem.n_layers
        choices = range(len(graph.ratio)) if encodes else [label.in_flight if stop == cut else 0]
        best: Label | None = None
        for choice in choices:
            sent_s = float(graph.transfer_s[node, stop, choice])
            loss = label.loss + (float(graph.loss[choice]) if encodes else 0.0)
            if not np.isfinite(sent_s) or loss > loss_limit(problem.max_loss):
                continue
            received_s = float(graph.received_s[node, cut, label.in_flight])
            stage_s = float(stage_time(model, np.array(busy_s), np.array(sent_s), received_s))
            setting = choice if encodes else None
            candidate = Label(
                label.spent_s + busy_s + sent_s,
                max(label.theta_s, stage_s),
                (*label.cuts, stop),
                (*label.ratios, setting),
                choice,
                n_compute,
                loss,
            )
            if best is None or _key(graph, candidate) < _key(graph, best):
                best = candidate
        if best is not None:
            labels.append(best)
    return labels


def _next_cuts(graph: StageGraph, node: int, cut: int) -> list[tuple[int, float]]:
    arcs = graph.arcs[node]
    here = arcs.leaving(cut)
    edges = list(zip(arcs.stop[here].tolist(), arcs.compute_s[here].tolist(), strict=True))
    is_end = node < graph.problem.n_nodes - 1 or cut == graph.problem.n_layers
    return [(cut, 0.0), *edges] if graph.problem.relay and is_end else edges


def _solve_ratios(
    graph: StageGraph, cuts: tuple[int, ...], compute_s: tuple[float, ...]
) -> tuple[float, tuple[int | None, ...], int]:
    """Solve Eq. (20) on a prefix by enumeration: the best cost, its ratios, and the number of settings tried."""
    problem = graph.problem
    starts = (0, *cuts[:-1])
    encodes = [start < stop < problem.n_layers for start, stop in zip(starts, cuts, strict=True)]
    if sum(stop > start for start, stop in zip(starts, cuts, strict=True)) > problem.most_compute_nodes:
        return np.inf, (), 0
    settings = np.array(list(itertools.product(range(len(graph.ratio)), repeat=sum(encodes))), dtype=np.intp)
    transfer_s = np.empty((len(settings), len(cuts)))
    column = -1
    for node, cut in enumerate(cuts):
        column += encodes[node]
        is_activation = 0 < cut < problem.n_layers
        transfer_s[:, node] = graph.transfer_s[node, cut, settings[:, column] if is_activation else 0]
    if not np.isfinite(transfer_s).all():
        return np.inf, (), 0
    propagation_s = np.zeros(len(cuts))
    propagation_s[: problem.n_hops] = problem.delay_s[: len(cuts)]
    total_s = DELAY_MODELS[problem.delay_model](
        problem.input_s, np.array(compute_s), transfer_s, propagation_s, problem.n_batches
    ).total_s
    total_s = np.where(graph.loss[settings].sum(axis=-1) <= loss_limit(problem.max_loss), total_s, np.inf)
    best = int(total_s.argmin())
    chosen = iter(settings[best].tolist())
    ratios = tuple(next(chosen) if encoded else None for encoded in encodes)
    return float(total_s[best]), ratios, len(settings)


def _scale(problem: Problem) -> int:
    return problem.n_batches if problem.delay_model == "serial" else 1


def _key(graph: StageGraph, label: Label) -> float:
    problem = graph.problem
    more = 0.0 if problem.delay_model == "serial" else (problem.n_batches - 1) * label.theta_s
    return _scale(problem) * label.spent_s + more


def _why(problem: Problem) -> str:
    return (
        "it keeps one label per node" if problem.max_compute_nodes or problem.rule == "cumulative" else explain(problem)
    )


def _result(
    problem: Problem,
    graph: StageGraph,
    cuts: tuple[int, ...],
    ratios: tuple[int | None, ...],
    name: str,
    expanded: int,
    pruned: int,
    *,
    optimal: bool = False,
) -> PlanResult:
    ratio = tuple(None if index is None else float(graph.ratio[index]) for index in ratios)
    plan = Plan(tuple(itertools.pairwise((0, *cuts))), ratio)
    cost = evaluate(problem, plan)
    return PlanResult(plan, cost, name, optimal, cost.total_s if optimal else 0.0, expanded, pruned)

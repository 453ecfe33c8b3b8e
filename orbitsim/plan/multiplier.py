"""A stronger bound for plans with a loss budget: the Lagrangian relaxation of the budget.

With a price on loss, the least time plus priced loss of what remains is a shortest path again. A partial plan can only
become a plan within the budget and the limit if ``time + price (loss - budget) + to go`` keeps the limit, whatever the
price (Handler & Zang, Networks 10, 1980); the price taken is the one whose bound at the start is highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.graph import StageGraph
from orbitsim.plan.problem import loss_limit

Array = NDArray[np.float64]

N_PRICES = 9


@dataclass(frozen=True, eq=False, slots=True)
class PricedCost:
    """Bound on what remains when loss has a price.

    Attributes
    ----------
    price_s : float
        Price of a unit of loss [s].
    to_go_s : list of ndarray, (n_slots, n_layers + 1)
        Before each node and after the last one: least remaining time plus priced loss [s].
    """

    price_s: float
    to_go_s: list[Array]


def priced_cost(graph: StageGraph, cap_s: float) -> PricedCost:
    """Find the price with the highest bound, and the costs to go under it.

    Parameters
    ----------
    graph : StageGraph
        All plans of a problem with a loss budget.
    cap_s : float
        Longest stage time allowed [s].

    Returns
    -------
    PricedCost
        The price and its costs to go.
    """
    budget = loss_limit(graph.problem.max_loss)
    sent_s = graph.transfer_s[:, 1:-1]
    spread = float(np.ptp(sent_s[np.isfinite(sent_s)])) if np.isfinite(sent_s).any() else 0.0
    scale_s = max(spread, 1e-12) / max(float(np.ptp(graph.loss)), 1e-12)
    low, high = np.log(scale_s) - 12.0, np.log(scale_s) + 6.0
    price_s = np.zeros(1)
    to_go_s = _to_go(graph, cap_s, price_s)
    best = 0
    for _ in range(3):
        exponents = np.linspace(low, high, N_PRICES)
        price_s = np.exp(exponents)
        to_go_s = _to_go(graph, cap_s, price_s)
        bound_s = to_go_s[0][:, -1, 0] - price_s * budget
        best = int(np.nan_to_num(bound_s, nan=-np.inf, posinf=-np.inf).argmax())
        low, high = exponents[max(best - 1, 0)], exponents[min(best + 1, N_PRICES - 1)]
    return PricedCost(float(price_s[best]), [table[best] for table in to_go_s])


def _to_go(graph: StageGraph, cap_s: float, price_s: Array) -> list[Array]:
    """Compute least remaining time plus priced loss for several prices, (n_prices, n_slots, n_layers + 1) each.

    Stage times are only bounded from below here (a relay sends the smallest ratio, receiving hides all computing under
    `paper`), which keeps the bound a bound.
    """
    model = graph.problem.delay_model
    n_nodes, n_cuts, _ = graph.transfer_s.shape
    end = np.full((len(price_s), graph.n_slots, n_cuts), np.inf)
    end[:, :, -1] = 0.0
    tables = [end]
    is_inner = np.zeros((n_cuts, 1))
    is_inner[1:-1] = 1.0
    for node in reversed(range(n_nodes)):
        arcs, after = graph.arcs[node], tables[-1]
        allowed_s = np.where(graph.transfer_s[node] <= cap_s, graph.transfer_s[node], np.inf)
        priced_s = (allowed_s + is_inner * price_s[:, None, None] * graph.loss).min(axis=-1)
        least_s = allowed_s.min(axis=-1)
        here = least_s + after if graph.problem.relay else np.full_like(after, np.inf)
        if len(arcs.start):
            slots = slice(1, None) if graph.is_bounded else slice(None)
            following = after[:, :-1] if graph.is_bounded else after
            value = arcs.compute_s + (priced_s[:, None] + following)[:, :, arcs.stop]
            if model in ("exact", "sequential"):
                stage_s = arcs.compute_s + (least_s[arcs.stop] if model == "sequential" else 0.0)
                value = np.where(stage_s <= cap_s, value, np.inf)
            best = np.minimum.reduceat(value, arcs.first, axis=-1)
            here[:, slots, arcs.cuts] = np.minimum(here[:, slots, arcs.cuts], best)
        tables.append(here)
    return tables[::-1]

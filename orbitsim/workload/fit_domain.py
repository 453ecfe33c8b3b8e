"""Why the profiles of a device say nothing of a model at a batch size: the domain of a fit, in words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orbitsim.catalog import BYTES_PER_VALUE
from orbitsim.types.profile import Profile
from orbitsim.workload.cost_fit import EXTRAPOLATION, PART_KINDS, part_work
from orbitsim.workload.cost_times import known_graphs
from orbitsim.workload.models import ModelGraph


def why_no_fit(graph: ModelGraph, precision: str, batch_size: int, profiles: Iterable[Profile]) -> str:
    """Return in words what keeps a fit on some profiles from a model at a batch size.

    Parameters
    ----------
    graph : ModelGraph
        The model that is asked for.
    precision : str
        Precision of computing.
    batch_size : int
        Samples in a mini-batch.
    profiles : iterable of Profile
        Those of one device in one power mode.

    Returns
    -------
    str
        The precision, the batch size or the FLOP that lie outside the domain; empty where none of them does.
    """
    at_hand = list(profiles)
    timed = sorted({profile.precision for profile in at_hand})
    if precision not in timed:
        return f"no fit crosses from one precision to another, and timed were {', '.join(timed) or 'none'}"
    if precision not in BYTES_PER_VALUE:
        return f"no fit knows the bytes of a value at {precision}"
    whole = [profile for profile in at_hand if profile.precision == precision and profile.covers_model]
    graphs = known_graphs({profile.model for profile in whole}, graph)
    fitting = [p for p in whole if p.model in graphs and p.n_layers == graphs[p.model].n_layers]
    if not fitting:
        return "a fit starts from embedding, all blocks and head of a model of the catalogue"
    low, high = min(p.batch_size for p in fitting), max(p.batch_size for p in fitting)
    if not low <= batch_size <= high:
        range_ = f"{low}" if low == high else f"{low} to {high}"
        return f"a fit reaches batch sizes from the smallest to the largest timed, {range_}, not {batch_size}"
    wanted = part_work(graph, precision, batch_size)
    for kind in PART_KINDS:
        timed_flop = np.concatenate([part_work(graphs[p.model], precision, p.batch_size)[kind].flop for p in fitting])
        most, least = float(timed_flop.max()), float(timed_flop.min())
        above, below = float(wanted[kind].flop.max()), float(wanted[kind].flop.min())
        reach = f"and a fit reaches {EXTRAPOLATION:.0f} times"
        if above > most * EXTRAPOLATION:
            what = f"{above / most:.3g} times the FLOP of the largest timed" if most else "FLOP, where none were timed"
            return f"its {kind} takes {what}, {reach}"
        if below < least / EXTRAPOLATION:
            what = f"one part in {least / below:.3g} of" if below else "none of"
            return f"its {kind} takes {what} the FLOP of the smallest timed, {reach}"
    return ""

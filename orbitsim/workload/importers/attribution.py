"""Time that a format cannot give to one block, spread over blocks in proportion to their FLOP: always `modelled`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from orbitsim.catalog import ModelEntry
from orbitsim.errors import InputError
from orbitsim.workload.importers.mapping import Target
from orbitsim.workload.models import transformer_graph


def target_flop(entry: ModelEntry) -> dict[Target, float]:
    """Return the FLOP of embedding, each block and head, for one sample.

    Parameters
    ----------
    entry : ModelEntry
        Model of the catalogue.

    Returns
    -------
    dict of (kind, index) to float
        In the order of execution. [FLOP]

    Notes
    -----
    Matrix products as in `orbitsim.workload.models`. An embedding or head without any (a look-up of tokens) counts one
    operation for each value that leaves it, so that it keeps a share of its own, however small.
    """
    # In three blocks the middle one is a block alone; the first carries the embedding besides, the last the head.
    graph = transformer_graph(entry.name, entry.architecture.model_copy(update={"n_blocks": 3}))
    first, block, last = (float(value) for value in graph.flop)
    values = float(graph.n_tokens * graph.width)
    n_blocks = entry.architecture.n_blocks
    return {
        ("embedding", 0): max(first - block, values),
        **{("block", index): block for index in range(n_blocks)},
        ("head", 0): max(last - block, float(graph.width)),
    }


def spread(total_s: float, targets: Sequence[Target], flop: Mapping[Target, float]) -> dict[Target, float]:
    """Return shares of a time in proportion to FLOP; they add up to it.

    Parameters
    ----------
    total_s : float
        Time to spread. [s]
    targets : sequence of (kind, index)
        What it was spent on.
    flop : mapping of (kind, index) to float
        FLOP of each. [FLOP]

    Returns
    -------
    dict of (kind, index) to float
        Share of each target. [s]

    Raises
    ------
    InputError
        When a target has no FLOP: the model has other blocks than the names say.
    """
    unknown = [target for target in targets if target not in flop]
    if unknown:
        n_blocks = sum(kind == "block" for kind, _ in flop)
        kind, index = unknown[0]
        raise InputError(f"expected at most the {n_blocks} blocks of the model, found {kind} {index}")
    total_flop = math.fsum(flop[target] for target in targets)
    return {target: total_s * flop[target] / total_flop for target in targets}

"""Delay of a pipelined task on a static route: four models of how computing and sending overlap.

Every function takes the stage times of one mini-batch and the number of mini-batches, and broadcasts over all axes but
the last, which runs over the nodes. Node k computes for ``compute_s[k]`` and then sends over hop k for
``transfer_s[k]``, arriving ``propagation_s[k]`` later; ``input_s`` (T0) is the transfer of raw tiles to node 0.
The paper is arXiv:2604.04654. All four share ``total = startup + (n_batches - 1) theta`` with
``startup = T0 + sum(compute + transfer + propagation)``; the paper's T_startup, Eq. (8), has no T0 and no propagation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Delay(NamedTuple):
    """Delay of a task, split as ``total = startup + (n_batches - 1) theta`` [s]."""

    total_s: Array
    startup_s: Array
    theta_s: Array


def _startup(input_s: ArrayLike, compute_s: ArrayLike, transfer_s: ArrayLike, propagation_s: ArrayLike) -> Array:
    stages = np.add(np.add(compute_s, transfer_s, dtype=np.float64), propagation_s)
    return np.asarray(np.asarray(input_s, dtype=np.float64) + stages.sum(axis=-1))


def _delay(startup_s: Array, theta_s: Array, n_batches: ArrayLike) -> Delay:
    if np.any(np.asarray(n_batches) < 1):
        raise ValueError("n_batches must be at least 1")
    return Delay(np.asarray(startup_s + (np.asarray(n_batches) - 1) * theta_s), startup_s, theta_s)


def exact(
    input_s: ArrayLike, compute_s: ArrayLike, transfer_s: ArrayLike, propagation_s: ArrayLike, n_batches: ArrayLike
) -> Delay:
    """Let computing and sending overlap: every processor and link serves one mini-batch at a time, first in first out.

    The makespan of a permutation flow shop with identical jobs and unbounded buffers, whose machines are the input
    link, the processors and the hops: the sum of the stage times plus (B - 1) times the longest of them. Propagation
    delays every mini-batch alike and occupies nothing, so it adds to the sum only.

    Parameters
    ----------
    input_s : array_like, (...)
        Transfer of one mini-batch of raw tiles to node 0 (T0) [s].
    compute_s, transfer_s, propagation_s : array_like, (..., n_nodes)
        Stage times of one mini-batch [s].
    n_batches : array_like of int, (...)
        Mini-batches in the task, at least 1.

    Returns
    -------
    Delay
        Total, startup and theta, each of shape (...) [s].

    Raises
    ------
    ValueError
        If `n_batches` is less than 1.

    Notes
    -----
    Source: Pinedo, Scheduling (5th ed.), section 6.1, proportionate case of identical jobs. Departs from the paper's
    Eqs. (9)-(11), which subtract from a stage's time the transfer that it can hide.
    """
    longest = np.maximum(np.max(compute_s, axis=-1), np.max(transfer_s, axis=-1))
    theta_s = np.maximum(np.asarray(input_s, dtype=np.float64), longest)
    return _delay(_startup(input_s, compute_s, transfer_s, propagation_s), np.asarray(theta_s), n_batches)


def paper(
    input_s: ArrayLike, compute_s: ArrayLike, transfer_s: ArrayLike, propagation_s: ArrayLike, n_batches: ArrayLike
) -> Delay:
    """Take the paper's effective stage delay: computing plus sending, less what overlaps with receiving.

    ``theta = max_k(comp_k + comm_k - min(comp_k, comm_{k-1}))`` with ``comm_{-1} = T0``.

    Parameters
    ----------
    input_s : array_like, (...)
        Transfer of one mini-batch of raw tiles to node 0 (T0) [s].
    compute_s, transfer_s, propagation_s : array_like, (..., n_nodes)
        Stage times of one mini-batch [s].
    n_batches : array_like of int, (...)
        Mini-batches in the task, at least 1.

    Returns
    -------
    Delay
        Total, startup and theta, each of shape (...) [s].

    Raises
    ------
    ValueError
        If `n_batches` is less than 1.

    Notes
    -----
    Source: arXiv:2604.04654, Eqs. (8)-(11) and (14). Departs from it by keeping in the objective the T0 of Eq. (11),
    which Eq. (13a) drops, and by adding propagation to the sum. The model lets a *longer* incoming transfer shorten
    theta, and theta can be shorter than T0 or than a transfer before it: a total below what a link can carry. It is
    kept to reproduce the paper; `exact` is what the network does.
    """
    comp, comm = np.broadcast_arrays(np.asarray(compute_s, dtype=np.float64), np.asarray(transfer_s, dtype=np.float64))
    first = np.broadcast_to(np.asarray(input_s, dtype=np.float64)[..., None], (*comm.shape[:-1], 1))
    before = np.concatenate([first, comm[..., :-1]], axis=-1)
    theta_s = np.max(comm + np.maximum(comp - before, 0.0), axis=-1)
    return _delay(_startup(input_s, comp, comm, propagation_s), np.asarray(theta_s), n_batches)


def sequential(
    input_s: ArrayLike, compute_s: ArrayLike, transfer_s: ArrayLike, propagation_s: ArrayLike, n_batches: ArrayLike
) -> Delay:
    """Hold one resource per node from the start of computing to the end of sending; nodes still overlap.

    ``theta = max(T0, max_k(comp_k + comm_k))``.

    Parameters
    ----------
    input_s : array_like, (...)
        Transfer of one mini-batch of raw tiles to node 0 (T0) [s].
    compute_s, transfer_s, propagation_s : array_like, (..., n_nodes)
        Stage times of one mini-batch [s].
    n_batches : array_like of int, (...)
        Mini-batches in the task, at least 1.

    Returns
    -------
    Delay
        Total, startup and theta, each of shape (...) [s].

    Raises
    ------
    ValueError
        If `n_batches` is less than 1.

    Notes
    -----
    Source: the flow shop of `exact` with computing and sending of a node as one machine. In the paper's terms, Eq. (10)
    without the overlap of Eq. (9).
    """
    longest = np.max(np.add(compute_s, transfer_s, dtype=np.float64), axis=-1)
    theta_s = np.maximum(np.asarray(input_s, dtype=np.float64), longest)
    return _delay(_startup(input_s, compute_s, transfer_s, propagation_s), np.asarray(theta_s), n_batches)


def serial(
    input_s: ArrayLike, compute_s: ArrayLike, transfer_s: ArrayLike, propagation_s: ArrayLike, n_batches: ArrayLike
) -> Delay:
    """Run without a pipeline: a mini-batch starts when the one before it has arrived.

    ``total = B (T0 + sum(comp + comm + prop))``, so theta equals the startup time.

    Parameters
    ----------
    input_s : array_like, (...)
        Transfer of one mini-batch of raw tiles to node 0 (T0) [s].
    compute_s, transfer_s, propagation_s : array_like, (..., n_nodes)
        Stage times of one mini-batch [s].
    n_batches : array_like of int, (...)
        Mini-batches in the task, at least 1.

    Returns
    -------
    Delay
        Total, startup and theta, each of shape (...) [s].

    Raises
    ------
    ValueError
        If `n_batches` is less than 1.

    Notes
    -----
    Source: arXiv:2604.04654, Eqs. (8) and (11) with one mini-batch at a time; not a model of the paper.
    """
    startup_s = _startup(input_s, compute_s, transfer_s, propagation_s)
    return _delay(startup_s, startup_s, n_batches)


DELAY_MODELS: Mapping[str, Callable[[Any, Any, Any, Any, Any], Delay]] = MappingProxyType(
    {"exact": exact, "paper": paper, "sequential": sequential, "serial": serial}
)

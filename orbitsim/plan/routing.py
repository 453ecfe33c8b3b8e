"""Which satellites may compute: the compute chain of a task when no route planner chooses it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def plane_successors(plane: NDArray[np.int64], slot: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each satellite of a shell the one ahead of it in its plane; its own index where it is alone.

    Parameters
    ----------
    plane, slot : (n,) int array
        Plane of each satellite, and its place in the plane in the direction of motion.
    """
    order = np.lexsort((slot, plane))
    after = np.empty_like(order)
    for members in np.split(order, np.flatnonzero(np.diff(plane[order])) + 1):
        after[members] = np.roll(members, -1)
    return after


def first_chain(sensor: int, successor: Sequence[int], n_compute: int, *, sensor_computes: bool) -> tuple[int, ...]:
    """Return the first `n_compute` satellites from the sensor on, along its plane.

    Parameters
    ----------
    sensor : int
        Sensing satellite.
    successor : sequence of int
        For each satellite the neighbour ahead; its own index where there is none.
    n_compute : int
        Satellites that may compute, at most; fewer when the plane has fewer.
    sensor_computes : bool
        Whether the sensor is the first of them, or only sends raw tiles to the first.

    Returns
    -------
    tuple of int
        Empty when nobody can compute: the sensor may not, and has no neighbour.
    """
    chain = [sensor] if sensor_computes else []
    current = sensor
    while len(chain) < n_compute:
        current = int(successor[current])
        if current == sensor or current in chain:
            break
        chain.append(current)
    return tuple(chain)

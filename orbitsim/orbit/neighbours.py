"""Neighbours: which satellites of a constellation have a crosslink terminal pointed at each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.constellation import Constellation, Shell

TOPOLOGIES = ("ring", "grid", "none")

IntArray = NDArray[np.int64]


def crosslink_edges(constellation: Constellation, topology: str) -> IntArray:
    """List the pairs of neighbours.

    Parameters
    ----------
    constellation : Constellation
        The satellites; links stay within a shell.
    topology : str
        ``"ring"``: the satellites before and behind in the plane; ``"grid"``: also those in the two adjacent planes;
        ``"none"``.

    Returns
    -------
    (n, 2) int ndarray
        Indices of the two ends, the lower first, sorted, each pair once.

    Raises
    ------
    ValueError
        If `topology` is unknown.

    Notes
    -----
    Across planes, slot s of plane p is paired with slot s of plane p + 1. Behind the last plane P - 1 of a Delta the
    planes have gone round once and Walker's phasing F has shifted the satellites by F slots, so slot s is paired with
    slot s + F (mod S) of plane 0. In a Star the last plane and plane 0 fly in opposite directions: no link there.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {TOPOLOGIES}, got {topology!r}")
    pairs = [np.empty((0, 2), dtype=np.int64)]
    if topology != "none":
        for shell, where in zip(constellation.shells, constellation.slices, strict=True):
            pairs.append(_ring(shell) + where.start)
            if topology == "grid":
                pairs.append(_across(shell) + where.start)
    edges = np.sort(np.concatenate(pairs), axis=1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    return np.unique(edges, axis=0)


def _at(shell: Shell) -> tuple[IntArray, int]:
    """Return the satellite at each (plane, slot), and the number of slots."""
    n_slots = len(shell) // shell.n_planes
    satellite = np.empty((shell.n_planes, n_slots), dtype=np.int64)
    satellite[shell.plane, shell.slot] = np.arange(len(shell))
    return satellite, n_slots


def _ring(shell: Shell) -> IntArray:
    satellite, _ = _at(shell)
    return np.stack((satellite.ravel(), np.roll(satellite, -1, axis=1).ravel()), axis=1)


def _across(shell: Shell) -> IntArray:
    satellite, _ = _at(shell)
    inner = np.stack((satellite[:-1].ravel(), satellite[1:].ravel()), axis=1)
    if shell.kind != "walker-delta" or shell.n_planes == 1:
        return inner
    seam = np.stack((satellite[-1], np.roll(satellite[0], -shell.phasing)), axis=1)
    return np.concatenate((inner, seam))

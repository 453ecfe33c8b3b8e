"""A route: the chain of nodes that a task's data passes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """Sensing satellite, satellites of the compute chain, ground station.

    Parameters
    ----------
    sensor : int
        Satellite that takes the images.
    chain : tuple of int
        Satellites that may compute, in order; its first is the sensor itself where the sensor computes.
    station : int or None
        Station that may compute, or that an idealised downlink leads to; None without such a station.
    fixed : bool
        The whole route is fixed beforehand, downlink of the last satellite included (the paper's idealisation);
        otherwise what is to be delivered finds its way at run time.

    Raises
    ------
    ValueError
        If the chain is empty or visits a satellite twice.
    """

    sensor: int
    chain: tuple[int, ...]
    station: int | None
    fixed: bool

    def __post_init__(self) -> None:
        if not self.chain or len(set(self.chain)) != len(self.chain):
            raise ValueError(f"a compute chain visits each of at least one satellite once: {self.chain}")

    @property
    def sensor_computes(self) -> bool:
        """Whether the sensing satellite is the first of the compute chain."""
        return self.sensor == self.chain[0]

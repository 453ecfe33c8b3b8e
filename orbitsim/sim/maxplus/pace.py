"""Whether the recursion is worth it: runs of mini-batches have to be long enough to be faster than an event loop.

Work is counted, not timed, so that the same scenario is always simulated by the same engine.
"""

from __future__ import annotations

from orbitsim.sim.maxplus.undetermined import UndeterminedError

PASSAGES_OF_A_RUN = 8
"""Passages that an event loop carries out in the time that a run of any length takes here."""

FREE_RUNS = 200
"""Runs that may be shorter: they take less time than anybody notices."""


class Pace:
    """Counts runs of mini-batches through stages, and how many mini-batches were in them.

    Attributes
    ----------
    n_runs : int
        Runs so far, those of slices that became void included.
    n_passages : int
        Passages in them, each once.
    """

    def __init__(self) -> None:
        self.n_runs = self.n_passages = 0

    def check(self, n_runs: int = 0, n_passages: int = 0) -> None:
        """Check the pace.

        Parameters
        ----------
        n_runs, n_passages : int
            What is not counted yet, because it may become void.

        Raises
        ------
        UndeterminedError
            Where runs are so short that an event loop takes less time.
        """
        if self.n_runs + n_runs > FREE_RUNS + (self.n_passages + n_passages) / PASSAGES_OF_A_RUN:
            raise UndeterminedError("its mini-batches take turns on so many ways that the recursion would be slower")

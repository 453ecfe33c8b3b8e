"""Which engine simulates: the event loop, or the recursion with the event loop to fall back on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.maxplus.engine import simulate_scheme_vectorised
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob, SchemeRun

EngineName = Literal["simpy", "vectorised"]


@dataclass(eq=False, slots=True)
class Engine:
    """Simulates schemes, and remembers what the recursion could not express.

    Attributes
    ----------
    name : {"simpy", "vectorised"}
        The engine.
    fell_back : dict of str to None
        Why the event loop stepped in, in the order of occurrence; each reason once.
    """

    name: EngineName = "simpy"
    fell_back: dict[str, None] = field(default_factory=dict)

    def simulate(
        self,
        world: World,
        job: SchemeJob,
        *,
        backlog: str = "carry",
        record: bool = True,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> SchemeRun:
        """Simulate one scheme; arguments, result and errors as those of `orbitsim.sim.engine.simulate_scheme`."""
        if self.name == "vectorised":
            try:
                return simulate_scheme_vectorised(world, job, backlog=backlog, record=record, progress=progress)
            except UndeterminedError as error:
                self.fell_back[str(error)] = None
        return simulate_scheme(world, job, backlog=backlog, record=record, progress=progress)

    def take_notes(self, scheme: str) -> list[str]:
        """Return a note for each reason since the last call, for a scheme and what was tried for its choices."""
        notes = [f"{scheme} was simulated event by event, because {reason}" for reason in self.fell_back]
        self.fell_back.clear()
        return notes

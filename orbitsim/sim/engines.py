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
    fell_back : dict of str to int
        Why the event loop stepped in, in the order of occurrence, and how often.
    n_simulated : int
        Simulations since notes were taken last.
    """

    name: EngineName = "simpy"
    fell_back: dict[str, int] = field(default_factory=dict)
    n_simulated: int = 0

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
        self.n_simulated += 1
        if self.name == "vectorised":
            try:
                return simulate_scheme_vectorised(world, job, backlog=backlog, record=record, progress=progress)
            except UndeterminedError as error:
                self.fell_back[str(error)] = self.fell_back.get(str(error), 0) + 1
        return simulate_scheme(world, job, backlog=backlog, record=record, progress=progress)

    def take_notes(self, scheme: str) -> list[str]:
        """Return a note for each reason since the last call, for a scheme and what was tried for its choices."""
        notes: list[str] = []
        for reason, n_times in self.fell_back.items():
            some = f", in {n_times} of {self.n_simulated} simulations (the scheme, and what was tried for its choices)"
            how_often = some if n_times < self.n_simulated else ""
            notes.append(f"{scheme} was simulated event by event, because {reason}{how_often}")
        self.fell_back.clear()
        self.n_simulated = 0
        return notes

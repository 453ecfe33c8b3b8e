"""Puts together what the simulations of one scheme leave behind: one for all tasks, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from orbitsim.sim.controller import PlanLog
from orbitsim.sim.jobs import Step, Task
from orbitsim.sim.places import Server
from orbitsim.sim.recorder import Passages
from orbitsim.sim.scheme import PlaceUse, SchemeRun


class Gathering:
    """A scheme's run, simulation by simulation; servers of the same name and kind are one place.

    Parameters
    ----------
    node_names : sequence of str
        Names of the nodes, satellites first: the order of the places.
    """

    def __init__(self, node_names: Sequence[str]) -> None:
        self._rank = {name: index for index, name in enumerate(node_names)}
        self._run = SchemeRun()
        self._uses: dict[tuple[str, str], PlaceUse] = {}
        self._place_index: dict[str, int] = {}

    def add(
        self, tasks: Sequence[Task], servers: Sequence[Server], steps: Sequence[Step], passages: Passages | None
    ) -> None:
        """Add a simulation: its tasks, servers, steps, and passages if kept."""
        self._run.tasks.extend(tasks)
        self._run.steps.extend(steps)
        for server in servers:
            self._place_index.setdefault(server.name, len(self._place_index))
            known = self._uses.get((server.name, server.kind), PlaceUse(server.name, server.kind, 0.0, 0.0, 0))
            self._uses[server.name, server.kind] = PlaceUse(
                server.name,
                server.kind,
                known.busy_s + server.busy_s,
                known.n_bytes + server.n_bytes,
                known.n_served + server.n_served,
            )
        if passages is not None:
            places = np.zeros(1 + max((server.index for server in servers), default=0), dtype=np.int32)
            for server in servers:
                places[server.index] = self._place_index[server.name]
            self._run.passages.append(
                Passages(
                    passages.task,
                    passages.batch,
                    places[passages.place],
                    passages.part,
                    passages.start_s,
                    passages.end_s,
                )
            )

    def run(self, log: PlanLog) -> SchemeRun:
        """Return what was gathered, with the plans of the controller's log."""
        self._run.places = sorted(self._uses.values(), key=lambda use: self._key(use.name))
        names = list(self._place_index)
        order = sorted(range(len(names)), key=lambda index: self._key(names[index]))
        self._run.place_names = [names[index] for index in order]
        position = np.empty(len(order), dtype=np.int32)
        position[order] = np.arange(len(order))
        self._run.passages = [replace(part, place=position[part.place]) for part in self._run.passages]
        self._run.plans = log.records
        return self._run

    def _key(self, place: str) -> tuple[int, ...]:
        """Order places by their node: its processor, then its transmitters by where they send."""
        return tuple(self._rank.get(node, len(self._rank)) for node in place.split(">"))

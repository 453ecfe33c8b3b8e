"""The whole scenario, and its validation with every error at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.base import AsTuple, Section, Title
from orbitsim.scenario.checks import Partial, cross_problems
from orbitsim.scenario.links import Links
from orbitsim.scenario.messages import problems_of
from orbitsim.scenario.sections import Clock, Codec, Planner, Run, Shell, Station, Target, Workload


class Scenario(Section):
    """A scenario: everything that determines a run."""

    name: Title
    """Name of the scenario; names the run folder."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of every random stream."""
    clock: Clock
    """When it happens."""
    shells: Annotated[tuple[Shell, ...], AsTuple, Field(min_length=1)]
    """Groups of satellites."""
    stations: Annotated[tuple[Station, ...], AsTuple, Field(min_length=1)]
    """Ground stations."""
    targets: Annotated[tuple[Target, ...], AsTuple] = ()
    """Places to be observed."""
    links: Links
    """Crosslinks and downlinks."""
    workload: Workload
    """What is to be inferred."""
    codec: Codec = Codec()
    """How activations are compressed."""
    planner: Planner = Planner()
    """Who decides the split."""
    run: Run = Run()
    """How it is carried out."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> Scenario:
        problems = cross_problems(Partial.of_model(self))
        if problems:
            raise ValueError("; ".join(str(problem) for problem in problems))
        return self

    @property
    def n_slots(self) -> int:
        """Number of slots, each of which may start a task."""
        return round(self.clock.duration_s / self.clock.slot_s)


def validate_scenario(data: Mapping[str, Any], source: str = "") -> Scenario:
    """Build a `Scenario` from plain data.

    Parameters
    ----------
    data : mapping
        Tables as TOML gives them.
    source : str
        File to name in error messages.

    Raises
    ------
    InputError
        With every problem of the data: each faulty key, and each rule across keys that the sound keys break.
    """
    try:
        return Scenario.model_validate(dict(data))
    except ValidationError as error:
        faulty = error.errors(include_url=False)
    problems = [Problem(p.key, p.message, source) for p in problems_of(faulty, Scenario, data)]
    seen = {problem.key for problem in problems}
    partial = Partial.of_data(Scenario, data, [tuple(item["loc"]) for item in faulty])
    problems += [Problem(p.key, p.message, source) for p in cross_problems(partial) if p.key not in seen]
    raise InputError(problems)

"""The whole scenario, and its validation with every error at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.base import AsTuple, FrozenTables, Section, Title
from orbitsim.scenario.checks import RULES, Rule, broken_rules
from orbitsim.scenario.devices import TracedDevice
from orbitsim.scenario.kinds import assume_kinds
from orbitsim.scenario.links import Links
from orbitsim.scenario.messages import problems_of
from orbitsim.scenario.partial import sound_part
from orbitsim.scenario.sections import Clock, Codec, Planner, Run, Shell, Station, Target, Workload


class Scenario(Section):
    """A scenario: everything that determines a run."""

    name: Title
    """Name of the scenario; names the run folder."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    """Seed of every random stream; kept with the results. Replaying a trace with `bootstrap` draws from them."""
    clock: Clock
    """When it happens."""
    shells: Annotated[tuple[Shell, ...], AsTuple, Field(min_length=1)]
    """Groups of satellites."""
    stations: Annotated[tuple[Station, ...], AsTuple, Field(min_length=1)]
    """Ground stations."""
    targets: Annotated[tuple[Target, ...], AsTuple] = ()
    """Places to be observed."""
    device: Annotated[dict[str, TracedDevice], AfterValidator(FrozenTables)] = FrozenTables()
    """Computers of the shells and stations that are known by a trace."""
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
        problems = broken_rules(self, RULES)
        if problems:
            raise ValueError("; ".join(str(problem) for problem in problems))
        return self

    @property
    def n_slots(self) -> int:
        """Number of slots, each of which may start a task."""
        return round(self.clock.duration_s / self.clock.slot_s)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of raw data.

    Attributes
    ----------
    scenario : Scenario or None
        The scenario; None when there are problems.
    faults : list of Problem
        Of single keys.
    broken : list of Problem
        Of keys that are sound on their own but do not go together, or not with the world outside the file.
    """

    scenario: Scenario | None
    faults: list[Problem]
    broken: list[Problem]


def check_scenario(data: Mapping[str, Any], *, rules: Sequence[Rule] = ()) -> Checked:
    """Check plain data, and build a `Scenario` from it when it is sound.

    Parameters
    ----------
    data : mapping
        Tables as TOML or JSON gives them.
    rules : sequence of Rule
        Rules to check beside those of `checks.RULES`.

    Returns
    -------
    Checked
        The scenario, or every problem of the data: each faulty key, and each rule that the sound keys break.
    """
    filled, faults = assume_kinds(Scenario, data)
    scenario = None
    try:
        scenario = Scenario.model_validate(filled)
    except ValidationError as error:
        faults += problems_of(error.errors(include_url=False), Scenario)
    if scenario is not None and not faults:
        broken = broken_rules(scenario, rules)
    else:
        faulty = {fault.key for fault in faults}
        broken = broken_rules(sound_part(Scenario, filled, faulty), (*RULES, *rules))
        broken = [problem for problem in broken if problem.key not in faulty]
    return Checked(None if faults or broken else scenario, faults, broken)


def validate_scenario(data: Mapping[str, Any]) -> Scenario:
    """Build a `Scenario` from plain data.

    Parameters
    ----------
    data : mapping
        Tables as TOML or JSON gives them.

    Raises
    ------
    InputError
        With every problem of the data.
    """
    checked = check_scenario(data)
    if checked.scenario is None:
        raise InputError([*checked.faults, *checked.broken])
    return checked.scenario

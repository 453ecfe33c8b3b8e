"""The error family: what went wrong, where, and which exit code the command line gives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one input.

    Attributes
    ----------
    key : str
        Dotted path of the faulty key (``links.downlink.rate_bps``, ``shells.0.altitude_m``); empty for the whole input.
    message : str
        What was expected, and what was found instead.
    source : str
        File (or other origin, such as ``--set``) that holds the key; empty when there is none.
    """

    key: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.message) if part)


class OrbitsimError(Exception):
    """Base of every error that orbitsim raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


class InputError(OrbitsimError):
    """Input that is missing, unreadable or malformed; carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = [Problem(key="", message=problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def located(self, source: str | Path) -> InputError:
        """Return the same error with `source` named wherever a problem does not name its own."""
        return InputError(Problem(p.key, p.message, p.source or str(source)) for p in self.problems)


class InfeasibleError(OrbitsimError):
    """A well-formed problem without a solution; says which constraint cannot be met."""


class PropagationError(OrbitsimError):
    """SGP4 failed for a satellite; names the satellite, the time and SGP4's reason."""


class OutputError(OrbitsimError):
    """A result could not be written; nothing that existed before was changed."""


class LawError(OrbitsimError):
    """A conservation law did not hold at the end of a run: a defect of the simulator, never of the input."""

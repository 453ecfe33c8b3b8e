"""What a reproduction of a published result consists of: statements, assumptions, a measure, findings, figures.

These types lie below everything that measures, so that experiments of the simulator and of the codecs share them; the
registry of experiments is `orbitsim.reproduce.registry`. What `measure` returns is plain data (JSON), kept on disk as
it is: `judge`, `effects` and `draw` are pure functions of it, so tables and figures are made again without measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
"""Plain data, as JSON holds it: texts, finite numbers, booleans, None, lists and tables with texts as keys."""

Agreement = Literal["yes", "partly", "no", "not comparable"]

Progress = Callable[[str, int, int], None]
"""Told what is being measured, how many parts of it are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Something that a paper says and that can be checked.

    Attributes
    ----------
    name : str
        Short name, unique within the experiment.
    where : str
        Where it stands: ``"Fig. 3, Section VI-B1"``.
    claim : str
        What it says, in our words, with the published figure.
    published : mapping of str to float
        Its figures by name with the unit in the name, for figures to draw beside ours; empty for words.
    """

    name: str
    where: str
    claim: str
    published: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that the paper does not say, or says in two ways, and that had to be chosen.

    Attributes
    ----------
    name : str
        Short name, unique within the experiment.
    taken : str
        What was taken.
    because : str
        Why, and from where the figure comes.
    """

    name: str
    taken: str
    because: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table: a statement beside what was found.

    Attributes
    ----------
    statement : str
        Name of the statement.
    ours : mapping of str to str
        What was found, by the conditions under which (``"idealised"``, ``"real contacts"``, ``"measured"``), in words
        and figures with units.
    agrees : {"yes", "partly", "no", "not comparable"}
        Whether it agrees with the statement.
    reason : str
        Why not; empty where it agrees. Says a cause only where a row of `Effect` or a figure shows it.
    """

    statement: str
    ours: Mapping[str, str]
    agrees: Agreement
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of the sensitivity table: an assumption taken otherwise.

    Attributes
    ----------
    assumption : str
        Name of the assumption.
    variant : str
        What was taken instead.
    measure : str
        What is compared, with its unit.
    base, value : float or None
        The measure as assumed and with the variant; None where it cannot be had (a scheme that is infeasible).
    note : str
        What the change means for a statement, in words; may be empty.
    """

    assumption: str
    variant: str
    measure: str
    base: float | None
    value: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What an experiment is given to measure with.

    Attributes
    ----------
    small : bool
        A reduced version that takes seconds and shows that everything works; its figures are not for print.
    workers : int
        Processes to use at most.
    folder : Path
        Working folder of this experiment, kept when a run is interrupted: partial results stored there (whole files,
        moved into place when complete) are found again by the next attempt. Not part of the output.
    progress : callable
        To be told how far it is.
    data : tuple of Path
        Folders of images (``--data``), for experiments that need some; may be empty.
    shared : Path or None
        Folder (``--cache``) for what several experiments, or runs, have in common, such as trained models; None: the
        working folder.
    """

    small: bool
    workers: int
    folder: Path
    progress: Progress
    data: tuple[Path, ...] = ()
    shared: Path | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A published figure or table: what it states, and how it is measured, judged and drawn here.

    Attributes
    ----------
    name : str
        Name on the command line and of the output files: ``"fig3"``.
    title : str
        What it shows, one line.
    source : str
        The publication.
    statements : tuple of Statement
        What it says.
    assumptions : tuple of Assumption
        What had to be assumed.
    settings : tuple of str
        How it is set up, one line each: a base scenario and its ``key=value`` settings, or a command.
    measure : callable
        ``Bench -> data``.
    judge : callable
        ``data -> findings``, one for each statement, in their order.
    draw : callable
        ``data -> figures`` by the stem of their file names. Makes `matplotlib.figure.Figure` objects directly, never
        through pyplot. The caller saves them as PNG, SVG and PDF.
    effects : callable, optional
        ``data -> sensitivity rows``.
    caption : str
        What to know when reading its figures, one line below them; may be empty.
    extra : str
        Optional dependencies that it needs beside those of ``orbitsim[report]``: ``"neural"``; empty for none.
    """

    name: str
    title: str
    source: str
    statements: tuple[Statement, ...]
    assumptions: tuple[Assumption, ...]
    settings: tuple[str, ...]
    measure: Callable[[Bench], dict[str, Any]]
    judge: Callable[[Data], Sequence[Finding]]
    draw: Callable[[Data], Mapping[str, Figure]]
    effects: Callable[[Data], Sequence[Effect]] | None = None
    caption: str = ""
    extra: str = ""

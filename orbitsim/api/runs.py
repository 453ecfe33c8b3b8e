"""Runs from Python: what `orbitsim run` does, with the results as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orbitsim.api.results import Results
from orbitsim.api.scenarios import scenario_of
from orbitsim.loading import change_scenario
from orbitsim.pipeline.run import Progress, run_scenario, summary_document
from orbitsim.results import store
from orbitsim.scenario import Scenario


def run(
    scenario: Scenario | str | Path,
    schemes: str | Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Results:
    """Run a scenario: every scheme on the same world.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A loaded scenario, or anything that `load_scenario` takes.
    schemes : str or sequence of str, optional
        Run these schemes instead of the scenario's own.
    out : str or Path, optional
        Run folder to write; without it nothing is written, and `Results.save` may write it later.
    force : bool
        Replace an existing run folder.
    settings, overrides
        Changes of the scenario, as for `load_scenario`.
    progress : callable, optional
        Told the name of the stage or scheme, what is done, and what there is to do.

    Returns
    -------
    Results
        Tables and summary. A scheme that cannot run is in the summary with its reason; the others run.

    Raises
    ------
    InputError
        When the scenario is faulty, something that it names is missing, or `out` must not be replaced.
    OutputError
        When `out` cannot be written.

    Examples
    --------
    >>> import orbitsim
    >>> results = orbitsim.run("quick", schemes=["collaborative", "ground-only"])
    >>> int(results.schemes.loc["collaborative", "delivered"])
    12
    """
    chosen = scenario_of(scenario, settings, overrides)
    if schemes is not None:
        names = [schemes] if isinstance(schemes, str) else list(schemes)
        chosen = change_scenario(chosen, {"run.schemes": names})
    folder = None if out is None else Path(out)
    if folder is not None:
        store.check_target(folder, force=force)  # before the work, not after it
    result = run_scenario(chosen) if progress is None else run_scenario(chosen, progress=progress)
    results = Results(summary_document(result, ["orbitsim.run"]), result.tables)
    if folder is not None:
        results.save(folder, force=force)
    return results

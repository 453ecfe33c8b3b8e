"""Scenarios from Python: by name or file, changed by plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orbitsim import loading
from orbitsim.errors import InputError
from orbitsim.scenario import Scenario


def load_scenario(
    name_or_path: str | Path,
    *,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    overrides: Sequence[str] = (),
) -> Scenario:
    """Load a scenario.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped scenario by name (``"leo12-vitg"``), a TOML file, the ``scenario.json`` of a run, or its folder.
    settings : mapping of str to value, or sequence of str, optional
        Keys to change: ``{"links.downlink.rate_bps": 0.2e9}``, or texts as of ``--set``.
    overrides : sequence of str
        Named tables under ``[overrides]`` of the file to apply, in order.

    Returns
    -------
    Scenario
        Frozen and validated; its keys are attributes (``scenario.links.downlink.rate_bps``), in SI units. [-]

    Raises
    ------
    InputError
        With every problem found, each with the file and the key that it is about.

    Examples
    --------
    >>> import orbitsim
    >>> scenario = orbitsim.load_scenario("quick", settings={"workload.resolution": "1080p"})
    >>> scenario.workload.resolution
    '1080p'
    """
    if not isinstance(name_or_path, str | Path):
        raise InputError(f"expected the name or the file of a scenario, got {type(name_or_path).__name__}")
    given = Path(name_or_path)
    if (given / "summary.json").is_file():
        name_or_path = given / "scenario.json"
    return loading.load_scenario(
        name_or_path,
        settings=_texts(settings) if isinstance(settings, str) else plain_settings(settings),
        overrides=[overrides] if isinstance(overrides, str) else overrides,
    )


def scenario_of(
    given: Scenario | str | Path,
    settings: Mapping[str, Any] | Sequence[str] | None,
    overrides: Sequence[str] = (),
) -> Scenario:
    """Return a scenario that was given as such, by name or by file, with some keys changed."""
    if not isinstance(given, Scenario):
        return load_scenario(given, settings=settings, overrides=overrides)
    if overrides:
        raise InputError("expected no overrides with a loaded scenario: its file knows them; use settings")
    return loading.change_scenario(given, plain_settings(settings)) if settings else given


def plain_settings(settings: Mapping[str, Any] | Sequence[str] | None) -> Mapping[str, Any] | Sequence[str]:
    """Return settings with numpy's numbers and arrays, tuples and paths as plain values."""
    if isinstance(settings, Mapping):
        return {str(key): _plain(value) for key, value in settings.items()}
    return _texts(settings)


def _texts(settings: Sequence[str] | None) -> Sequence[str]:
    return [settings] if isinstance(settings, str) else list(settings or ())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value

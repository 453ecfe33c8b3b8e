"""What each computer of a scenario did in a scheme's simulation, and what its times rest on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.loading.device_traces import find_trace, hash_of
from orbitsim.pipeline.replays import devices_of_nodes
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import Work
from orbitsim.plan.stages import ORIGINS
from orbitsim.results.frames import frame
from orbitsim.sim.jobs import Part
from orbitsim.sim.scheme import SchemeRun
from orbitsim.types.profile import Profile

if TYPE_CHECKING:
    import pandas as pd


def device_table(scheme: str, run: SchemeRun, work: Work, space: Space) -> pd.DataFrame:
    """Return the rows of `devices` of one scheme: one for each computer of the scenario, whether it was used or not."""
    device_of = dict(devices_of_nodes(space))
    names = list(work.costs)
    spent: dict[str, list[Any]] = {name: [] for name in names}
    for step in run.steps:
        if step.part is Part.COMPUTE and step.count:
            spent[device_of[step.node]].append(step)
    rows = [{"scheme": scheme, **_basis(work, name), **_spent(spent[name])} for name in names]
    return frame("devices", {column: [row[column] for row in rows] for column in rows[0]})


def _basis(work: Work, name: str) -> dict[str, Any]:
    costs = work.costs[name]
    profile = costs.profile
    trace, sha256 = _trace_of(work, name)
    rows = () if profile is None else profile.parts
    samples = [len(row.samples_s or ()) for row in rows]
    temperatures = [row.temperature_k for row in rows if row.temperature_k is not None]
    return {
        "device": name,
        "method": costs.method,
        "basis": costs.basis,
        "trace": trace,
        "trace_sha256": sha256,
        "replay": None if trace is None else work.replay_of(name),
        "n_samples": min(samples, default=0),
        "energy_origin": costs.energy_origin,
        "max_temperature_k": max(temperatures, default=math.nan),
        "throttled_share": math.nan if profile is None else throttled_share(profile),
    }


def _trace_of(work: Work, name: str) -> tuple[str | None, str | None]:
    """Return name and hash of the trace that a computer's times come from; None where there is none."""
    traced = work.traces.get(name)
    if traced is not None:
        return Path(traced.trace.path).name, traced.trace.sha256
    profile = work.costs[name].profile
    path = None if profile is None else find_trace(Path(profile.source).stem)
    return (None, None) if path is None else (path.name, hash_of(path))


def throttled_share(profile: Profile) -> float:
    """Return the share of the mean time of a model that lies in parts recorded as throttled; nan where none says."""
    known = [row for row in profile.parts if row.throttled is not None]
    if not known:
        return math.nan
    return math.fsum(row.mean_s for row in known if row.throttled) / math.fsum(row.mean_s for row in known)


def _spent(steps: list[Any]) -> dict[str, Any]:
    spent = [step.spent for step in steps]
    energies = [each.energy_j for each in spent]
    energy_j = math.nan if None in energies else math.fsum(e for e in energies if e is not None)
    compute_s = math.fsum(seconds for each in spent for seconds in each.origin_s)
    return {
        "n_executions": sum(step.count for step in steps),
        "compute_s": compute_s,
        **{f"{origin}_s": math.fsum(each.origin_s[i] for each in spent) for i, origin in enumerate(ORIGINS)},
        "codec_s": math.fsum(step.codec_s * step.count for step in steps),
        "energy_j": energy_j,
        "mean_power_w": energy_j / compute_s if compute_s else math.nan,
    }


def compute_summary(devices: pd.DataFrame) -> dict[str, Any]:
    """Return what a scheme's compute time and energy rest on, from its rows of `devices`.

    Returns
    -------
    dict
        `seconds` (codec left out), `origin_s` and `method_s` (which kind of figure, and which source in the cost model,
        each with its seconds), and `energy_origin` (the weakest of those of the energy; None where that is not known).
    """
    used = devices[devices["n_executions"] > 0]
    origins = {str(origin) for origin in used["energy_origin"].dropna()}
    known = bool(len(used)) and not bool(used["energy_j"].isna().any())
    methods = used.groupby(used["method"].astype(str), sort=False)["compute_s"].sum()
    return {
        "seconds": float(used["compute_s"].sum()),
        "origin_s": {origin: float(used[f"{origin}_s"].sum()) for origin in ("measured", "published", "modelled")},
        "method_s": {str(method): float(seconds) for method, seconds in methods.items()},
        "energy_origin": next((o for o in ("modelled", "published", "measured") if known and o in origins), None),
    }

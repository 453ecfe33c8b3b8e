"""Computers that a scenario knows by a trace: `[device.NAME]` to a device, and the profiles that give its times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from orbitsim import catalog
from orbitsim.catalog import Device
from orbitsim.catalog.entries import Figure
from orbitsim.errors import InputError, Problem
from orbitsim.loading.files import found_at
from orbitsim.scenario.devices import Replay
from orbitsim.scenario.suggestions import suggestion
from orbitsim.types.profile import BlockTiming, Profile
from orbitsim.workload.cost import LayerTimes, layer_times
from orbitsim.workload.fit_domain import why_no_fit
from orbitsim.workload.models import ModelGraph
from orbitsim.workload.traces import Trace, find_traces, read_trace

SUFFIX = ".parquet"


@dataclass(frozen=True, eq=False, slots=True)
class DeviceTrace:
    """A computer as its trace knows it.

    Attributes
    ----------
    device : Device
        What the cost model takes: board and power mode of the trace, and nothing that would take the trace's place.
    trace : Trace
        The trace.
    profiles : tuple of Profile
        Those of the scenario's precision on this board in this power mode.
    replay : {"mean", "bootstrap", "in-order"}
        How the times of mini-batches come from it.
    """

    device: Device
    trace: Trace
    profiles: tuple[Profile, ...]
    replay: Replay


def find_trace(name: str) -> Path | None:
    """Return the file of a trace given by path or by the name of a shipped one; None when there is neither."""
    if name.endswith(SUFFIX):
        return Path(name) if found_at(Path(name)) == "file" else None
    return {path.stem: path for path in find_traces()}.get(name)


def named_trace(name: str, key: str) -> Trace:
    """Read a trace given by path or by the name of a shipped one.

    Raises
    ------
    InputError
        When there is none, or with every fault of the file.
    """
    path = find_trace(name)
    if path is None:
        shipped = [path.stem for path in find_traces()]
        expected = f"expected a {SUFFIX} file or the name of a shipped trace ({', '.join(shipped)})"
        found = f"there is no file {name}" if name.endswith(SUFFIX) else f"got {name!r}{suggestion(name, shipped)}"
        raise InputError(Problem(key, f"{expected}; {found}"))
    status = path.stat()
    return _read(str(path), status.st_mtime_ns, status.st_size)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a trace file, read once as long as it does not change."""
    status = path.stat()
    return _hash(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _hash(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def trace_at(name: str) -> Trace:
    """Read a trace that a command names: a file, whatever its suffix, or a shipped one.

    Raises
    ------
    InputError
        When there is none, or with every fault of the file.
    """
    return read_trace(name) if found_at(Path(name)) == "file" else named_trace(name, "TRACE")


@lru_cache(maxsize=16)
def _read(path: str, _mtime_ns: int, _size: int) -> Trace:
    """Read a trace once for checking and running a scenario; a file that has changed is read again."""
    return read_trace(path)


def device_trace(name: str, table: Any, graph: ModelGraph, precision: Any, batch_size: int) -> DeviceTrace:
    """Find the times of a computer in its trace.

    Parameters
    ----------
    name : str
        Name of the computer: an entry of the catalogue, or a board that is known by its trace alone.
    table : TracedDevice
        Its table in the scenario, or the sound part of it.
    graph : ModelGraph
        The model.
    precision : str
        Precision of computing.
    batch_size : int
        Samples in a mini-batch.

    Raises
    ------
    InputError
        When the trace does not have what is asked of it: key, what there is, and what was asked for.
    """
    key = f"device.{name}"
    trace = named_trace(table.trace, f"{key}.trace")
    known = catalog.device(name) if name in catalog.names("device") else None
    at_hand = [profile for profile in trace.profiles() if profile.precision == precision]
    of_model = [profile for profile in at_hand if profile.model == graph.name]
    if not at_hand:
        precisions = ", ".join(sorted({profile.precision for profile in trace.profiles()}))
        why = f" (no time is carried from one precision to another, and {precisions} is all that was timed)"
        raise _lacking(key, trace, graph, precision, why)
    if not of_model and table.replay != "mean":
        raise _lacking(key, trace, graph, precision)
    board = _board(key, name, table.board, known, of_model or at_hand)
    of_model, at_hand = ([p for p in profiles if p.device == board] for profiles in (of_model, at_hand))
    power_mode = _power_mode(key, table, known, of_model or at_hand)
    at_hand = [profile for profile in at_hand if profile.power_mode == power_mode]
    try:
        device, times = _times(_device(name, table, known, board, power_mode), graph, precision, batch_size, at_hand)
    except InputError:
        why = why_no_fit(graph, precision, batch_size, at_hand)
        why = f" ({why})" if why else ""
        what = " that covers embedding, blocks and head" if of_model else ", or some that a fit can start from"
        raise _lacking(key, trace, graph, precision, what + why) from None
    if table.replay != "mean":
        _check_replay(f"{key}.replay", table.replay, times, of_model, batch_size)
    return DeviceTrace(device, trace, tuple(at_hand), table.replay)


def _times(
    device: Device, graph: ModelGraph, precision: Any, batch_size: int, profiles: Sequence[Profile]
) -> tuple[Device, LayerTimes]:
    """Return the times of a device that nothing but profiles are known of; its peak only bounds what is fitted."""
    times = layer_times(device, graph, precision, batch_size, profiles)
    if times.method != "flop-over-peak":
        return device, times
    device = device.model_copy(update={"peak_flop_s": {}})
    return device, layer_times(device, graph, precision, batch_size, profiles)


def _check_replay(key: str, replay: str, times: LayerTimes, of_model: Sequence[Profile], batch_size: int) -> None:
    if times.profile is None:
        sizes = ", ".join(map(str, sorted({profile.batch_size for profile in of_model})))
        expected = f"expected 'mean', or workload.batch_size as one of {sizes}, which were recorded"
        raise InputError(Problem(key, f"{expected}; got {replay!r} with batches of {batch_size}"))
    without = _without_samples(times.profile)
    if without:
        expected = "expected 'mean' where a trace lacks single executions (samples_s)"
        raise InputError(Problem(key, f"{expected}, here those of {', '.join(without)}; got {replay!r}"))


def _board(key: str, name: str, given: str | None, known: Device | None, profiles: Sequence[Profile]) -> str:
    boards = sorted({profile.device for profile in profiles})
    wanted = given if given is not None else known.board if known is not None else name
    if wanted in boards:
        return wanted
    if given is None and known is None and len(boards) == 1:
        return boards[0]
    got = f"got {given!r}{suggestion(given, boards)}" if given is not None else "got nothing"
    why = f" (the catalogue's {wanted} is not in the trace)" if given is None and known is not None else ""
    to_set = _to_set(f"{key}.board", given, boards)
    raise InputError(Problem(f"{key}.board", f"expected one of {', '.join(boards)}, {got}{why}{to_set}"))


def _to_set(key: str, given: str | None, choices: Sequence[str]) -> str:
    """Say what to write where nothing was."""
    if given is not None:
        return ""
    return f'; set {key} = "{choices[0]}"{", for example" if len(choices) > 1 else ""}'


def _power_mode(key: str, table: Any, known: Device | None, profiles: Sequence[Profile]) -> str:
    modes = sorted({profile.power_mode for profile in profiles})
    given = table.power_mode
    # The catalogue says which mode its own board is in; of a board that is named here it knows nothing.
    expected = known.power_mode if known is not None and known.board == profiles[0].device else None
    wanted = given if given is not None else expected
    if wanted in modes:
        return wanted
    if wanted is None and len(modes) == 1:
        return modes[0]
    got = f"got {given!r}{suggestion(given, modes)}" if given is not None else "got nothing"
    why = f" (the catalogue's {expected} is not in the trace)" if given is None and expected is not None else ""
    to_set = _to_set(f"{key}.power_mode", given, modes)
    raise InputError(Problem(f"{key}.power_mode", f"expected one of {', '.join(modes)}, {got}{why}{to_set}"))


def _device(name: str, table: Any, known: Device | None, board: str, power_mode: str) -> Device:
    changes: dict[str, Any] = {"board": board, "power_mode": power_mode}
    for figure in ("memory_bytes", "active_power_w"):
        value = getattr(table, figure)
        if value is not None:
            note = f"device.{name}.{figure}"
            changes[figure] = Figure(value=value, basis="derived", confidence="medium", cite=("scenario",), note=note)
    if known is None:
        return Device(name=name, title=f"{board} in power mode {power_mode}", **changes)
    return known.model_copy(update={"rate_flop_s": {}, "throughput_tiles_s": {}, **changes})


def _lacking(key: str, trace: Trace, graph: ModelGraph, precision: str, what: str = "") -> InputError:
    expected = f"expected a profile of {graph.name} at {precision}{what}"
    return InputError(Problem(f"{key}.trace", f"{expected}; {Path(trace.path).name} has {contents(trace.profiles())}"))


def contents(profiles: Iterable[Profile]) -> str:
    """Say what a trace holds: boards, power modes, models, precisions, batch sizes, and what was timed of a model."""
    groups: dict[str, list[int]] = {}
    for profile in profiles:
        parts = "" if profile.covers_model else f" ({profile.n_layers} blocks" * bool(profile.blocks)
        if not profile.covers_model:
            lacking = [part for part in ("embedding", "head") if getattr(profile, part) is None]
            parts = f"{parts}, without {' and '.join(lacking)})" if profile.blocks else " (the whole model only)"
        words = f"{profile.model} {profile.precision} on {profile.device} {profile.power_mode}{parts}"
        groups.setdefault(words, []).append(profile.batch_size)
    return "; ".join(f"{words}, batch {', '.join(map(str, sorted(sizes)))}" for words, sizes in groups.items())


def _without_samples(profile: Profile) -> list[str]:
    """Name the rows of a profile that a replay needs and that lack samples; consecutive blocks together."""
    blocks = [row.block_index for row in profile.blocks if not row.samples_s]
    runs: list[list[int]] = []
    for index in blocks:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    names = [f"block {run[0]}" if len(run) == 1 else f"blocks {run[0]} to {run[-1]}" for run in runs]

    def edge(row: BlockTiming | None) -> list[str]:
        return [row.block_kind] if row is not None and not row.samples_s else []

    return [*edge(profile.embedding), *names, *edge(profile.head)]


# -- of a whole scenario ---------------------------------------------------------------------------------------------


def device_traces(scenario: Any, graph: ModelGraph) -> Mapping[str, DeviceTrace]:
    """Return the computers of a scenario that are known by a trace, by name.

    Raises
    ------
    InputError
        With every problem of every such computer.
    """
    found: dict[str, DeviceTrace] = {}
    problems: list[Problem] = []
    load = scenario.workload
    for name in dict.fromkeys(used_devices(scenario)):
        if name in scenario.device:
            try:
                found[name] = device_trace(name, scenario.device[name], graph, load.precision, load.batch_size)
            except InputError as error:
                problems += located(error, f"device.{name}.trace")
    if problems:
        raise InputError(problems)
    return found


def used_devices(scenario: Any) -> Iterator[str]:
    """Yield the names of the computers of all shells and stations."""
    for shell in scenario.shells:
        yield from shell.devices
    yield from (station.device for station in scenario.stations if station.device is not None)


def located(error: InputError, key: str) -> Iterator[Problem]:
    """Yield problems with the scenario's key, but for those of a file, which name the file and its own keys."""
    for problem in error.problems:
        yield Problem(problem.key or key, problem.message, problem.source)

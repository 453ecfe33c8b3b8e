"""Rules that look beyond the scenario's file: into the catalogue, the planners, and files of element sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

from orbitsim import catalog
from orbitsim.errors import InputError, Problem, PropagationError
from orbitsim.loading.device_traces import device_trace, located, named_trace, used_devices
from orbitsim.orbit.catalogues import read_omm, read_tle
from orbitsim.plan.planners import PLANNERS
from orbitsim.plan.user_planner import planner_named
from orbitsim.scenario.base import to_utc
from orbitsim.scenario.checks import MAX_SLOTS, Rule, broken_rules, each, satellite_names
from orbitsim.scenario.suggestions import suggestion
from orbitsim.types.profile import Profile
from orbitsim.workload.cost import layer_times
from orbitsim.workload.imagery import mini_batches, pixels_of, tiles_per_image
from orbitsim.workload.models import ModelGraph, model_graph
from orbitsim.workload.traces import find_traces, read_trace

# A day of the paper's scenario has 30,384; this many would take days to simulate.
MAX_BATCHES = 100_000_000


def _look_up(key: str, look_up: Callable[[Any], Any], name: Any) -> Iterator[Problem]:
    """Yield the problems, if any, of looking a name up."""
    try:
        look_up(name)
    except InputError as error:
        for problem in error.problems:
            # A file that the name leads to names itself, and its own keys where it can be read.
            own_key = problem.key if problem.source else ""
            yield Problem(own_key or key, problem.message, problem.source)


# -- the catalogue ---------------------------------------------------------------------------------------------------


def _devices(s: Any) -> Iterator[Problem]:
    yield from each(s.shells, "shells", partial(_devices_of_shell, traced=s.device))


def _devices_of_shell(shell: Any, key: str, traced: Collection[str]) -> Iterator[Problem]:
    for index, name in enumerate(shell.devices):
        if name in traced:
            continue
        yield from _look_up(f"{key}.devices.{index}", catalog.device, name)


def _station_devices(s: Any) -> Iterator[Problem]:
    yield from each(s.stations, "stations", partial(_device_of_station, traced=s.device))


def _device_of_station(station: Any, key: str, traced: Collection[str]) -> Iterator[Problem]:
    if station.device is not None and station.device not in traced:
        yield from _look_up(f"{key}.device", catalog.device, station.device)


def _model(s: Any) -> Iterator[Problem]:
    yield from _look_up("workload.model", catalog.model, s.workload.model)


def _resolution(s: Any) -> Iterator[Problem]:
    yield from _look_up("workload.resolution", pixels_of, s.workload.resolution)


def _codec_table(s: Any) -> Iterator[Problem]:
    if s.codec.table is not None:
        yield from _look_up("codec.table", catalog.codec_table, s.codec.table)
    if s.codec.replay == "bootstrap":
        yield from _codec_replay(s)


def _codec_replay(s: Any) -> Iterator[Problem]:
    """Only a table that says how the bytes of such mini-batches scatter can be replayed."""
    expected = "expected a codec table that holds the spread of bytes (schema_version 2)"
    if s.codec.table is None:
        yield Problem("codec.replay", f"{expected} for 'bootstrap', got none")
        return
    try:
        spread = catalog.codec_table(s.codec.table).spread
    except InputError:
        return  # told of the table already
    if spread is None:
        yield Problem("codec.replay", f"{expected} for 'bootstrap', {s.codec.table!r} does not")
    elif spread.batch_size != s.workload.batch_size:
        measured = f"mini-batches of {spread.batch_size} images as the codec table measured them"
        yield Problem("codec.replay", f"expected {measured} for 'bootstrap', got {s.workload.batch_size}")


# -- computers that are known by a trace ------------------------------------------------------------------------------


def _device_tables(s: Any) -> Iterator[Problem]:
    """Every table must be about a computer of the scenario, and its trace must have what is asked of it."""
    for name in s.device:
        yield from broken_rules(s, [partial(_device_is_used, name=name)])
        yield from broken_rules(s, [partial(_device_trace, name=name)])
        yield from broken_rules(s, [partial(_device_memory, name=name)])


def _device_is_used(s: Any, name: str) -> Iterator[Problem]:
    used = list(dict.fromkeys(used_devices(s)))
    if name not in used and name not in catalog.names("device"):
        expected = f"expected the name of a device of the shells or stations ({', '.join(used)})"
        yield Problem(f"device.{name}", f"{expected}, got {name!r}{suggestion(name, used)}")


def _device_trace(s: Any, name: str) -> Iterator[Problem]:
    table, key = s.device[name], f"device.{name}.trace"
    try:
        named_trace(table.trace, key)
    except InputError as error:
        yield from located(error, key)
        return
    graph = _graph(s)
    if graph is None or name not in used_devices(s):
        return
    try:
        device_trace(name, table, graph, s.workload.precision, s.workload.batch_size)
    except InputError as error:
        yield from located(error, key)


def _device_memory(s: Any, name: str) -> Iterator[Problem]:
    if name in catalog.names("device") or s.device[name].memory_bytes is not None:
        return
    if any(name in shell.devices and shell.memory_bytes is None for shell in s.shells):
        expected = "expected the memory of a computer that is not in the catalogue (or memory_bytes of its shells)"
        yield Problem(f"device.{name}.memory_bytes", f"{expected}, got nothing")


# -- what is to be computed ------------------------------------------------------------------------------------------


def _precisions(s: Any) -> Iterator[Problem]:
    """Every device must be known to compute the model at the precision, by the catalogue or by a trace."""
    graph = _graph(s)
    if graph is None:
        return
    for name in dict.fromkeys(name for name in used_devices(s) if name not in s.device):
        yield from _precision(name, graph, s.workload.precision, s.workload.batch_size)


def _precision(name: str, graph: ModelGraph, precision: Any, batch_size: int) -> Iterator[Problem]:
    try:
        device = catalog.device(name)
    except InputError:
        return  # reported as an unknown name
    try:
        layer_times(device, graph, precision, batch_size)
    except InputError:
        # Reading traces takes longer than all the rest, and the catalogue knows most devices.
        with_traces = partial(layer_times, device, graph, precision, batch_size)
        yield from _look_up("workload.precision", with_traces, _profiles())


@cache
def _profiles() -> tuple[Profile, ...]:
    return tuple(profile for path in find_traces() for profile in read_trace(path).profiles())


def _amount_of_work(s: Any) -> Iterator[Problem]:
    graph = _graph(s)
    if graph is None:
        return
    try:
        per_image = 1 if graph.input_px is None else tiles_per_image(s.workload.resolution, graph.input_px)
    except InputError:
        return  # reported as an unknown resolution
    n_batches = mini_batches(s.workload.images_per_task * per_image, s.workload.batch_size)
    n_slots = s.clock.duration_s / s.clock.slot_s
    if n_slots <= MAX_SLOTS and n_slots * n_batches > MAX_BATCHES:
        yield Problem(
            "workload.images_per_task",
            f"expected at most {MAX_BATCHES} mini-batches in all slots, got {n_slots:g} slots of {n_batches}",
        )


def _graph(s: Any) -> ModelGraph | None:
    try:
        return model_graph(catalog.model(s.workload.model))
    except InputError:
        return None  # reported as an unknown name


def _planner(s: Any) -> Iterator[Problem]:
    kind = s.planner.kind
    try:
        planner_named(kind)
    except InputError as error:
        for problem in error.problems:
            yield Problem("planner.kind", f"{problem.message}{suggestion(kind, PLANNERS)}")
    except Exception as error:  # noqa: BLE001 - a user's module may fail in any way when it is imported
        yield Problem("planner.kind", f"expected a planner, got {kind!r}, which fails: {type(error).__name__}: {error}")


# -- files and packages ----------------------------------------------------------------------------------------------


def _element_files(s: Any) -> Iterator[Problem]:
    """Read every file of element sets, and check the names in them against the rest of the scenario."""
    if all(shell.kind not in ("tle", "omm") for shell in s.shells):
        return
    epoch_utc = to_utc(s.clock.epoch_utc)
    names: list[str] = []
    is_complete = True
    for index, shell in enumerate(s.shells):
        if shell.kind not in ("tle", "omm"):
            names += satellite_names(shell)
            continue
        read = read_tle if shell.kind == "tle" else read_omm
        try:
            names += read(shell.file, shell.name, epoch_utc=epoch_utc).names
        except PropagationError:
            is_complete = False  # the elements are sound; the run says which satellite fails, and when
        except InputError as error:
            is_complete = False
            for problem in error.problems:
                yield Problem(problem.key or f"shells.{index}.file", problem.message, problem.source)
    if is_complete:
        yield from _names_in_files(s, names)


def _names_in_files(s: Any, names: list[str]) -> Iterator[Problem]:
    repeated = [name for name, n_times in Counter(names).items() if n_times > 1]
    if repeated:
        shown = f"{', '.join(repeated[:5])}{', ...' if len(repeated) > 5 else ''}"
        yield Problem("shells", f"expected a name of its own for every satellite, repeated: {shown}")
    for index, station in enumerate(s.stations):
        if station.name in names:
            yield Problem(f"stations.{index}.name", f"expected a name that no satellite has, got {station.name!r}")
    if s.workload.sensor not in names:
        hint = suggestion(s.workload.sensor, names) or f", which are {', '.join(names[:3])}, ..."
        yield Problem("workload.sensor", f"expected a satellite of the shells, got {s.workload.sensor!r}{hint}")


def _weather_package(s: Any) -> Iterator[Problem]:
    down = s.links.downlink
    asks_for_it = down.kind == "radio" and down.mode == "budget" and down.itu_availability_pct is not None
    if asks_for_it and find_spec("itur") is None:
        expected = "expected ITU-Rpy to be installed for it (pip install orbitsim[weather])"
        yield Problem("links.downlink.itu_availability_pct", f"{expected}, got {down.itu_availability_pct:g}")


RULES: tuple[Rule, ...] = (
    _devices,
    _station_devices,
    _model,
    _resolution,
    _codec_table,
    _device_tables,
    _precisions,
    _amount_of_work,
    _planner,
    _element_files,
    _weather_package,
)

"""Rules that tie several keys of a scenario together.

A rule reads a `Scenario`, or the sound part of a faulty one (`partial.sound_part`), in which a missing or faulty key
raises `UnknownKeyError`: the rule is then skipped, so that one report holds the faults of single keys and those across
keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.partial import UnknownKeyError
from orbitsim.scenario.suggestions import suggestion
from orbitsim.types.codec_table import CodecTable

__all__ = ["RULES", "Rule", "broken_rules", "each", "satellite_names", "suggestion"]

Rule = Callable[[Any], Iterator[Problem]]

# Beyond these a run would take days or more memory than a workstation has; the message says so before anything starts.
MAX_SLOTS = 100_000
MAX_STEPS = 10_000_000
MAX_SATELLITES = 100_000

_GENERATED = ("walker-delta", "walker-star")


def broken_rules(scenario: Any, rules: Iterable[Rule]) -> list[Problem]:
    """Return every problem that rules find in a scenario or its sound part."""
    return [problem for rule in rules for problem in _known(rule(scenario))]


def each(items: Sequence[Any], key: str, rule: Callable[[Any, str], Iterator[Problem]]) -> Iterator[Problem]:
    """Apply a rule to every item of a list; an item with faulty keys does not keep the others from being checked."""
    for index, item in enumerate(items):
        yield from _known(rule(item, f"{key}.{index}"))


def _known(problems: Iterator[Problem]) -> Iterator[Problem]:
    try:
        yield from problems
    except UnknownKeyError:
        return


def satellite_names(shell: Any) -> tuple[str, ...]:
    """Return the names of a generated shell's satellites: ``<shell>-NN``, as many digits as needed, at least two."""
    digits = max(2, len(str(shell.n_satellites - 1)))
    return tuple(f"{shell.name}-{index:0{digits}d}" for index in range(shell.n_satellites))


# -- time ------------------------------------------------------------------------------------------------------------


def _slots(s: Any) -> Iterator[Problem]:
    n_slots = s.clock.duration_s / s.clock.slot_s
    if n_slots > MAX_SLOTS:
        yield Problem("clock.slot_s", f"expected at most {MAX_SLOTS} slots in clock.duration_s, got {n_slots:.6g}")
    elif abs(n_slots - round(n_slots)) > 1e-9 * n_slots or round(n_slots) < 1:
        expected = f"expected a whole number of slots of {s.clock.slot_s:g} s"
        yield Problem("clock.duration_s", f"{expected}, got {s.clock.duration_s:g} s = {n_slots:.6g} slots")


def _steps(s: Any) -> Iterator[Problem]:
    duration_s, step_s = s.clock.duration_s, s.clock.step_s
    n_steps = duration_s / step_s
    if n_steps < 1:
        yield Problem("clock.step_s", f"expected at most clock.duration_s = {duration_s:g}, got {step_s:g}")
    elif n_steps > MAX_STEPS:
        yield Problem("clock.step_s", f"expected at most {MAX_STEPS} steps in clock.duration_s, got {n_steps:.6g}")


# -- satellites and places -------------------------------------------------------------------------------------------


def _planes(s: Any) -> Iterator[Problem]:
    yield from each(s.shells, "shells", _planes_of_shell)
    yield from each(s.shells, "shells", _phasing_of_shell)


def _planes_of_shell(shell: Any, key: str) -> Iterator[Problem]:
    if shell.kind not in _GENERATED:
        return
    if shell.n_satellites % shell.n_planes:
        yield Problem(
            f"{key}.n_satellites", f"expected a multiple of n_planes = {shell.n_planes}, got {shell.n_satellites}"
        )


def _phasing_of_shell(shell: Any, key: str) -> Iterator[Problem]:
    if shell.kind in _GENERATED and shell.phasing >= shell.n_planes:
        yield Problem(
            f"{key}.phasing", f"expected a whole number below n_planes = {shell.n_planes}, got {shell.phasing}"
        )


def _constellation_size(s: Any) -> Iterator[Problem]:
    total = sum(shell.n_satellites for shell in s.shells if shell.kind in _GENERATED)
    if total > MAX_SATELLITES:
        yield Problem("shells", f"expected at most {MAX_SATELLITES} satellites in all shells together, got {total}")


def _own_names(s: Any) -> Iterator[Problem]:
    for group in ("shells", "stations", "targets"):
        yield from _known(_own_names_in(s, group))


def _own_names_in(s: Any, group: str) -> Iterator[Problem]:
    yield from each(getattr(s, group), group, partial(_own_name, seen={}))


def _own_name(item: Any, key: str, seen: dict[str, str]) -> Iterator[Problem]:
    first = seen.setdefault(item.name, key)
    if first != key:
        yield Problem(f"{key}.name", f"expected a name of its own, got {item.name!r} of {first}")


def _targets_beside_stations(s: Any) -> Iterator[Problem]:
    names = {station.name for station in s.stations}
    for index, target in enumerate(s.targets):
        if target.name in names:
            yield Problem(f"targets.{index}.name", f"expected a name that no station has, got {target.name!r}")


def _generated_names(s: Any) -> list[str] | None:
    """Return the names of all satellites; None when some are in files, whose names are checked when they are read."""
    if any(shell.kind not in _GENERATED for shell in s.shells):
        return None
    if sum(shell.n_satellites for shell in s.shells) > MAX_SATELLITES:
        return None
    return [name for shell in s.shells for name in satellite_names(shell)]


def _stations_beside_satellites(s: Any) -> Iterator[Problem]:
    names = set(_generated_names(s) or ())
    for index, station in enumerate(s.stations):
        if station.name in names:
            yield Problem(f"stations.{index}.name", f"expected a name that no satellite has, got {station.name!r}")


def _sensor(s: Any) -> Iterator[Problem]:
    names = _generated_names(s)
    if names is not None and s.workload.sensor not in names:
        hint = suggestion(s.workload.sensor, names)
        yield Problem(
            "workload.sensor",
            f"expected a satellite of the shells ({names[0]} to {names[-1]}), got {s.workload.sensor!r}{hint}",
        )


# -- links -----------------------------------------------------------------------------------------------------------


def _mask(s: Any) -> Iterator[Problem]:
    down = s.links.downlink
    given = [down.min_elevation_deg is not None, down.max_off_nadir_deg is not None]
    if all(given):
        yield Problem("links.downlink.max_off_nadir_deg", "expected either this or min_elevation_deg, got both")
    elif not any(given):
        yield Problem("links.downlink.min_elevation_deg", "expected this or max_off_nadir_deg, got neither")


def _always(s: Any) -> Iterator[Problem]:
    if s.links.downlink.availability == "always" and s.links.downlink.mode == "budget":
        yield Problem(
            "links.downlink.availability",
            "expected 'contacts' with mode = 'budget' (an idealised downlink has no range to compute a rate from), "
            "got 'always'",
        )


def _receivers(s: Any) -> Iterator[Problem]:
    yield from _known(_receiver(s.links.isl, "links.isl"))
    yield from _known(_receiver(s.links.downlink, "links.downlink"))


def _receiver(link: Any, key: str) -> Iterator[Problem]:
    if link.kind == "radio" and link.receive_gain_dbi is not None and link.receive_g_over_t_db_k is not None:
        yield Problem(f"{key}.receive_g_over_t_db_k", "expected either this or receive_gain_dbi, got both")


def _carriers(s: Any) -> Iterator[Problem]:
    yield from _known(_carrier(s.links.isl, "links.isl"))
    yield from _known(_carrier(s.links.downlink, "links.downlink"))


def _carrier(link: Any, key: str) -> Iterator[Problem]:
    if link.kind == "radio" and link.bandwidth_hz > 2 * link.frequency_hz:
        yield Problem(
            f"{key}.bandwidth_hz",
            f"expected at most twice frequency_hz = {link.frequency_hz:g}, got {link.bandwidth_hz:g}",
        )


def _weather(s: Any) -> Iterator[Problem]:
    """ITU-R P.618: 1 to 55 GHz, elevations of 5 deg and more; scintillation needs the antenna's size."""
    down = s.links.downlink
    if down.kind != "radio" or down.itu_availability_pct is None:
        return
    if not 1e9 <= down.frequency_hz <= 55e9:
        expected = "expected a number from 1e+09 to 5.5e+10 with itu_availability_pct (ITU-R P.618)"
        yield Problem("links.downlink.frequency_hz", f"{expected}, got {down.frequency_hz:g}")
    if down.min_elevation_deg is not None and down.min_elevation_deg < 5:
        expected = "expected at least 5 with itu_availability_pct (ITU-R P.618)"
        yield Problem("links.downlink.min_elevation_deg", f"{expected}, got {down.min_elevation_deg:g}")
    if down.receive_g_over_t_db_k is not None and down.receive_aperture_m is None:
        expected = "expected the antenna's diameter, which ITU-R scintillation needs beside receive_g_over_t_db_k"
        yield Problem("links.downlink.receive_aperture_m", f"{expected}, got nothing")


# -- work ------------------------------------------------------------------------------------------------------------


def _codec(s: Any) -> Iterator[Problem]:
    codec = s.codec
    if codec.table is not None and (codec.ratio is not None or codec.accuracy is not None):
        yield Problem("codec.table", "expected either a table or inline ratio and accuracy, got both")
    elif (codec.ratio is None) != (codec.accuracy is None):
        missing = "ratio" if codec.ratio is None else "accuracy"
        yield Problem(f"codec.{missing}", "expected ratio and accuracy together, got only one of them")
    elif codec.ratio is not None:
        try:
            CodecTable.from_accuracy("inline", codec.ratio, codec.accuracy)
        except InputError as error:
            for problem in error.problems:
                yield Problem(f"codec.{problem.key}", problem.message)


def _targets_for_trigger(s: Any) -> Iterator[Problem]:
    if s.workload.trigger == "target" and not s.targets:
        yield Problem("workload.trigger", "expected 'slot' in a scenario without targets, got 'target'")


def _sensor_relays(s: Any) -> Iterator[Problem]:
    if not s.workload.sensor_computes and s.links.isl.topology == "none":
        expected = "expected true with links.isl.topology = 'none' (nobody else is reached)"
        yield Problem("workload.sensor_computes", f"{expected}, got false")


def _schemes(s: Any) -> Iterator[Problem]:
    for index, scheme in enumerate(s.run.schemes):
        if scheme in s.run.schemes[:index]:
            yield Problem(f"run.schemes.{index}", f"expected each scheme once, got {scheme!r} again")


RULES: tuple[Rule, ...] = (
    _slots,
    _steps,
    _planes,
    _constellation_size,
    _own_names,
    _targets_beside_stations,
    _stations_beside_satellites,
    _sensor,
    _mask,
    _always,
    _receivers,
    _carriers,
    _weather,
    _codec,
    _targets_for_trigger,
    _sensor_relays,
    _schemes,
)

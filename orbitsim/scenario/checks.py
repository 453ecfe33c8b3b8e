"""Rules that tie several keys of a scenario together.

Each rule reads a `Partial`: the scenario with only the keys that are sound on their own. A rule that meets a faulty or
missing key is skipped, so that one report holds the faults of single keys and those across keys.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from orbitsim.errors import Problem

# The largest generated constellation whose memory is still bounded sensibly: 100,000 satellites.
_MAX_SLOTS = 100_000


class UnknownKeyError(LookupError):
    """A rule asked for a key that is missing or faulty on its own."""


class Partial:
    """A table of which only the sound keys can be read; reading another raises `UnknownKeyError`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownKeyError(name) from None

    @classmethod
    def of_model(cls, model: BaseModel) -> Partial:
        """Wrap a validated model, all of whose keys are sound."""
        return cls({name: _wrap(getattr(model, name)) for name in type(model).model_fields})

    @classmethod
    def of_data(cls, model: type[BaseModel], data: Any, faulty: Sequence[tuple[Any, ...]]) -> Partial:
        """Wrap raw data, leaving out what `faulty` (locations of validation errors) touches."""
        values: dict[str, Any] = {}
        if not isinstance(data, Mapping):
            return cls(values)
        for name, field in model.model_fields.items():
            below = [loc[1:] for loc in faulty if loc and loc[0] == name]
            raw = data[name] if name in data else field.get_default(call_default_factory=True)
            if not below:
                try:
                    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(field.annotation, "sound on its own", *field.metadata)])
                    values[name] = _wrap(adapter.validate_python(raw)) if name in data else _wrap(raw)
                except ValidationError:
                    continue
                if name not in data and field.is_required():
                    del values[name]
            elif isinstance(raw, Mapping):
                inner = _model_in(field.annotation, raw)
                if inner is not None:
                    values[name] = cls.of_data(inner, raw, [_untagged(loc) for loc in below])
            elif isinstance(raw, list | tuple):
                values[name] = tuple(
                    cls.of_data(inner, item, [_untagged(loc[1:]) for loc in below if loc[0] == index])
                    for index, item in enumerate(raw)
                    if (inner := _model_in(field.annotation, item)) is not None
                )
        return cls(values)


def _untagged(loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the discriminator that pydantic puts into the location of an error within a tagged union."""
    tags = {"walker-delta", "walker-star", "tle", "omm", "optical", "radio"}
    return loc[1:] if loc and loc[0] in tags else loc


def _wrap(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return Partial.of_model(value)
    if isinstance(value, tuple):
        return tuple(_wrap(item) for item in value)
    return value


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
        for arg in get_args(annotation):
            yield from _models_of(arg)


def _model_in(annotation: Any, raw: Any) -> type[BaseModel] | None:
    """Return the model that the raw table is meant to be: the only one, or the one that its `kind` names."""
    models = list(_models_of(annotation))
    if len(models) == 1:
        return models[0]
    kind = raw.get("kind") if isinstance(raw, Mapping) else None
    for model in models:
        if kind in get_args(model.model_fields["kind"].annotation):
            return model
    return None


def suggestion(name: str, choices: Sequence[str]) -> str:
    """Return ``; did you mean 'x'?`` when a choice is close to the name, else nothing."""
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def satellite_names(shell: Any) -> tuple[str, ...]:
    """Return the names of a generated shell's satellites: ``<shell>-NN``, as many digits as needed, at least two."""
    digits = max(2, len(str(shell.n_satellites - 1)))
    return tuple(f"{shell.name}-{index:0{digits}d}" for index in range(shell.n_satellites))


def _slots(s: Any) -> Iterator[Problem]:
    n_slots = s.clock.duration_s / s.clock.slot_s
    if n_slots > _MAX_SLOTS:
        yield Problem("clock.slot_s", f"expected at most {_MAX_SLOTS} slots, got {n_slots:.6g}")
    elif abs(n_slots - round(n_slots)) > 1e-9 * n_slots or round(n_slots) < 1:
        yield Problem(
            "clock.duration_s",
            f"expected a whole number of slots of {s.clock.slot_s:g} s, got {s.clock.duration_s:g} s = {n_slots:.6g} slots",
        )


def _step(s: Any) -> Iterator[Problem]:
    if s.clock.step_s > s.clock.duration_s:
        yield Problem("clock.step_s", f"expected at most clock.duration_s = {s.clock.duration_s:g}, got {s.clock.step_s:g}")


def _planes(s: Any) -> Iterator[Problem]:
    for index, shell in enumerate(s.shells):
        try:
            if shell.kind not in ("walker-delta", "walker-star"):
                continue
            if shell.n_satellites % shell.n_planes:
                yield Problem(
                    f"shells.{index}.n_satellites",
                    f"expected a multiple of n_planes = {shell.n_planes}, got {shell.n_satellites}",
                )
            if shell.phasing >= shell.n_planes:
                yield Problem(
                    f"shells.{index}.phasing",
                    f"expected a whole number below n_planes = {shell.n_planes}, got {shell.phasing}",
                )
        except UnknownKeyError:
            continue


def _unique(s: Any, group: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, item in enumerate(getattr(s, group)):
        try:
            first = seen.setdefault(item.name, index)
        except UnknownKeyError:
            continue
        if first != index:
            yield Problem(f"{group}.{index}.name", f"expected a name of its own, got {item.name!r} of {group}.{first}")


def _unique_shells(s: Any) -> Iterator[Problem]:
    yield from _unique(s, "shells")


def _unique_stations(s: Any) -> Iterator[Problem]:
    yield from _unique(s, "stations")


def _unique_targets(s: Any) -> Iterator[Problem]:
    yield from _unique(s, "targets")


def _stations_and_targets(s: Any) -> Iterator[Problem]:
    names = {station.name for station in s.stations}
    for index, target in enumerate(s.targets):
        if target.name in names:
            yield Problem(f"targets.{index}.name", f"expected a name that no station has, got {target.name!r}")


def _sensor(s: Any) -> Iterator[Problem]:
    if any(shell.kind in ("tle", "omm") for shell in s.shells):
        return  # the names are in the file: checked when it is read
    names = [name for shell in s.shells for name in satellite_names(shell)]
    if s.workload.sensor not in names:
        hint = suggestion(s.workload.sensor, names)
        yield Problem(
            "workload.sensor",
            f"expected a satellite of the shells ({names[0]} to {names[-1]}), got {s.workload.sensor!r}{hint}",
        )


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


def _receiver(s: Any) -> Iterator[Problem]:
    for name in ("isl", "downlink"):
        try:
            link = getattr(s.links, name)
            if link.kind == "radio" and link.receive_gain_dbi is not None and link.receive_g_over_t_db_k is not None:
                yield Problem(
                    f"links.{name}.receive_g_over_t_db_k", "expected either this or receive_gain_dbi, got both"
                )
            if (
                link.kind == "radio"
                and link.itu_availability_pct is not None
                and link.receive_g_over_t_db_k is not None
                and link.receive_aperture_m is None
            ):
                yield Problem(
                    f"links.{name}.receive_aperture_m",
                    "expected the antenna's diameter, which ITU-R scintillation needs beside receive_g_over_t_db_k, got nothing",
                )
        except UnknownKeyError:
            continue


def _codec(s: Any) -> Iterator[Problem]:
    codec = s.codec
    if codec.table is not None and (codec.ratio is not None or codec.accuracy is not None):
        yield Problem("codec.table", "expected either a table or inline ratio and accuracy, got both")
    elif (codec.ratio is None) != (codec.accuracy is None):
        missing = "ratio" if codec.ratio is None else "accuracy"
        yield Problem(f"codec.{missing}", "expected ratio and accuracy together, got only one of them")
    elif codec.ratio is not None:
        if not codec.ratio:
            yield Problem("codec.ratio", "expected at least one ratio, got an empty list")
        elif len(codec.ratio) != len(codec.accuracy):
            yield Problem(
                "codec.accuracy", f"expected {len(codec.ratio)} values, one for each ratio, got {len(codec.accuracy)}"
            )


def _targets_for_trigger(s: Any) -> Iterator[Problem]:
    if s.workload.trigger == "target" and not s.targets:
        yield Problem("workload.trigger", "expected 'slot' in a scenario without targets, got 'target'")


def _ground_computes(s: Any) -> Iterator[Problem]:
    if "ground-only" in s.run.schemes and all(station.device is None for station in s.stations):
        yield Problem("stations.0.device", "expected a device at one station at least, for scheme ground-only, got none")


def _sensor_relays(s: Any) -> Iterator[Problem]:
    if not s.workload.sensor_computes and s.links.isl.topology == "none":
        yield Problem(
            "workload.sensor_computes", "expected true with links.isl.topology = 'none' (nobody else is reached), got false"
        )


def _schemes(s: Any) -> Iterator[Problem]:
    for index, scheme in enumerate(s.run.schemes):
        if scheme in s.run.schemes[:index]:
            yield Problem(f"run.schemes.{index}", f"expected each scheme once, got {scheme!r} again")


RULES: tuple[Callable[[Any], Iterator[Problem]], ...] = (
    _slots,
    _step,
    _planes,
    _unique_shells,
    _unique_stations,
    _unique_targets,
    _stations_and_targets,
    _sensor,
    _mask,
    _always,
    _receiver,
    _codec,
    _targets_for_trigger,
    _ground_computes,
    _sensor_relays,
    _schemes,
)


def cross_problems(scenario: Any) -> list[Problem]:
    """Return every problem that a rule across keys finds in a `Partial`."""
    problems: list[Problem] = []
    for rule in RULES:
        try:
            problems.extend(rule(scenario))
        except UnknownKeyError:
            continue
    return problems

"""From files that were read to one trace: what belongs together is merged, and what a board drew is joined to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orbitsim
from orbitsim.catalog import Catalogue, ModelEntry, shipped_catalogue
from orbitsim.errors import InputError, Problem
from orbitsim.types.profile import BlockTiming
from orbitsim.workload.importers.base import Imported, Recording, Source, Telemetry
from orbitsim.workload.importers.facts import Facts, ProfileKey, settled_keys, stated
from orbitsim.workload.importers.rows import Marks, RowsOf, profile_rows
from orbitsim.workload.importers.rules import RuleSet
from orbitsim.workload.importers.telemetry_join import Conditions, Joined, Method, busy_conditions, join
from orbitsim.workload.importers.trtexec_profile import join_layer_info


@dataclass(frozen=True, slots=True)
class Options:
    """What the user decides about an import.

    Attributes
    ----------
    facts : Facts
        What was timed, where the files do not say it.
    rename : bool
        Whether those facts replace what the files say.
    rules : RuleSet, optional
        Which part belongs to which block; default: built-in rules.
    attribute : 'flop' or None
        How to spread what cannot be told apart.
    partial : bool
        Whether to take parts that do not add up to the whole.
    marks : Marks
        Origin and citation of the rows.
    rails : tuple of str, optional
        Rails that make up the board's input.
    offset_s, interval_s : float, optional
        As in `telemetry_join.log_times`. [s]
    method : {'trapezoid', 'step'}
        As in `telemetry_join.mean_over`.
    whole_log : bool
        Whether to give every part the mean power of the log's busy lines.
    window_s : (float, float), optional
        Lines of the log that count then. [s]
    catalogue : Catalogue
        Where models are looked up.
    """

    facts: Facts = field(default_factory=Facts)
    rename: bool = False
    rules: RuleSet | None = None
    attribute: Literal["flop"] | None = None
    partial: bool = False
    marks: Marks = field(default_factory=Marks)
    rails: tuple[str, ...] | None = None
    offset_s: float | None = None
    interval_s: float | None = None
    method: Method = "trapezoid"
    whole_log: bool = False
    window_s: tuple[float, float] | None = None
    catalogue: Catalogue = field(default_factory=shipped_catalogue)


@dataclass(frozen=True, slots=True)
class Assembled:
    """Rows of a trace, and what was done to get them.

    Attributes
    ----------
    rows : tuple of BlockTiming
        All profiles, one after another.
    notes : tuple of str
        What a reader should know, each once.
    profiles : tuple of mapping
        For the provenance: of each profile its files, what they said, rules and sums.
    """

    rows: tuple[BlockTiming, ...]
    notes: tuple[str, ...]
    profiles: tuple[dict[str, Any], ...]


@dataclass(slots=True)
class _Piece:
    """One recording of one file."""

    file: str
    recording: Recording
    own_log: Telemetry | None


def assemble(files: Sequence[tuple[Source, Imported]], options: Options) -> Assembled:
    """Make one trace of several files.

    Parameters
    ----------
    files : sequence of (Source, Imported)
        What was read: timings, and monitors' logs that are joined to them.
    options : Options
        What the user decides.

    Returns
    -------
    Assembled
        Rows of all profiles.

    Raises
    ------
    InputError
        With every fault of facts; else at the first profile that cannot be mapped, merged or joined.
    """
    described = _with_layer_info(files)
    pieces = [
        _Piece(source.path, recording, imported.telemetry)
        for source, imported in described
        for recording in imported.recordings
    ]
    if not pieces:
        said = "; ".join(f"{source.path} is {_without_times(imported)}" for source, imported in files)
        raise InputError(f"expected timings in at least one of the files: {said}")
    keys = settled_keys([(piece.file, piece.recording) for piece in pieces], options.facts, rename=options.rename)
    logs = [(source.path, imp.telemetry) for source, imp in described if imp.telemetry and not imp.recordings]
    notes = [note for _, imported in described for note in imported.notes]
    groups: dict[ProfileKey, list[_Piece]] = {}
    for key, piece in zip(keys, pieces, strict=True):
        groups.setdefault(key, []).append(piece)
    busy = None
    if options.whole_log:
        busy, busy_notes = _busy(logs, len(groups), options)
        notes += busy_notes
    rows: list[BlockTiming] = []
    profiles: list[dict[str, Any]] = []
    for key, group in groups.items():
        name = "/".join(map(str, key))
        try:
            found = _profile(key, group, logs, busy, options)
        except InputError as error:
            raise error.located(", ".join(dict.fromkeys(piece.file for piece in group))) from error
        rows += found.rows
        notes += [f"{name}: {note}" for note in found.notes]
        profiles.append(_described_profile(key, group, found))
    return Assembled(tuple(rows), tuple(dict.fromkeys(notes)), tuple(profiles))


def _without_times(imported: Imported) -> str:
    """Say what a file is that holds no time of a pass."""
    if imported.telemetry is not None:
        return "a monitor's log, which alone makes no trace"
    if "layers" in imported.facts:
        return "layer information, which says what layers are and not how long they took: add the --exportProfile"
    if "scenario" in imported.facts:
        kind = imported.facts["scenario"]
        return f"an MLPerf log of scenario {kind}, which has a throughput and no time of a pass (SingleStream has one)"
    return f"{imported.format} without a time of a model or its parts"


def _with_layer_info(files: Sequence[tuple[Source, Imported]]) -> list[tuple[Source, Imported]]:
    """Add what layer information knows of each layer to the timings that have these layers."""
    infos = [imported for _, imported in files if not imported.recordings and "layers" in imported.facts]
    described = []
    for source, imported in files:
        if imported in infos:
            continue
        found = imported
        for info in infos if any(recording.parts for recording in imported.recordings) else ():
            found = join_layer_info(found, info)
        described.append((source, found))
    return described


def _profile(
    key: ProfileKey,
    group: Sequence[_Piece],
    logs: Sequence[tuple[str, Telemetry]],
    busy: Conditions | None,
    options: Options,
) -> RowsOf:
    entry: ModelEntry | None = options.catalogue.models.get(key[2])
    joined: list[Joined | None] = [_joined(piece, logs, options) for piece in group]
    with_parts = [number for number, piece in enumerate(group) if piece.recording.parts]
    with_whole = [number for number, piece in enumerate(group) if piece.recording.forward]
    for what, found in (("parts", with_parts), ("a time of the whole model", with_whole)):
        if len(found) > 1:
            raise InputError(
                f"expected {what} of {'/'.join(map(str, key))} once, found {len(found)}: leave files out, or import"
                " them apart"
            )
    common: dict[str, Any] = {
        "entry": entry, "by_flop": options.attribute == "flop", "marks": options.marks, "busy": busy,
    }  # fmt: skip
    if not with_parts or with_parts == with_whole or not with_whole:
        number = (with_parts or with_whole)[0]
        recording = group[number].recording
        found_rows = profile_rows(
            key, recording, rules=options.rules, partial=options.partial, joined=joined[number], **common
        )
        notes = found_rows.notes
    else:
        # Parts and the whole come from two files: both stand in one profile, each with how it was timed.
        part, whole = with_parts[0], with_whole[0]
        only_parts = group[part].recording
        whole_rows = profile_rows(key, group[whole].recording, joined=joined[whole], **{**common, "by_flop": False})
        if only_parts.parts_are_complete or options.partial:
            found_rows = profile_rows(
                key, only_parts, rules=options.rules, partial=options.partial, joined=joined[part], **common
            )
        else:
            found_rows = profile_rows(key, group[whole].recording, joined=joined[whole], **common)
        kept = tuple(row for row in found_rows.rows if row.block_kind != "forward")
        found_rows = replace(found_rows, rows=(*kept, *(r for r in whole_rows.rows if r.block_kind == "forward")))
        notes = found_rows.notes
    logged = [note for found in joined if found is not None for note in found.notes]
    return replace(found_rows, notes=(*notes, *dict.fromkeys(logged), *_gaps(found_rows.rows)))


def _gaps(rows: Sequence[BlockTiming]) -> list[str]:
    kinds = {row.block_kind for row in rows}
    missing = [kind for kind in ("embedding", "head") if kind not in kinds]
    if "block" in kinds and missing:
        return [f"no time of {' and '.join(missing)}: a cost model needs it, and passes over this profile"]
    return []


def _joined(piece: _Piece, logs: Sequence[tuple[str, Telemetry]], options: Options) -> Joined | None:
    """Join a recording with the log of its own file, or the one log that covers it."""
    if options.whole_log:
        return None
    settings: dict[str, Any] = {"rails": options.rails, "method": options.method}
    if piece.own_log is not None:
        return join(piece.recording, piece.own_log, same_clock=True, **settings)
    problems: list[Problem] = []
    found: list[Joined] = []
    for file, log in logs:
        try:
            found.append(
                join(piece.recording, log, offset_s=options.offset_s, interval_s=options.interval_s, **settings)
            )
        except InputError as error:
            problems += error.located(file).problems
    if len(found) > 1:
        raise InputError(f"expected one log that covers the timings, found {len(found)}: import them one by one")
    if problems and not found:
        raise InputError(problems)
    return found[0] if found else None


def _busy(
    logs: Sequence[tuple[str, Telemetry]], n_profiles: int, options: Options
) -> tuple[Conditions, tuple[str, ...]]:
    if len(logs) != 1 or n_profiles != 1:
        raise InputError(
            f"expected one log and one profile with --whole-log, found {len(logs)} and {n_profiles}: the mean power of"
            " a log is that of one workload"
        )
    try:
        return busy_conditions(logs[0][1], rails=options.rails, window_s=options.window_s)
    except InputError as error:
        raise error.located(logs[0][0]) from error


def _described_profile(key: ProfileKey, group: Sequence[_Piece], found: RowsOf) -> dict[str, Any]:
    return {
        "profile": list(key),
        "files": [Path(piece.file).name for piece in group],
        "files_say": [asdict(stated(piece.recording)) for piece in group],
        "n_parts": [len(piece.recording.parts) for piece in group],
        "rules": found.blocks.rules if found.blocks else None,
    }


def import_provenance(
    files: Sequence[tuple[Source, Imported]], assembled: Assembled, command: Sequence[str]
) -> dict[str, Any]:
    """Return what is kept beside the rows: who made them of what, when, and what to know of them.

    Parameters
    ----------
    files : sequence of (Source, Imported)
        What was read.
    assembled : Assembled
        What was made of it.
    command : sequence of str
        Command line.

    Returns
    -------
    dict
        JSON values.
    """
    record = {
        "tool": "orbitsim trace import",
        "version": orbitsim.__version__,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": list(command),
        "sources": [
            {
                "file": Path(source.path).name,
                "sha256": source.sha256,
                "format": imported.format,
                "facts": {name: value for name, value in imported.facts.items() if name != "layers"},
                "notes": list(imported.notes),
            }
            for source, imported in files
        ],
        "profiles": list(assembled.profiles),
        "notes": list(assembled.notes),
    }
    plain: dict[str, Any] = json.loads(json.dumps(record, default=str))
    return plain

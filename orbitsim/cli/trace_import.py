"""`orbitsim trace import`: what profiling tools and boards wrote, to a trace that a scenario can use."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbitsim.cli.terminal import warn

if TYPE_CHECKING:
    from orbitsim.workload.importers.assemble import Assembled, Options
    from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Telemetry

NAME = "import"
EXAMPLE = (
    "Examples: [bold]orbitsim trace import profile.json[/bold] (what the file says) · [bold]orbitsim trace import "
    "profile.json times.json tegrastats.log --device jetson-agx-orin --power-mode 30W --model vit-l --batch-size 8 "
    "--precision fp16 --offset-s 12.5 --out vit-l.parquet[/bold]"
)


class Attribute(StrEnum):
    """How time that cannot be told apart is spread."""

    FLOP = "flop"


class Origin(StrEnum):
    """Who measured."""

    MEASURED = "measured"
    PUBLISHED = "published"


class Confidence(StrEnum):
    """How sure a published figure is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Timings and monitors' logs, also gzipped; told by content.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="TRACE", help="Parquet file to write. Without it: what files say.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing trace.")] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="NAME", help="Format of the file; repeatable, one for each file in order."),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Board or processor, as in the catalogue.")] = None,
    power_mode: Annotated[str | None, typer.Option("--power-mode", help="Such as 30W or MAXN.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model, as in the catalogue.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Samples in a mini-batch.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="Such as fp16.")] = None,
    rename: Annotated[
        bool, typer.Option("--rename", help="Let these five replace what the files say, contradictions included.")
    ] = False,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="TOML", help="Rules that say which part is of which block.")
    ] = None,
    attribute: Annotated[
        Attribute | None, typer.Option("--attribute", help="Spread what cannot be told apart, marked modelled.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take parts that are known not to add up to the whole.")
    ] = False,
    catalog: Annotated[
        Path | None, typer.Option("--catalog", metavar="TOML", help="Your models, beside the catalogue's.")
    ] = None,
    origin: Annotated[Origin, typer.Option("--origin", help="Who measured: you, or a publication.")] = Origin.MEASURED,
    citation: Annotated[str | None, typer.Option("--citation", help="Where published figures stand.")] = None,
    confidence: Annotated[Confidence | None, typer.Option("--confidence", help="Of published figures.")] = None,
    rail: Annotated[
        str | None, typer.Option("--rail", metavar="NAME[,NAME]", help="Rails that add up to the board's input.")
    ] = None,
    offset_s: Annotated[
        float | None, typer.Option("--offset-s", help="From the log's first line to the first execution [s].")
    ] = None,
    interval_s: Annotated[
        float | None, typer.Option("--interval-s", help="Between lines of a log without time stamps [s].")
    ] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Hold each reading of a log until the next; default: straight lines.")
    ] = False,
    whole_log: Annotated[
        bool, typer.Option("--whole-log", help="Give every part the mean power of the log's busy lines.")
    ] = False,
    window_s: Annotated[
        str | None, typer.Option("--window-s", metavar="FROM,TO", help="Part of the log that counts then [s].")
    ] = None,
) -> None:
    """Import recordings of profiling tools and boards; print what they say, or write them as one trace."""
    from orbitsim.catalog import shipped_catalogue
    from orbitsim.workload.importers.assemble import Options, assemble, import_provenance
    from orbitsim.workload.importers.facts import Facts
    from orbitsim.workload.importers.rows import Marks
    from orbitsim.workload.importers.rules import read_rules
    from orbitsim.workload.traces import write_trace

    _check(files, out, force, origin, citation, confidence, whole_log, window_s)
    options = Options(
        facts=Facts(device, power_mode, model, batch_size, precision),
        rename=rename,
        rules=read_rules(rules) if rules else None,
        attribute="flop" if attribute else None,
        partial=partial,
        marks=Marks(origin.value, citation, confidence.value if confidence else None),
        rails=tuple(name.strip() for name in rail.split(",") if name.strip()) if rail else None,
        offset_s=offset_s,
        interval_s=interval_s,
        method="step" if hold else "trapezoid",
        whole_log=whole_log,
        window_s=_window(window_s),
        catalogue=shipped_catalogue().with_file(catalog) if catalog else shipped_catalogue(),
    )
    read = _read(files, formats)
    if out is None:
        _print(read, options)
        return
    assembled = assemble(read, options)
    write_trace(assembled.rows, out, import_provenance(read, assembled, ["orbitsim", *sys.argv[1:]]))
    for note in dict.fromkeys([*(note for _, imported in read for note in imported.notes), *assembled.notes]):
        warn("note", note)
    warn("written", f"{out}: {len(assembled.rows)} rows of {len(assembled.profiles)} profiles")


def _check(
    files: Sequence[Path],
    out: Path | None,
    force: bool,
    origin: Origin,
    citation: str | None,
    confidence: Confidence | None,
    whole_log: bool,
    window_s: str | None,
) -> None:
    from orbitsim.errors import InputError, Problem

    problems = []
    if out is not None and out.is_dir():
        problems.append(Problem("--out", f"expected a file to write, {out} is a folder"))
    elif out is not None and out.exists() and not force:
        problems.append(Problem("--out", f"{out} exists; --force replaces it"))
    elif out is not None and not out.parent.is_dir():
        problems.append(Problem("--out", f"expected a folder that exists, {out.parent} does not"))
    if out is not None and any(out.resolve() == file.resolve() for file in files):
        problems.append(Problem("--out", f"expected a file of its own, {out} is one of those to read"))
    if origin is Origin.PUBLISHED and not citation:
        problems.append(Problem("--citation", "expected a citation with --origin published"))
    if origin is Origin.MEASURED and (citation or confidence):
        problems.append(Problem("--origin", "expected published beside --citation and --confidence"))
    if window_s is not None and not whole_log:
        problems.append(Problem("--window-s", "expected --whole-log beside it"))
    if problems:
        raise InputError(problems)


def _window(text: str | None) -> tuple[float, float] | None:
    from orbitsim.errors import InputError, Problem

    if text is None:
        return None
    try:
        first, last = (float(word) for word in text.split(","))
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last) and first < last):
        raise InputError(Problem("--window-s", f"expected two increasing numbers, FROM,TO, got {text!r}"))
    return first, last


def _read(files: Sequence[Path], formats: Sequence[str] | None) -> list[tuple[Source, Imported]]:
    """Read every file; the faults of all of them are reported at once."""
    from orbitsim.errors import InputError, Problem
    from orbitsim.workload.importers.registry import named_format, open_source, read_source

    if formats and len(formats) not in {1, len(files)}:
        raise InputError(Problem("--format", f"expected one format, or one for each of {len(files)} files"))
    named: list[Format | None] = [named_format(name) for name in formats or ()]
    chosen = named * len(files) if len(named) == 1 else named or [None] * len(files)
    problems: list[Problem] = []
    read: list[tuple[Source, Imported]] = []
    for path, fmt in zip(files, chosen, strict=True):
        try:
            source = open_source(path)
            read.append((source, read_source(source, fmt)))
        except InputError as error:
            problems += error.problems
    hashes: dict[str, str] = {}
    for source, _ in read:
        if source.sha256 in hashes:
            problems.append(Problem("", f"expected each file once; {hashes[source.sha256]} is the same", source.path))
        hashes[source.sha256] = source.path
    if problems:
        raise InputError(problems)
    return read


def _print(read: Sequence[tuple[Source, Imported]], options: Options) -> None:
    """Print what the files say, and how far it would become a trace."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from orbitsim.results.wording import seconds

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for source, imported in read:
        table = Table(title=escape(f"{source.path}: {imported.format}"), title_justify="left")
        for heading in ("device", "mode", "model", "batch", "precision", "parts", "sum of parts", "whole", "how timed"):
            table.add_column(
                heading, justify="right" if heading in {"batch", "parts", "sum of parts", "whole"} else "left"
            )
        for recording in imported.recordings:
            total_s = math.fsum(part.mean_s for part in recording.parts)
            table.add_row(
                *(escape(str(word if word is not None else "?")) for word in _words(recording)),
                str(len(recording.parts)),
                seconds(total_s) if recording.parts else "-",
                seconds(recording.forward.mean_s if recording.forward else None),
                escape(recording.how_timed),
            )
        console.print(table if imported.recordings else table.title or "")
        if imported.telemetry is not None:
            _print_log(console.print, imported.telemetry)
        facts = {name: value for name, value in imported.facts.items() if isinstance(value, str | int | float)}
        if facts:
            console.print(escape("facts: " + ", ".join(f"{name} = {value}" for name, value in facts.items())))
    for note in dict.fromkeys(note for _, imported in read for note in imported.notes):
        warn("note", note)
    _print_outlook(read, options)


def _words(recording: Recording) -> tuple[str | int | None, ...]:
    return (recording.device, recording.power_mode, recording.model, recording.batch_size, recording.precision)


def _print_log(write: Callable[[str], None], telemetry: Telemetry) -> None:
    import numpy as np
    from rich.markup import escape

    span = telemetry.time_s[-1] - telemetry.time_s[0]
    unit = "lines" if telemetry.time_basis == "index" else "s"
    write(f"{len(telemetry.time_s)} lines over {span:g} {unit}; clock: {telemetry.time_basis}")
    means = [
        f"{rail} {np.nanmean(power):.4g} W" for rail, power in telemetry.power_w.items() if np.isfinite(power).any()
    ]
    if means:
        write(escape("mean power: " + ", ".join(means)))


def _print_outlook(read: Sequence[tuple[Source, Imported]], options: Options) -> None:
    """Say what would keep these files from becoming a trace."""
    from orbitsim.errors import InputError
    from orbitsim.workload.importers.assemble import assemble

    if not any(imported.recordings for _, imported in read):
        return
    try:
        assembled: Assembled = assemble(read, options)
    except InputError as error:
        for problem in error.problems:
            warn("before --out", str(problem))
        return
    for note in assembled.notes:
        warn("note", note)
    kinds = [row.block_kind for row in assembled.rows]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    warn("with --out", f"{len(assembled.rows)} rows of {len(assembled.profiles)} profiles ({counted})")

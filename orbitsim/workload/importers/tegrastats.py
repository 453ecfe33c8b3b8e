"""tegrastats, the monitor of every Jetson board, as JetPack 4, 5 and 6 write it: one line of text for each moment.

A line is a list of fields, and which of them are there depends on the board, the release and on who ran it (root sees
the memory controller, the engines and clocks of the graphics cores). Fields that are known are read strictly; fields of
a familiar shape but without a place in `Telemetry` (swap, engines) are passed over and named in the facts.

Of ``now/average`` the first is kept: the power at that moment. The average is one since the monitor began, and lags.

A log may be cut. The last line counts if it is ended by a line feed, or if it holds the same fields as the line before;
only a single line, cut between two fields, cannot be told from a whole one, and what it shows is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Source, TimeBasis
from orbitsim.workload.importers.strict_csv import brief
from orbitsim.workload.importers.telemetry_rows import (
    Sight,
    fraction,
    hertz,
    kelvin,
    memory,
    require_forward,
    spread_within_seconds,
    telemetry_of,
    wall_clock_s,
    watts,
)

_NAME = "tegrastats"
_MB, _MHZ, _MW = 2.0**20, 1e6, 1e-3
_FIRST_LINES = 5

_STAMP = re.compile(r"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d) ", re.ASCII)
_DATE_LINE = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d( [AP]M)?( \w+)? \d{4}", re.ASCII)
_START = re.compile(r"(?:\d\d-\d\d-\d{4} \d\d:\d\d:\d\d )?RAM \d+/\d+MB\b", re.ASCII)
_LOAD = r"(\d{1,3})%(?:@(\d+|\[\d+(?:,\d+)*\]))?"
_CORE = re.compile(r"off|(\d{1,3})%(?:@(\d+))?", re.ASCII)

_RAM = re.compile(r"RAM (\d+)/(\d+)MB(?: ?\(lfb \d+x\d+[kM]B\))?(?= |$)", re.ASCII)
_CPU = re.compile(r"CPU \[([^\]\[]*)\](?:@(\d+))?(?= |$)", re.ASCII)
_BUSY = re.compile(rf"(EMC_FREQ|GR3D_FREQ) {_LOAD}(?= |$)", re.ASCII)
_SENSOR = re.compile(r"([A-Za-z][\w.-]*)@(-?\d+(?:\.\d+)?)C(?= |$)", re.ASCII)
_RAIL = re.compile(r"([A-Za-z]\w*) (\d+)(mW)?/(\d+)(mW)?(?= |$)", re.ASCII)
_NOT_KEPT = re.compile(
    r"(SWAP|IRAM) \d+/\d+[kM]B ?\((?:cached|lfb) \d+[kM]B\)(?= |$)"
    r"|(MTS) fg \d+% bg \d+%(?= |$)"
    rf"|([A-Z]\w*) (?:off|\d+(?:\.\d+)?|{_LOAD})(?= |$)",
    re.ASCII,
)
_KEPT_NAMES = re.compile(r"(RAM|SWAP|IRAM|CPU|EMC_FREQ|GR3D_FREQ|MTS|VDD\w*|VIN\w*|POM\w*)$", re.ASCII)
_RAIL_WITHOUT_UNIT = re.compile(r"(VDD|VIN|POM)\w*|GPU|CPU|SOC|CV|SYS5V", re.ASCII)  # JetPack 4: bare milliwatts
_WORD = re.compile(r"\S+")
_NOT_A_WORD = re.compile(r"[@/%\[\]()]|^\W|^\d")


class _Line:
    """One line while it is read."""

    def __init__(self, source: Source, number: int, text: str) -> None:
        self.source, self.number, self.text = source, number, text
        self.sight = Sight()
        self.fields: list[str] = []
        self.not_kept: list[str] = []

    def read(self, at: int) -> None:
        """Read the fields from position `at` on."""
        kinds: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], None]], ...] = (
            (_RAM, self._memory),
            (_CPU, self._cores),
            (_BUSY, self._busy),
            (_SENSOR, self._sensor),
            (_RAIL, self._rail),
            (_NOT_KEPT, self._pass_over),
        )
        end = len(self.text)
        while at < end:
            for pattern, take in kinds:
                if match := pattern.match(self.text, at):
                    take(match)
                    at = match.end() + 1
                    break
            else:
                at = self._unknown(at)

    def _once(self, name: str) -> None:
        if name in self.fields:
            raise self.source.fault("field stands twice in this line", line=self.number, key=name)
        self.fields.append(name)

    def _memory(self, match: re.Match[str]) -> None:
        self._once("RAM")
        used, total = float(match[1]) * _MB, float(match[2]) * _MB
        found = memory(self.source, used, total, line=self.number, key="RAM")
        self.sight.ram_used_bytes, self.sight.ram_total_bytes = found

    def _cores(self, match: re.Match[str]) -> None:
        self._once("CPU")
        for index, text in enumerate(match[1].split(",")):
            core = _CORE.fullmatch(text.strip())
            if core is None:
                message = f"expected cores such as 7%@1190 or off, found {brief(text)}"
                raise self.source.fault(message, line=self.number, key="CPU")
            if core[1] is not None:
                self._note_load(f"cpu{index}", core[1])
                clock = core[2] or match[2]
                if clock is not None:
                    self.sight.clock_hz[f"cpu{index}"] = self._clock_hz(clock, "CPU")

    def _busy(self, match: re.Match[str]) -> None:
        self._once(match[1])
        unit = "gpu" if match[1] == "GR3D_FREQ" else "emc"
        self._note_load(unit, match[2])
        if match[3] is not None:
            clocks = [self._clock_hz(clock, match[1]) for clock in match[3].strip("[]").split(",")]
            self.sight.clock_hz[unit] = max(clocks)  # a graphics cluster that is off reads 0
            if len(clocks) > 1:
                self.sight.clock_hz |= {f"{unit}-gpc{index}": clock for index, clock in enumerate(clocks)}

    def _clock_hz(self, megahertz: str, key: str) -> float:
        return hertz(self.source, float(megahertz) * _MHZ, line=self.number, key=key)

    def _note_load(self, unit: str, percent: str) -> None:
        self.sight.load[unit] = fraction(self.source, float(percent), line=self.number, key=unit)

    def _sensor(self, match: re.Match[str]) -> None:
        name = match[1].lower()
        self._once(f"{name}@")
        self.sight.temperature_k[name] = kelvin(self.source, float(match[2]), line=self.number, key=match[1])

    def _rail(self, match: re.Match[str]) -> None:
        rail = match[1]
        self._once(f"{rail} mW")
        if match[3] != match[5]:
            message = f"expected mW after both powers or after none, found {match[0]!r}"
            raise self.source.fault(message, line=self.number, key=rail)
        if match[3] or _RAIL_WITHOUT_UNIT.fullmatch(rail):
            self.sight.power_w[rail] = watts(self.source, float(match[2]) * _MW, line=self.number, key=rail)
        elif _KEPT_NAMES.match(rail):
            raise self.source.fault(f"cannot read {match[0]!r}", line=self.number, key=rail)
        else:
            self.not_kept.append(rail)

    def _pass_over(self, match: re.Match[str]) -> None:
        name = match[1] or match[2] or match[3]
        if match[3] and _KEPT_NAMES.match(name):
            raise self.source.fault(f"cannot read {brief(match[0])}", line=self.number, key=name)
        self._once(name)
        self.not_kept.append(name)

    def _unknown(self, at: int) -> int:
        match = _WORD.match(self.text, at)
        if match is None or _NOT_A_WORD.search(match[0]) or _KEPT_NAMES.match(match[0]):
            raise self.source.fault(f"cannot read {brief(self.text[at : at + 60])}", line=self.number)
        self.fields.append(match[0])
        self.not_kept.append(match[0])
        return match.end() + 1


def _matches(source: Source) -> bool:
    written = [line.strip() for line in source.head.splitlines() if line.strip()]
    return any(_START.match(line) for line in written[:_FIRST_LINES])


def _read(source: Source) -> Imported:
    texts = source.text.replace("\r\n", "\n").split("\n")
    lines: list[_Line] = []
    stamps: list[float] = []
    started = ""
    for number, raw in enumerate(texts, start=1):
        text = raw.strip()
        if not text:
            continue
        if not lines and not started and _DATE_LINE.fullmatch(text):
            started = text
            continue
        line = _Line(source, number, text)
        stamp = _STAMP.match(text)
        if lines and (stamp is None) != (not stamps):
            message = "some lines have a time stamp and some have none: two logs in one file"
            raise source.fault(message, line=number)
        if stamp is not None:
            stamps.append(wall_clock_s(source, stamp[1], "%m-%d-%Y %H:%M:%S", line=number))
        at = stamp.end() if stamp else 0
        if not text.startswith("RAM ", at):
            raise source.fault(f"expected a line of tegrastats (RAM ...), found {brief(text)}", line=number)
        line.read(at)
        lines.append(line)
    if not lines:
        raise source.fault("expected lines of tegrastats, found none", line=1)
    _require_whole_end(source, lines, texts)
    return _import(source, lines, stamps, started)


def _require_whole_end(source: Source, lines: list[_Line], texts: list[str]) -> None:
    """Raise InputError if the last line is not ended and lacks fields of the line before."""
    if not texts[-1].strip() or len(lines) < 2:
        return
    missing = [name for name in lines[-2].fields if name not in lines[-1].fields]
    if missing:
        message = f"the file ends within this line: {missing[0]} is missing"
        raise source.fault(message, line=lines[-1].number)


def _import(source: Source, lines: list[_Line], stamps: list[float], started: str) -> Imported:
    time_s: list[float] = [float(index) for index in range(len(lines))]
    basis: TimeBasis = "index"
    notes = ["power is the momentary one of each line (the first of now/average)"]
    if stamps:
        require_forward(source, stamps, [line.number for line in lines])
        time_s, is_spread = spread_within_seconds(stamps)
        basis = "local"
        notes.append("time stamps are whole seconds of a wall clock without a time zone")
        if is_spread:
            notes.append("lines that share a second are taken as spread evenly over it")
    else:
        notes.append("lines have no time stamps and the interval is not stated: time counts lines")
    if len(lines) == 1:
        notes.append("one line: whether it is whole cannot be checked")
    facts: dict[str, Any] = {"n_samples": len(lines)}
    if started:
        facts["date_line"] = started
    not_kept = sorted({name for line in lines for name in line.not_kept})
    if not_kept:
        facts["fields_not_kept"] = not_kept
    rails = sorted({rail for line in lines for rail in line.sight.power_w})
    notes.append(_about_rails(rails))
    telemetry = telemetry_of([line.sight for line in lines], time_s, basis)
    return Imported(_NAME, telemetry=telemetry, facts=facts, notes=tuple(notes))


def _about_rails(rails: list[str]) -> str:
    board = [rail for rail in rails if rail in {"VDD_IN", "POM_5V_IN"}]
    if board:
        return f"{board[0]} is the whole module; the other rails are parts of it"
    return "no single rail measures the whole module" if rails else "no power rail was logged"


FORMAT = Format(_NAME, "log of tegrastats (JetPack 4, 5 and 6)", _matches, _read)

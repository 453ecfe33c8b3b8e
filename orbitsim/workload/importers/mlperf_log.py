"""MLPerf inference: loadgen's summary and detail logs, and the wall power that was logged beside them.

Loadgen states a latency for each query. Only where a query waits for nothing but its own computation is that the time
of a forward pass: one query after another in SingleStream and MultiStream. In Offline all samples are sent at once and
in Server they queue, so that latencies there say how long a sample waited; of these only facts are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_csv import brief, number_in, require_ended
from orbitsim.workload.importers.telemetry_rows import Sight, require_forward, telemetry_of, wall_clock_s

_NAME = "mlperf-log"
_NS = 1e-9
_POWER_CLOCK = "%m-%d-%Y %H:%M:%S.%f"

_TITLE = "MLPerf Results Summary"
_DETAIL = ":::MLLOG "
_POWER_LINE = re.compile(r"Time,\d\d-\d\d-\d{4} \d\d:\d\d:\d\d(\.\d+)?,Watts,", re.ASCII)
_ENTRY = re.compile(r"\s*([^:]+?)\s*: *(.*?)\s*")
_QUERIES = re.compile(r" \* (?:Processed at least \d+ queries|Only processed) \(?(\d+)\)?", re.ASCII)
_SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")

_Entries = dict[str, tuple[str, int]]  # what a key says, and the line that says it


def _matches(source: Source) -> bool:
    head = source.head
    return (
        head.startswith(_DETAIL)
        or _POWER_LINE.match(head) is not None
        or any(line.strip() == _TITLE for line in head[:2000].splitlines()[:5])
    )


def _read(source: Source) -> Imported:
    require_ended(source)
    if source.text.startswith(_DETAIL):
        return _read_detail(source)
    return _read_power(source) if _POWER_LINE.match(source.text) else _read_summary(source)


# ---- mlperf_log_summary.txt


def _read_summary(source: Source) -> Imported:
    entries: _Entries = {}
    n_queries = None
    for line, text in enumerate(source.text.splitlines(), start=1):
        if match := _QUERIES.match(text):
            n_queries = int(number_in(source, match[1], line=line, key="queries"))
        elif match := _ENTRY.fullmatch(text):
            if match[1] in entries and entries[match[1]][0] != match[2]:
                raise source.fault(f"{brief(match[1])} stands twice: two summaries in one file", line=line)
            entries[match[1]] = (match[2], line)
    names = {
        "mean": "Mean latency (ns)",
        "min": "Min latency (ns)",
        "max": "Max latency (ns)",
        "p50": "50.00 percentile latency (ns)",
        "p95": "95.00 percentile latency (ns)",
    }
    facts = {"sut": entries["SUT name"][0]} if "SUT name" in entries else {}
    throughputs = {
        "samples_per_s": "Samples per second",
        "scheduled_samples_per_s": "Scheduled samples per second",
        "completed_samples_per_s": "Completed samples per second",
        "tokens_per_s": "Tokens per second",
        "tokens_per_s_inferred": "Tokens per second (inferred)",
    }
    return _import(
        source,
        entries,
        scenario="Scenario",
        mode="Mode",
        validity="Result is",
        per_query="samples_per_query",
        latencies=names,
        throughputs=throughputs,
        n_queries=n_queries,
        facts=facts,
    )


# ---- mlperf_log_detail.txt


def _read_detail(source: Source) -> Imported:
    entries: _Entries = {}
    for line, text in enumerate(source.text.replace("\r\n", "\n").split("\n"), start=1):
        if not text.strip():
            continue
        if not text.startswith(_DETAIL):
            raise source.fault(f"expected a line that begins with {_DETAIL.strip()}, found {brief(text)}", line=line)
        record = _record(source, text.removeprefix(_DETAIL), line)
        key, value = record["key"], record["value"]
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            repeats = key in entries and key not in {"generic_message", "loaded_qsl_set"}
            if repeats and entries[key][0] != str(value) and key.startswith(("result_", "effective_", "power_")):
                raise source.fault("stands twice with unlike values: two runs in one file", line=line, key=key)
            entries[key] = (str(value), line)
    query = "_per_query_latency_ns" if "result_mean_query_latency_ns" in entries else "_latency_ns"
    whole = "_query_latency_ns" if "result_mean_query_latency_ns" in entries else "_latency_ns"
    names = {
        "mean": f"result_mean{whole}",
        "min": f"result_min{whole}",
        "max": f"result_max{whole}",
        "p50": f"result_50.00_percentile{query}",
        "p95": f"result_95.00_percentile{query}",
    }
    facts: dict[str, Any] = {}
    for key in ("sut_name", "loadgen_version", "test_datetime", "power_begin", "power_end"):
        if key in entries:
            facts["sut" if key == "sut_name" else key] = entries[key][0]
    for key in ("power_begin", "power_end"):
        if key in entries:
            facts[f"{key}_s"] = wall_clock_s(source, entries[key][0], _POWER_CLOCK, line=entries[key][1])
    n_queries = None
    if "result_query_count" in entries:
        text, line = entries["result_query_count"]
        n_queries = int(number_in(source, text, line=line, key="result_query_count"))
    throughputs = {
        "samples_per_s": "result_samples_per_second",
        "scheduled_samples_per_s": "result_scheduled_samples_per_sec",
        "completed_samples_per_s": "result_completed_samples_per_sec",
        "tokens_per_s": "result_tokens_per_second",
    }
    return _import(
        source,
        entries,
        scenario="effective_scenario",
        mode="effective_test_mode",
        validity="result_validity",
        per_query="effective_samples_per_query",
        latencies=names,
        throughputs=throughputs,
        n_queries=n_queries,
        facts=facts,
    )


def _record(source: Source, text: str, line: int) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        record = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise source.fault(
            "expected JSON behind :::MLLOG, found something else; the line may be cut", line=line
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("key"), str) or "value" not in record:
        raise source.fault('expected a record with "key" and "value"', line=line)
    return record


# ---- both logs


def _import(
    source: Source,
    entries: _Entries,
    *,
    scenario: str,
    mode: str,
    validity: str,
    per_query: str,
    latencies: Mapping[str, str],
    throughputs: Mapping[str, str],
    n_queries: int | None,
    facts: dict[str, Any],
) -> Imported:
    kind, line = _entry(source, entries, scenario)
    kind = kind.replace(" ", "")  # loadgen before 2.0 wrote "Single Stream"
    if kind not in _SCENARIOS:
        raise source.fault(f"expected one of {', '.join(_SCENARIOS)}, found {brief(kind)}", line=line, key=scenario)
    run, line = _entry(source, entries, mode)
    if run not in {"PerformanceOnly", "Performance", "FindPeakPerformance"}:
        raise source.fault(f"expected a run of mode PerformanceOnly, found {brief(run)}", line=line, key=mode)
    verdict, line = _entry(source, entries, validity)
    if verdict not in {"VALID", "INVALID"}:
        raise source.fault(f"expected VALID or INVALID, found {brief(verdict)}", line=line, key=validity)
    facts |= {"scenario": kind, "result": verdict, "latency_s": _latencies(source, entries, latencies)}
    for fact, key in throughputs.items():
        if key in entries:
            facts[fact] = number_in(source, entries[key][0], line=entries[key][1], key=key)
    notes = []
    if verdict == "INVALID":
        notes.append("loadgen calls this result INVALID (too short, too few queries, or a limit missed)")
    if kind in {"Offline", "Server"}:
        what = "were all sent at once" if kind == "Offline" else "queued as they arrived at random"
        notes.append(f"samples {what}: latencies are waiting times and no time of a pass; only throughput is kept")
        return Imported(_NAME, facts=facts, notes=tuple(notes))
    text, line = _entry(source, entries, per_query)
    samples = number_in(source, text, line=line, key=per_query)
    if samples < 1 or samples != int(samples):
        raise source.fault(f"expected a count of samples, found {brief(text)}", line=line, key=per_query)
    stated = facts["latency_s"]
    forward = Timing(
        "forward",
        mean_s=stated["mean"],
        min_s=stated["min"],
        max_s=stated["max"],
        p50_s=stated["p50"],
        p95_s=stated["p95"],
        n_samples=n_queries or None,
    )
    notes.append(
        "latency of a query: the pass with all that the harness does around it; generative models run many passes"
    )
    if kind == "MultiStream":
        notes.append("a query holds several samples, which need not have run as one mini-batch")
    recording = Recording(forward=forward, batch_size=int(samples), how_timed=f"mlperf-loadgen, {kind}")
    return Imported(_NAME, (recording,), facts=facts, notes=tuple(notes))


def _entry(source: Source, entries: _Entries, key: str) -> tuple[str, int]:
    local = key.replace(".", ",")
    if key not in entries and local in entries:
        message = f"expected {key!r}, found {local!r}: numbers need a decimal point, not a comma (another locale?)"
        raise source.fault(message, line=entries[local][1])
    if key not in entries:
        raise source.fault("is missing: not a whole log of a performance run", line=source.text.count("\n"), key=key)
    return entries[key]


def _latencies(source: Source, entries: _Entries, names: Mapping[str, str]) -> dict[str, float]:
    """Return the latencies by statistic, or raise InputError if they are missing or out of order. [s]"""
    seconds: dict[str, float] = {}
    for name, key in names.items():
        text, line = _entry(source, entries, key)
        seconds[name] = number_in(source, text, line=line, key=key) * _NS
    rising = [seconds[name] for name in ("min", "p50", "p95", "max")]
    if rising != sorted(rising) or not seconds["min"] <= seconds["mean"] <= seconds["max"]:
        line = entries[names["mean"]][1]
        raise source.fault("expected min <= median <= 95th percentile <= max, and a mean between", line=line)
    return seconds


# ---- spl.txt


def _read_power(source: Source) -> Imported:
    sights: list[Sight] = []
    times: list[float] = []
    lines: list[int] = []
    for line, text in enumerate(source.text.replace("\r\n", "\n").split("\n"), start=1):
        if not text.strip():
            continue
        cells = text.split(",")
        names = cells[::2]
        if len(cells) % 2 or names[:2] != ["Time", "Watts"] or len(set(names)) < len(names):
            message = f"expected Time,...,Watts,... and further names with a value each, found {brief(text)}"
            raise source.fault(f"{message}; numbers need a decimal point, not a comma", line=line)
        values = dict(zip(names, cells[1::2], strict=True))
        clock = _POWER_CLOCK if "." in values["Time"] else _POWER_CLOCK.removesuffix(".%f")
        times.append(wall_clock_s(source, values["Time"], clock, line=line))
        sights.append(Sight(power_w={"wall": number_in(source, values["Watts"], line=line, key="Watts")}))
        lines.append(line)
    require_forward(source, times, lines)
    notes = (
        "power at the wall: the whole kit with its power supply",
        "time stamps are those of a wall clock without a time zone",
        "the log begins before the run and ends after it: power_begin and power_end stand in mlperf_log_detail.txt",
    )
    return Imported(
        _NAME, telemetry=telemetry_of(sights, times, "local"), facts={"n_samples": len(sights)}, notes=notes
    )


FORMAT = Format(_NAME, "MLPerf loadgen log (summary or detail) or its wall power (spl.txt)", _matches, _read)

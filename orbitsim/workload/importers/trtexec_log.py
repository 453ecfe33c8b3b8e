"""What trtexec prints: options, device, performance summary and, with ``--dumpProfile``, the time of every layer.

A log counts only if it is whole: each run begins with ``&&&& RUNNING`` and ends with ``&&&& PASSED``. A log may hold
several runs one after another; each becomes one recording.

The echo of options is not all true of an engine that was built earlier and only loaded: its ``Precision`` and ``Batch``
are what a new build would have used. The batch size is therefore read off the input tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.trtexec_layers import LayerTable, read_layer_table
from orbitsim.workload.importers.trtexec_profile import fused_note
from orbitsim.workload.importers.trtexec_times import printed_half_digit

_BANNER = re.compile(
    r"&&&& (RUNNING|PASSED|FAILED|WAIVED|SKIPPED) TensorRT\.trtexec(?: \[TensorRT v(\w+)\])?(?: # (.*))?"
)
_PREFIX = re.compile(r"^(?:\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] )?\[([A-Z])\] ?(.*)$")
_SECTION = re.compile(r"^=== (.+?) ===$")
_OPTION = re.compile(r"^([A-Za-z][\w .()/-]*?):\s?(.*)$")
_INPUT = re.compile(r"(?:Created input|Input) binding for (.+?) with dimensions (\d{1,9}(?:x\d{1,9})*)")
_TRACE = re.compile(r"^Timing trace has (\S+) queries over (\S+) s$")
_METRIC = re.compile(r"^(Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency|End-to-End Host Latency): (.*)$")
_TOTAL = re.compile(r"^(Throughput|Total Host Walltime|Total GPU Compute Time): (.*?) (qps|s)$")
_UNSTABLE = re.compile(r"GPU compute time is unstable, with coefficient of variance = (\S+?)%")
_PROFILE = re.compile(r"^=== Profile \((\d{1,15}) iterations ?\) ===$", re.ASCII)
_NUMBER = re.compile(r"^[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?$")
_PERCENTILE = re.compile(r"^[0-9]{1,2}(?:\.[0-9]+)?%$")
_PRECISIONS = {"FP32": "fp32", "FP16": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8", "INT4": "int4"}


@dataclass
class _Run:
    """One run of trtexec, as far as it has been read."""

    line: int
    version: str
    command: str
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    inputs: dict[str, list[int]] = field(default_factory=dict)
    summary: dict[str, dict[str, float]] = field(default_factory=dict)
    metric_lines: dict[str, int] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    queries: int | None = None
    trace_s: float | None = None
    variation: float | None = None
    table: LayerTable | None = None
    last_error: str = ""

    def option(self, name: str, section: str = "") -> str:
        """Value of an option, from the named section or whichever has it; empty if none has."""
        sections = [self.options.get(section, {})] if section else list(self.options.values())
        return next((options[name] for options in sections if options.get(name)), "")


def matches(source: Source) -> bool:
    """Whether a source has trtexec's opening line among its first lines."""
    return "&&&& RUNNING TensorRT.trtexec" in source.head


def read(source: Source) -> Imported:
    """Read every run of a log.

    Raises
    ------
    InputError
        With the line of a run that failed or has no end, that timed nothing, or whose figures are missing, not
        positive, in another unit or number format, or contradict each other.
    """
    runs = list(_runs(source))
    if not runs:
        raise source.fault("expected a line that begins with '&&&& RUNNING TensorRT.trtexec'", line=1)
    recordings, notes = [], []
    for run in runs:
        recording, of_run = _recording(source, run)
        recordings.append(recording)
        notes += [note for note in of_run if note not in notes]
    facts = _facts(runs[0]) if len(runs) == 1 else {"runs": [_facts(run) for run in runs]}
    return Imported(FORMAT.name, tuple(recordings), facts=facts, notes=tuple(notes))


def _runs(source: Source) -> Iterator[_Run]:
    """Go through the lines once, run by run."""
    run: _Run | None = None
    section = ""
    lines = [_split(line) for line in source.text.split("\n")]
    at = 0
    while at < len(lines):
        severity, text = lines[at]
        at += 1
        if banner := _BANNER.match(text):
            if banner[1] == "RUNNING":
                if run is not None:
                    raise source.fault(f"the run that began in line {run.line} has no end before this one", line=at)
                run, section = _Run(at, banner[2] or "", banner[3] or ""), ""
            elif run is None:
                raise source.fault(f"'&&&& {banner[1]}' without '&&&& RUNNING' before it", line=at)
            elif banner[1] != "PASSED":
                why = f": {run.last_error}" if run.last_error else ""
                raise source.fault(f"trtexec says that this run {banner[1].lower()}{why}", line=at)
            else:
                yield run
                run = None
            continue
        if run is None:
            continue
        if severity == "E":
            run.last_error = text[:200]
        elif heading := _PROFILE.match(text):
            if run.table is not None:
                raise source.fault("a second table of layers in one run", line=at)
            run.table, at = read_layer_table(source, [line for _, line in lines], at, int(heading[1]))
        elif heading := _SECTION.match(text):
            section = heading[1]
        else:
            _line(source, run, section, text, at)
    if run is not None:
        message = "the log ends before '&&&& PASSED': the run was cut short"
        raise source.fault(message, line=max(number for number, (_, text) in enumerate(lines, 1) if text))


def _split(line: str) -> tuple[str, str]:
    """Severity and text of a line, without its time stamp."""
    prefix = _PREFIX.match(line.rstrip("\r"))
    return (prefix[1], prefix[2].rstrip()) if prefix else ("", line.rstrip())


def _line(source: Source, run: _Run, section: str, text: str, line: int) -> None:
    if trace := _TRACE.match(text):
        queries = _number(source, trace[1], line)
        if queries != int(queries):
            raise source.fault(f"expected a whole number of queries, found {trace[1]}", line=line)
        run.queries, run.trace_s = int(queries), _number(source, trace[2], line)
    elif bound := _INPUT.search(text):
        run.inputs[bound[1]] = [int(size) for size in bound[2].split("x")]
    elif unstable := _UNSTABLE.search(text):
        run.variation = _number(source, unstable[1], line) / 100.0
    elif section == "Performance summary":
        if metric := _METRIC.match(text):
            if metric[1] in run.summary:
                raise source.fault(f"a second '{metric[1]}' in one run", line=line)
            run.summary[metric[1]] = _statistics(source, metric[1], metric[2], line)
            run.metric_lines[metric[1]] = line
        elif total := _TOTAL.match(text):
            run.totals[total[1]] = _number(source, total[2], line)
            run.metric_lines[total[1]] = line
        elif text.startswith(("Throughput:", "Total ")):
            raise source.fault(f"expected a number and its unit (qps or s), found '{text[:60]}'", line=line)
    elif option := _OPTION.match(text):
        if section.endswith(("Options", "Information")):
            run.options.setdefault(section, {}).setdefault(option[1].strip(), option[2].strip())
        elif option[1] == "TensorRT version":
            run.options.setdefault("Device Information", {})["TensorRT version"] = option[2]


def _statistics(source: Source, metric: str, text: str, line: int) -> dict[str, float]:
    """Figures of one metric [s], by label (``min``, ``mean``, ``99%``)."""
    figures: dict[str, float] = {}
    for item in text.split(", "):
        label, _, value = item.partition(" = ")
        number, _, unit = value.partition(" ")
        if unit != "ms":
            raise source.fault(f"{metric}: expected '{label[:20]} = <number> ms', found '{item[:60]}'", line=line)
        percentile = re.fullmatch(r"percentile\((.+)%\)", label)
        zero_is_fine = metric not in ("Latency", "GPU Compute Time")
        figures[f"{percentile[1]}%" if percentile else label] = (
            _number(source, number, line, zero_is_fine=zero_is_fine) / 1000.0
        )
    missing = [label for label in ("min", "max", "mean") if label not in figures]
    if missing:
        raise source.fault(f"{metric}: {', '.join(missing)} missing", line=line)
    if any(not figures["min"] <= value <= figures["max"] for value in figures.values()):
        raise source.fault(f"{metric}: a figure lies outside min .. max", line=line)
    quantiles = {50.0: figures.get("median", figures["min"])}
    quantiles |= {float(label[:-1]): value for label, value in figures.items() if _PERCENTILE.match(label)}
    ranked = [value for rank, value in sorted(quantiles.items()) if rank >= 50.0]
    if ranked != sorted(ranked):
        raise source.fault(f"{metric}: the percentiles are not in order", line=line)
    return figures


def _number(source: Source, text: str, line: int, *, zero_is_fine: bool = False) -> float:
    if "," in text:
        message = f"expected a number with a decimal point, found '{text[:30]}' (made in another locale?)"
        raise source.fault(message, line=line)
    number = float(text) if _NUMBER.match(text) else math.nan
    if not number < 1e18 or (number == 0 and not zero_is_fine):
        raise source.fault(f"expected a number above 0, found '{text[:30]}'", line=line)
    return number


def _recording(source: Source, run: _Run) -> tuple[Recording, list[str]]:
    batch_size, notes = _batch_size(run)
    forward = _forward(source, run) if run.summary else None
    parts = run.table.parts if run.table else ()
    if forward is None and not parts:
        message = "this run timed nothing: neither a performance summary nor a table of layers follows"
        raise source.fault(message, line=run.line)
    if forward is not None:
        notes.insert(
            0, "the forward time is GPU Compute Time; Latency, in the facts, adds the copies of input and output"
        )
    if parts:
        notes.append("layers were timed with TensorRT's profiler on: their sum is above the time of an undisturbed run")
        notes += fused_note(parts)
    precision, note = _precision(run)
    notes += [note] if note else []
    how_timed = "trtexec" if forward else "trtexec-layer-profiler"
    device = run.option("Selected Device") or None
    recording = Recording(parts, forward, device, None, _model(run), precision, batch_size, how_timed)
    return recording, notes


def _forward(source: Source, run: _Run) -> Timing:
    line = run.metric_lines.get("GPU Compute Time")
    if line is None:
        raise source.fault("the performance summary has no 'GPU Compute Time'", line=max(run.metric_lines.values()))
    figures = run.summary["GPU Compute Time"]
    n_samples = _executions(run)
    _check_totals(source, run, figures["mean"], n_samples)
    return Timing(
        name="forward",
        mean_s=figures["mean"],
        std_s=run.variation * figures["mean"] if run.variation else None,
        min_s=figures["min"],
        max_s=figures["max"],
        p50_s=figures.get("median"),
        p95_s=figures.get("95%"),
        n_samples=n_samples,
    )


def _implicit_batch(run: _Run) -> int:
    """Return what ``Batch:`` says of an engine without a batch dimension, else 1; trtexec multiplies counts by it."""
    return max(1, _whole(run.option("Batch", "Inference Options")))


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _executions(run: _Run) -> int | None:
    return None if run.queries is None else run.queries // _implicit_batch(run) or None


def _check_totals(source: Source, run: _Run, mean_s: float, n_samples: int | None) -> None:
    """Compare the figures of a summary with each other."""

    def differ(a: float, b: float) -> bool:
        return abs(a - b) > 2e-3 * max(a, b) + printed_half_digit(a) + printed_half_digit(b)

    wall_s, total_s = run.totals.get("Total Host Walltime", run.trace_s), run.totals.get("Total GPU Compute Time")
    rate = run.totals.get("Throughput")
    if rate is not None and run.queries and wall_s is not None and differ(rate * wall_s, run.queries):
        message = f"Throughput x walltime is {rate * wall_s:.6g}, but the trace has {run.queries} queries"
        raise source.fault(message, line=run.metric_lines["Throughput"])
    if total_s is not None and n_samples and differ(mean_s * n_samples, total_s):
        found = f"mean x {n_samples} executions is {mean_s * n_samples:.6g} s"
        message = f"{found}, but Total GPU Compute Time is {total_s:.6g} s"
        raise source.fault(message, line=run.metric_lines["GPU Compute Time"])
    streams = run.option("Streams") or run.option("Inference Streams")
    if streams == "1" and rate is not None and rate * mean_s / _implicit_batch(run) > 1.05:
        message = f"Throughput x mean GPU Compute Time is {rate * mean_s:.4g} on one stream, above 1"
        raise source.fault(message, line=run.metric_lines["Throughput"])


def _batch_size(run: _Run) -> tuple[int | None, list[str]]:
    """Batch size by the shapes of the inputs, and what to say of it.

    With an explicit batch the first dimension is the batch, whatever ``Batch: 1`` says. Only engines without a batch
    dimension (up to TensorRT 9, mostly images of rank 3) multiply by ``--batch``.
    """
    stated = run.option("Batch", "Inference Options")
    shapes = [dims for dims in run.inputs.values() if dims]
    if not shapes:
        return None, ["the batch size is not stated: no input tensor is listed"]
    first = {dims[0] for dims in shapes}
    as_text = ", ".join("x".join(map(str, dims)) for dims in shapes)
    if stated == "Explicit" or (stated in ("", "1") and (first == {1} or min(map(len, shapes)) >= 4)):
        if len(first) != 1:
            return None, [f"the batch size is not certain: the inputs are {as_text}"]
        batch_size = first.pop()
        if stated == "1" and batch_size != 1:
            given = "--batch=1 in its options" if "--batch=1" in run.command.split() else "the log's echo Batch: 1"
            note = f"{given} contradicts the input binding of {as_text}: taken as a mini-batch of {batch_size}"
            return batch_size, [note]
        return batch_size, []
    if _whole(stated) > 1 and (max(map(len, shapes)) <= 3 or first == {_whole(stated)}):
        return _whole(stated), []
    return None, [f"the batch size is not certain: the log says Batch: {stated or '?'}, the inputs are {as_text}"]


def _precision(run: _Run) -> tuple[str | None, str]:
    """Precision that the engine was built with in this very run, and what to say of it."""
    echoed = run.option("Precision", "Build Options")
    if run.option("Load engine") or "--loadEngine" in run.command:
        return None, "the engine was loaded, not built, in this run: the log does not say its precision"
    allowed = [_PRECISIONS[word] for word in re.findall(r"[A-Z]+\d+", echoed) if word in _PRECISIONS]
    if not allowed:
        return None, ""
    note = f"TensorRT chose each layer's precision among {', '.join(allowed)}" if len(allowed) > 1 else ""
    return allowed[-1], note


def _model(run: _Run) -> str | None:
    """Name of the model's or engine's file, without folder and ending."""
    given = re.search(r"--(?:onnx|loadEngine|uff|deploy|model)=(\S+)", run.command)
    path = run.option("Model", "Model Options") or run.option("Load engine") or (given[1] if given else "")
    return re.split(r"[/\\]", path)[-1].rsplit(".", 1)[0] or None


def _facts(run: _Run) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "trtexec_version": run.version,
        "command": run.command,
        "options": run.options,
        "inputs": run.inputs,
        "summary_s": run.summary,
    }
    for name, key in (("Throughput", "throughput_qps"), ("Total Host Walltime", "walltime_s")):
        if name in run.totals:
            facts[key] = run.totals[name]
    if run.table:
        facts |= {"n_profiled_iterations": run.table.n_iterations, "layer_total_s": run.table.total_s}
    return facts


FORMAT = Format("trtexec-log", "what trtexec prints (text)", matches, read)

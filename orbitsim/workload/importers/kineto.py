"""Chrome traces of torch.profiler (Kineto): spans that the program annotated, and what the GPU did for each.

A part is an annotation (``with record_function("block 3")``), an iteration a step of the profiler or one round of the
annotations. On a GPU a part's time is the time in which the GPU was busy with the work that was launched inside it,
found through correlation ids; without a GPU it is the time of the annotation itself.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, TimeBasis, Timing
from orbitsim.workload.importers.kineto_events import Events, Span, Work, exact, read_events
from orbitsim.workload.importers.kineto_spans import Layout, busy_ns, lay_out, owners
from orbitsim.workload.importers.strict_json import parse_json

_HEAD = re.compile(r"\s*\{")
_COMPLETE_SHARE = 0.99
_LISTED_KERNELS = 20


def matches(source: Source) -> bool:
    """Whether a source is a JSON object with a key ``traceEvents``."""
    return _HEAD.match(source.head) is not None and b'"traceEvents"' in source.content


def read(source: Source) -> Imported:
    """Read a trace.

    Raises
    ------
    InputError
        With the byte where a trace breaks off or is not JSON, or the index of an event whose time is missing or
        negative; or if there is neither a kernel nor an annotation in it.
    """
    document = parse_json(source, parse_float=exact)
    if not isinstance(document, dict):
        raise source.fault("expected an object with traceEvents")
    events = read_events(source, document)
    kernels = [item for item in events.work if item.kind == "kernel"]
    layout = lay_out(events.spans)
    if not kernels and not layout.wholes and not layout.loose:
        message = "there is neither a kernel nor an annotation (torch.profiler.record_function, profiler.step) in it"
        raise source.fault(message, key="traceEvents")
    notes: list[str] = []
    device = _device(document, events.work, notes)
    basis: TimeBasis = "utc" if events.is_utc else "relative"
    forward, parts, complete, share = _timings(events, layout, notes)
    if forward is None and not parts:
        raise source.fault("no iteration, part or kernel in it took any time", key="traceEvents")
    how_timed = "kineto-gpu-busy" if events.work else "kineto-host"
    recording = Recording(
        *(parts, forward, device),
        how_timed=how_timed,
        time_basis=basis,
        parts_are_complete=complete or not parts,
        covered_share=share,
    )
    if kernels and events.whole_microseconds:
        notes.append("kernel times are cut to whole microseconds in this trace: each is up to 1 us too short")
    options = [key for key in ("with_stack", "profile_memory", "record_shapes") if document.get(key) == 1]
    if options:
        notes.append(f"{', '.join(options)} slowed the host down while this was recorded")
    return Imported(
        FORMAT.name, (recording,), facts=_facts(document, events, kernels, layout), notes=tuple(dict.fromkeys(notes))
    )


def _timings(
    events: Events, layout: Layout, notes: list[str]
) -> tuple[Timing | None, tuple[Timing, ...], bool, float | None]:
    """Time of the whole, times of its parts, whether these are all of it, and which share of it they cover."""
    compute = [item for item in events.work if item.kind != "copy"]
    clock = _Clock(events, compute)
    if layout.left_out:
        notes.append(f"annotations inside parts or outside iterations are not used: {_listed(layout.left_out)}")
    annotated = [span for spans in layout.parts for span in spans] or layout.loose
    untold = _untold_share(clock, annotated) if annotated else 0.0
    if untold > 1 - _COMPLETE_SHARE:
        notes.append(f"annotations cannot be timed: their thread did not launch {untold:.1%} of the work on the GPU")
    elif layout.parts:
        return _regular(clock, layout, untold, notes)
    elif layout.loose:
        notes.append("annotations do not repeat in the same order: times are by name, and no iteration can be told")
        by_name: dict[str, list[Span]] = defaultdict(list)
        for span in layout.loose:
            by_name[span.name].append(span)
        return None, _parts(clock, list(by_name.values()), list(by_name), notes), False, None
    forward = _whole_only(clock, layout, notes) if layout.wholes else None
    if forward is not None:
        return forward, (), False, None
    notes.append("times are those of single kernels by name: what belongs to an iteration cannot be told")
    by_kernel: dict[str, list[Work]] = defaultdict(list)
    for item in (item for item in compute if item.kind == "kernel"):
        by_kernel[item.name].append(item)
    timings = [
        _timing(name, [w.end_ns - w.start_ns for w in work], [w.start_ns + clock.origin_ns for w in work])
        for name, work in by_kernel.items()
    ]
    return None, tuple(timing for timing in timings if timing.mean_s > 0), False, None


class _Clock:
    """Durations of spans: busy time of a GPU if there is one in the trace, else the host's."""

    def __init__(self, events: Events, compute: Sequence[Work]) -> None:
        self.on_gpu = bool(compute)
        self.compute = compute
        starts = [item.start_ns for item in events.work] + [span.start_ns for span in events.spans]
        first = min(starts, default=0)
        self.origin_ns = events.origin_ns if events.is_utc else -first

    def measure(self, spans: Sequence[Span], *, alike: bool = False) -> tuple[list[int], list[int], list[list[Work]]]:
        """Durations [ns], beginnings [ns] and work of spans of one thread that do not overlap, by start."""
        if not self.on_gpu:
            starts = [span.start_ns + self.origin_ns for span in spans]
            return [span.end_ns - span.start_ns for span in spans], starts, [[] for _ in spans]
        shares: list[list[Work]] = [[] for _ in spans]
        for item, owner in zip(self.compute, owners(self.compute, spans, alike=alike), strict=True):
            if owner is not None:
                shares[owner].append(item)
        begins = [work[0].start_ns if work else span.start_ns for work, span in zip(shares, spans, strict=True)]
        return [busy_ns(work) for work in shares], [begin + self.origin_ns for begin in begins], shares


def _untold_share(clock: _Clock, spans: Sequence[Span], *, alike: bool = False) -> float:
    """Share of the GPU's work that some span may have caused unseen: its launch is missing or on another thread."""
    known = {id(item) for work in clock.measure(spans, alike=alike)[2] for item in work}
    thread, begin_ns, end_ns = spans[0].thread, spans[0].start_ns, max(span.end_ns for span in spans)

    def is_untold(item: Work) -> bool:
        if item.launch is None:
            return id(item) not in known
        return item.launch[0] != thread and begin_ns <= item.launch[1] <= end_ns

    return busy_ns(item for item in clock.compute if is_untold(item)) / max(busy_ns(clock.compute), 1)


def _regular(
    clock: _Clock, layout: Layout, untold: float, notes: list[str]
) -> tuple[Timing | None, tuple[Timing, ...], bool, float | None]:
    """Parts that recur in every iteration."""
    names = [span.name for span in layout.parts[0]]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        labels.append(f"{name} #{seen[name]}" if name in repeated else name)
        seen[name] += 1
    parts = _parts(clock, [[spans[at] for spans in layout.parts] for at in range(len(names))], labels, notes)
    wholes = layout.forwards or layout.wholes
    durations, begins, _ = clock.measure(wholes, alike=True)
    total_ns = sum(durations)
    flat = [span for spans in layout.parts for span in spans]
    parts_ns, _, part_shares = clock.measure(flat)
    complete = bool(parts)
    if clock.on_gpu:
        covered = busy_ns(item for work in part_shares for item in work)
        overlap = sum(parts_ns) - covered
        if overlap > 1000 * len(flat) or overlap > 0.001 * max(covered, 1):
            complete = False
            notes.append("parts overlap on the GPU (several streams): their sum is above the time of the whole")
        if untold:
            complete = False
            notes.append(f"{untold:.2%} of the work on the GPU has no known launch on this thread and is left out")
    else:
        covered = sum(parts_ns)
    if total_ns and covered < _COMPLETE_SHARE * total_ns:
        complete = False
        said = f"the annotated parts cover {covered / total_ns:.1%} of the time of their iterations"
        notes.append(f"{said}; below {_COMPLETE_SHARE:.0%} they count with --partial only")
    share = covered / total_ns if total_ns else None
    is_forward = bool(layout.forwards) and total_ns > 0
    return (_timing("forward", durations, begins) if is_forward else None), parts, complete, share


def _whole_only(clock: _Clock, layout: Layout, notes: list[str]) -> Timing | None:
    """Return the time of iterations without parts: an annotation around each, or the steps of the profiler."""
    wholes = layout.forwards or layout.wholes
    durations, begins, shares = clock.measure(wholes, alike=True)
    where = "one annotation" if layout.forwards else "a step of the profiler"
    if not clock.on_gpu:
        notes.append(f"the time of the whole is that of {where} on the host, all that happens in it included")
        return _timing("forward", durations, begins) if sum(durations) else None
    untold = _untold_share(clock, wholes, alike=True)
    if untold > 1 - _COMPLETE_SHARE:
        notes.append(f"no time of the whole: its thread did not launch {untold:.1%} of the work on the GPU")
        return None
    if placed := sum(item.launch is None for work in shares for item in work):
        notes.append(f"{placed} kernels lack their launch and were given to the iteration in which they ran")
    if untold:
        notes.append(f"{untold:.2%} of the work on the GPU has no known launch on this thread and is left out")
    notes.append(f"the time of the whole is the busy time of the GPU in {where}, copies left out")
    return _timing("forward", durations, begins) if sum(durations) else None


def _parts(
    clock: _Clock, groups: Sequence[Sequence[Span]], labels: Sequence[str], notes: list[str]
) -> tuple[Timing, ...]:
    """One timing for each group of spans, groups that took no time left out."""
    flat = sorted((span for spans in groups for span in spans), key=lambda span: span.start_ns)
    durations, begins, _ = clock.measure(flat)
    found = {id(span): (d, b) for span, d, b in zip(flat, durations, begins, strict=True)}
    parts, idle = [], []
    for spans, label in zip(groups, labels, strict=True):
        pairs = [found[id(span)] for span in spans]
        if not any(duration for duration, _ in pairs):
            idle.append(label)
            continue
        parts.append(_timing(label, [d for d, _ in pairs], [b for _, b in pairs]))
    if idle:
        notes.append(f"annotations without any work on the GPU are left out: {_listed(idle)}")
    return tuple(parts)


def _timing(name: str, durations_ns: Sequence[int], begins_ns: Sequence[int]) -> Timing:
    samples = np.array(durations_ns, dtype=float) / 1e9
    return Timing(
        name=name,
        mean_s=float(samples.mean()),
        std_s=float(samples.std(ddof=1)) if len(samples) > 1 else None,
        min_s=float(samples.min()),
        max_s=float(samples.max()),
        p50_s=float(np.median(samples)),
        p95_s=float(np.percentile(samples, 95)),
        n_samples=len(samples),
        samples_s=tuple(samples.tolist()),
        start_s=tuple(begin / 1e9 for begin in begins_ns),
    )


def _device(document: Mapping[str, Any], work: Sequence[Work], notes: list[str]) -> str | None:
    """Name of the GPU that did the work."""
    used = {item.device for item in work if item.device}
    listed = document.get("deviceProperties")
    names = {
        str(entry.get("id", "")): entry["name"]
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    if len(used) > 1:
        notes.append(f"work ran on {len(used)} GPUs: {_listed([names.get(number, number) for number in sorted(used)])}")
        return None
    return names.get(next(iter(used), ""))


def _facts(document: Mapping[str, Any], events: Events, kernels: Sequence[Work], layout: Layout) -> dict[str, Any]:
    by_name: Counter[str] = Counter()
    for item in kernels:
        by_name[item.name] += item.end_ns - item.start_ns
    counts = Counter(item.name for item in kernels)
    overlapping = sum(b.start_ns < a.end_ns - 1000 * events.whole_microseconds for a, b in pairwise(kernels))
    facts: dict[str, Any] = {
        "n_events": events.n_events,
        "n_cpu_ops": events.n_cpu_ops,
        "n_kernels": len(kernels),
        "kernel_total_s": sum(by_name.values()) / 1e9,
        "kernel_busy_s": busy_ns(kernels) / 1e9,
        "copies_s": sum(item.end_ns - item.start_ns for item in events.work if item.kind == "copy") / 1e9,
        "n_kernels_without_launch": sum(item.launch is None for item in kernels),
        "n_overlapping_kernels": overlapping,
        "n_iterations": len(layout.wholes),
        "kernels": [
            {"name": name, "n": counts[name], "total_s": total / 1e9}
            for name, total in by_name.most_common(_LISTED_KERNELS)
        ],
    }
    for key in ("schemaVersion", "traceName", "cuda_runtime_version", "cuda_driver_version", "trace_id"):
        if isinstance(document.get(key), str | int):
            facts[key] = document[key]
    return facts


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


FORMAT = Format("kineto", "torch.profiler / Kineto Chrome trace (JSON, also .gz)", matches, read)

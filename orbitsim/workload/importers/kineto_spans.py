"""Which annotation stands for an iteration, which for a part of it, and which work of the GPU belongs to whom."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orbitsim.workload.importers.kineto_events import Span, Thread, Work

_STEP = re.compile(r"ProfilerStep#\d+$")
_AUTOMATIC = re.compile(r"(?:enumerate\(DataLoader\)#|Optimizer\.\w+#|nccl:|gloo:|PyTorch Profiler)")
_FEWEST_WITNESSES = 10
_FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Layout:
    """How annotations divide a trace.

    Attributes
    ----------
    wholes : list of Span
        One for each iteration: the profiler's steps, or spans around the annotations of one round.
    forwards : list of Span
        The annotation in each iteration that encloses all parts, where there is one; else empty.
    parts : list of list of Span
        The parts of each iteration, in order; the same names in every iteration. Empty without annotations.
    loose : list of Span
        Annotations in no regular order (then `parts` is empty).
    thread : tuple of str
        The thread that annotates.
    left_out : tuple of str
        Names of annotations that are not used: within parts, on other threads, outside the profiler's steps.
    has_steps : bool
        Whether the profiler's own steps mark the iterations.
    """

    wholes: list[Span]
    forwards: list[Span]
    parts: list[list[Span]]
    loose: list[Span]
    thread: Thread
    left_out: tuple[str, ...]
    has_steps: bool


def lay_out(spans: Sequence[Span]) -> Layout:
    """Find iterations and parts among the annotations of a trace.

    Iterations are the profiler's steps if it has any; else the rounds of a repeating sequence of outermost annotations.
    Parts are the outermost annotations of an iteration; one that encloses all others, or that alone among its
    neighbours encloses several, gives way to what is inside it (``forward`` around the blocks).
    """
    spans = [span for span in spans if not _AUTOMATIC.match(span.name)]
    steps = [span for span in spans if _STEP.match(span.name)]
    if not spans:
        return Layout([], [], [], [], ("", ""), (), False)
    thread = Counter(span.thread for span in steps or spans).most_common(1)[0][0]
    roots = _forest([span for span in spans if span.thread == thread])
    wholes = [span for span in _walk(roots) if _STEP.match(span.name)]
    if wholes:
        rounds, loose = _regular([span.children for span in wholes])
    else:
        rounds, loose = _rounds(roots)
        wholes = [Span("", thread, spans_[0].start_ns, spans_[-1].end_ns) for spans_ in rounds]
    forwards: list[Span] = []
    while (at := _enclosing(rounds)) is not None:
        forwards = [spans_[at] for spans_ in rounds]
        rounds = [[*spans_[:at], *spans_[at].children, *spans_[at + 1 :]] for spans_ in rounds]
    used = {id(span) for spans_ in (*rounds, forwards, loose) for span in spans_}
    left_out = dict.fromkeys(span.name for span in spans if id(span) not in used and not _STEP.match(span.name))
    return Layout(wholes, forwards, rounds if any(rounds) else [], loose, thread, tuple(left_out), bool(steps))


def owners(work: Sequence[Work], spans: Sequence[Span], *, alike: bool = False) -> list[int | None]:
    """Return the index of the span that each piece of work belongs to.

    Work belongs to the span that launched it. Work whose launch the trace lacks is given to the span in which it ran,
    but only where that can be shown to be right: if it holds for all work whose launch is known (the host waits for the
    GPU in every span) and there is enough of it, or if spans are alike and all of them get the same kernels that way.

    Parameters
    ----------
    work : sequence of Work
        What ran on the GPU.
    spans : sequence of Span
        Spans of one thread that do not overlap, by start.
    alike : bool
        Whether spans are rounds of the same program.

    Returns
    -------
    list of int or None
        None where no span has it, or where that cannot be told.
    """
    starts = [span.start_ns for span in spans]

    def at(moment_ns: int) -> int | None:
        index = bisect_right(starts, moment_ns) - 1
        return index if index >= 0 and moment_ns <= spans[index].end_ns else None

    thread = spans[0].thread if spans else ("", "")
    launched = [at(item.launch[1]) if item.launch and item.launch[0] == thread else None for item in work]
    if all(item.launch for item in work):
        return launched
    ran = [at(item.start_ns) if at(item.start_ns) == at(item.end_ns) else None for item in work]
    witnesses = [ran[i] == launched[i] for i, item in enumerate(work) if item.launch]
    shown = len(witnesses) >= _FEWEST_WITNESSES and all(witnesses)
    if not shown and alike and len(spans) >= _FEWEST_ROUNDS:
        strays = [(ran[i], item.name) for i, item in enumerate(work) if not item.launch]
        kernels = [Counter(name for owner, name in strays if owner == index) for index in range(len(spans))]
        shown = all(owner is not None for owner, _ in strays) and all(names == kernels[0] for names in kernels)
    return [ran[i] if shown and not item.launch else launched[i] for i, item in enumerate(work)]


def busy_ns(work: Iterable[Work]) -> int:
    """Return the length of the union of the intervals in which work ran [ns]."""
    total = end = 0
    for item in sorted(work, key=lambda item: item.start_ns):
        total += max(0, item.end_ns - max(item.start_ns, end))
        end = max(end, item.end_ns)
    return total


def _forest(spans: Sequence[Span]) -> list[Span]:
    """Nest spans of one thread (given by start, outer before inner) and return the outermost."""
    roots: list[Span] = []
    stack: list[Span] = []
    for span in spans:
        while stack and stack[-1].end_ns < span.end_ns:
            stack.pop()
        (stack[-1].children if stack else roots).append(span)
        stack.append(span)
    return roots


def _walk(spans: Iterable[Span]) -> Iterable[Span]:
    todo = list(spans)[::-1]
    while todo:
        span = todo.pop()
        yield span
        todo += span.children[::-1]


def _names(spans: Iterable[Span]) -> tuple[str, ...]:
    return tuple(span.name for span in spans)


def _regular(rounds: list[list[Span]]) -> tuple[list[list[Span]], list[Span]]:
    """Return rounds if all have the same names in the same order, else their spans, loose."""
    if len({_names(spans) for spans in rounds}) <= 1:
        return rounds, []
    return [], [span for spans in rounds for span in spans]


def _rounds(roots: list[Span]) -> tuple[list[list[Span]], list[Span]]:
    """Split a sequence wherever its first name comes again."""
    if not roots:
        return [], []
    cuts = [at for at, span in enumerate(roots) if span.name == roots[0].name] + [len(roots)]
    return _regular([roots[begin:end] for begin, end in pairwise(cuts)])


def _enclosing(rounds: list[list[Span]]) -> int | None:
    """Position of the one annotation that gives way to what is inside it, or None."""
    if not rounds or not rounds[0]:
        return None
    n_spans = len(rounds[0])
    fewest = [min(len(spans[at].children) for spans in rounds) for at in range(n_spans)]
    around = [at for at in range(n_spans) if fewest[at] >= (1 if n_spans == 1 else 2)]
    if len(around) != 1 or len({_names(spans[around[0]].children) for spans in rounds}) != 1:
        return None
    return around[0]

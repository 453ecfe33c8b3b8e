"""Record a split of ViT-B over two processes on this machine, simulate it, and write docs/fidelity.md.

    python docs/make_fidelity.py                 # record (about six minutes on a quiet machine), then write the page
    python docs/make_fidelity.py --from-records  # write the page again from docs/fidelity/*.json

Needs torch (extra `neural`) to record, and matplotlib (extra `report`) for the picture. Each process is pinned to one
processor and has one thread. Run it on a machine that does nothing else: what others use is in the record as well.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orbitsim.pipeline.split_replay import FIGURES, Comparison, SplitReplay, replay_split
from orbitsim.workload.split_run import SplitRun, read_split_run

ROOT = Path(__file__).resolve().parents[1]
RECORDER = Path("traces") / "record_jetson.py"
RECORDS = Path("docs") / "fidelity"
PAGE = Path("docs") / "fidelity.md"
PICTURE = Path("docs") / "images" / "fidelity.png"
AIM = 0.05
QUIET_LOAD = 0.5  # load average before the run above which the page says that the machine was busy
ROWS = {"makespan": "makespan", "mean": "mean delay", "p50": "P50 delay", "p95": "P95 delay", "p99": "P99 delay"}


@dataclass(frozen=True)
class Case:
    """One run to record."""

    name: str
    title: str
    rate_bps: float | None


CASES = (
    Case("loopback", "Loopback, no limit on the link", None),
    Case("slow-link", "Senders held to 30 Mbit/s, so that sending takes about as long as computing", 30e6),
)


def record(case: Case, options: argparse.Namespace) -> None:
    """Record one run: a worker and the first host, each on a processor of its own."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        sys.exit("two processors are needed, one for each process")
    common = ["--threads", "1", "--device", "cpu"]
    worker_command = ["--serve", "0", "--bind", "127.0.0.1", "--once", "--cpu", str(processors[1]), *common]
    worker = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(RECORDER), *worker_command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        if worker.stderr is None:
            sys.exit("the worker has no output")
        port = re.search(r"port (\d+)", worker.stderr.readline())
        if port is None:
            sys.exit(f"the worker did not start: {worker.stderr.read()}")
        pace = [] if case.rate_bps is None else ["--rate-bps", f"{case.rate_bps:g}"]
        command = [
            "--pipeline", f"127.0.0.1:{port[1]}", "--model", "vit-b", "--cuts", "6", "--batches", str(options.batches),
            "--batch-size", str(options.batch_size), "--precision", "fp32", "--isolated", "both",
            "--isolated-s", str(options.isolated_s), "--cpu", str(processors[0]), *common, *pace,
            "--force", "--out", str(RECORDS / f"{case.name}.json"),
        ]  # fmt: skip
        subprocess.run([sys.executable, str(RECORDER), *command], cwd=ROOT, check=True)  # noqa: S603 - our own program
    finally:
        worker.kill()
        worker.wait()


def main() -> None:
    """Record, simulate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from-records", action="store_true", help="only write the page")
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--isolated-s", type=float, default=30.0)
    options = parser.parse_args()
    (ROOT / RECORDS).mkdir(parents=True, exist_ok=True)
    if not options.from_records:
        for case in CASES:
            record(case, options)
    runs = {case.name: read_split_run(ROOT / RECORDS / f"{case.name}.json") for case in CASES}
    replays = {name: replay_split(run) for name, run in runs.items()}
    has_picture = draw(runs, replays)
    (ROOT / PAGE).write_text(page(runs, replays, has_picture), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")


def page(runs: dict[str, SplitRun], replays: dict[str, SplitReplay], has_picture: bool) -> str:
    """Return the page."""
    first = runs[CASES[0].name]
    host = first.document["stages"][0]["host"]
    loads = [stage["host"]["load_average"][0] for run in runs.values() for stage in run.document["stages"][:1]]
    lines = [
        "# Fidelity: recorded split runs against their simulation",
        "",
        *paragraph(
            "Made by one command, `python docs/make_fidelity.py`, from runs that `traces/record_jetson.py` recorded. "
            "The records are kept in [docs/fidelity](fidelity); "
            "`orbitsim trace replay docs/fidelity/loopback.json` prints the first table."
        ),
        *paragraph(
            "ViT-B/16 with random weights is cut into two halves of six blocks (embedding in the first, head in the "
            f"second), fp32, {first.n_batches} mini-batches of {first.batch_size} images. Two processes of one machine,"
            " each pinned to one processor and with one thread, pass activations over TCP: receiving, computing and "
            "sending overlap in threads with unbounded first-in first-out queues. All mini-batches wait at the first "
            "host at time 0, and results return to it, so delays and makespan are read from one clock."
        ),
        "The columns answer different questions:",
        "",
        *points(
            "**recorded**: what the clock of the first host says.",
            "**predicted**: simulated from what was measured *before* the run: the time of each stage by itself, both "
            "hosts at the same time without a pipeline, and rate and delay of the idle links. No time of the run is "
            "used. *Mean* gives every mini-batch its stage's mean; *bootstrap* draws from the stage's samples (100 "
            "simulations).",
            "**replayed**: simulated with the durations of the run itself, in order. This tests only whether the "
            "simulation queues as real threads and sockets do, and predicts nothing.",
        ),
    ]
    lines += verdict(replays)
    if max(loads) > QUIET_LOAD:
        lines += paragraph(
            f"**The machine was not idle** (load average {max(loads):.2f} before a run): other programs had a share in "
            "these times, and not the same share before a run as in it."
        )
    for case in CASES:
        lines += section(case, runs[case.name], replays[case.name])
    if has_picture:
        lines += [
            f"![Delay and relative error of each mini-batch, recorded and simulated](images/{PICTURE.name})",
            "",
        ]
    lines += [
        "## Machine and limits",
        "",
        *paragraph(
            f"{host['processor']}, {host['n_processors']} processors, {host['system']}; torch {host['torch']}, Python "
            f"{host['python']}; recorded {first.document['created_utc']}, load average before the runs "
            f"{' and '.join(f'{load:.2f}' for load in loads)}."
        ),
        *points(
            "Two processes on one machine share its memory and caches; boards of their own do not. That is why the "
            "predictions rest on stages timed *together*; *alone* in the tables is one after the other.",
            "A processor core is no Jetson GPU: no power modes, no clocks that follow temperature.",
            "Loopback is no radio link; the second run holds senders to a rate in software, 10 ms at a time.",
            "The prediction is as good as the machine is steady between the measurement and the run.",
            "The recorder runs on boards just as well: see `python traces/record_jetson.py --help`.",
        ),
    ]
    return "\n".join(lines)


def paragraph(text: str, indent: str = "") -> list[str]:
    """Return the lines of a paragraph, and an empty one."""
    return [*textwrap.wrap(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False), ""]


def points(*texts: str) -> list[str]:
    """Return the lines of a list, and an empty one."""
    return [*(line for text in texts for line in paragraph(f"- {text}", "  ")[:-1]), ""]


def verdict(replays: dict[str, SplitReplay]) -> list[str]:
    """Return the largest errors against the aim."""
    lines = [
        "| largest error, mean to P99 of the delays and makespan | " + " | ".join(f"{c.name}" for c in CASES) + " |"
    ]
    lines.append("|---|" + "---|" * len(CASES))
    for i, title in enumerate(("predicted, mean", "predicted, bootstrap", "replayed, in order")):
        worst = [max(abs(e) for e in replays[case.name].comparisons[i].error.values()) for case in CASES]
        marks = [f"{error:.2%}" + ("" if error < AIM else f" (over the aim of {AIM:.0%})") for error in worst]
        lines.append(f"| {title} | " + " | ".join(marks) + " |")
    return [*lines, ""]


def section(case: Case, run: SplitRun, replayed: SplitReplay) -> list[str]:
    """Return heading and tables of one run."""
    mean, bootstrap, in_order = replayed.comparisons
    lines = [
        f"## {case.title}",
        "",
        "| | recorded | predicted, mean | predicted, bootstrap (5 to 95 %) | replayed, in order |",
        "|---|---|---|---|---|",
    ]
    for name in FIGURES:
        low, high = (bootstrap.interval_s or {})[name]
        cells = [f"{replayed.recorded.delays_s[name]:.3f} s", cell(mean, name)]
        cells.append(f"{cell(bootstrap, name)}, {low:.3f} to {high:.3f} s")
        cells.append(cell(in_order, name))
        lines.append(f"| {ROWS[name]} | " + " | ".join(cells) + " |")
    for k, share in enumerate(replayed.recorded.utilisation):
        shares = [share, *(c.simulated.utilisation[k] for c in replayed.comparisons)]
        lines.append(f"| utilisation of stage {k} | " + " | ".join(f"{s:.1%}" for s in shares) + " |")
    lines += [
        "",
        "| | before, alone | before, together | in the run | in the run over before |",
        "|---|---|---|---|---|",
    ]
    for k, stage in enumerate(run.stages):
        alone, together = stage.isolated_s["alone"], stage.isolated_s["together"]
        took = run.compute_s[k]
        lines.append(
            f"| stage {k}, mean ± std | {spread(alone)} | {spread(together)} | {spread(took)} | "
            f"{took.mean() / together.mean() - 1:+.2%} |"
        )
    for k, link in enumerate(run.links):
        predicted = 8 * run.sent_bytes[k].mean() / link.rate_bps
        lines.append(
            f"| link {k}, {run.sent_bytes[k].mean() / 1e6:.3g} MB | {spread(link.send_s)} | - | "
            f"{spread(run.send_s[k])} | {run.send_s[k].mean() / predicted - 1:+.2%} |"
        )
    return [*lines, ""]


def cell(comparison: Comparison, name: str) -> str:
    """Return a simulated figure and its error."""
    return f"{comparison.simulated.delays_s[name]:.3f} s ({comparison.error[name]:+.2%})"


def spread(values: Any) -> str:
    """Return mean and standard deviation."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return f"{float(np.mean(values)):.4g} ± {deviation:.2g} s"


def draw(runs: dict[str, SplitRun], replays: dict[str, SplitReplay]) -> bool:
    """Draw delays and errors by mini-batch; return whether that was possible here."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    # Okabe and Ito's colours, told apart with any colour vision; line styles say the same without colour.
    styles = {"mean": ("#0072B2", "--"), "bootstrap": ("#E69F00", ":"), "in-order": ("#009E73", "-")}
    figure, axes = plt.subplots(
        2,
        len(CASES),
        figsize=(8.4, 4.4),
        sharex=True,
        height_ratios=(3, 2),
        layout="constrained",
        dpi=160,
        squeeze=False,
    )
    for case, (above, below) in zip(CASES, axes.T, strict=True):
        run, replayed = runs[case.name], replays[case.name]
        batches = np.arange(1, run.n_batches + 1)
        above.plot(batches, run.delay_s, "k.", markersize=4, label="recorded")
        for comparison in replayed.comparisons:
            color, line = styles[comparison.method]
            label = f"{comparison.basis}, {comparison.method}"
            above.plot(batches, comparison.delay_s, color=color, linestyle=line, label=label)
            error = np.array(comparison.delay_s) / run.delay_s - 1
            below.plot(batches, 100 * error, color=color, linestyle=line)
        below.axhspan(-100 * AIM, 100 * AIM, color="0.92", zorder=0)
        above.set_title(case.name, loc="left")
        below.set_xlabel("mini-batch")
    axes[0, 0].set_ylabel("delay [s]")
    axes[1, 0].set_ylabel("simulated less\nrecorded [%]")
    axes[0, 0].legend(loc="upper left", frameon=False, fontsize=8)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
    (ROOT / PICTURE).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(ROOT / PICTURE)
    return True


if __name__ == "__main__":
    main()

"""Tables of methods side by side: rows measured or taken from the store, and what they say together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.neural.evaluation.clean_run import Report, quiet_report
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.intervals import paired_loss, wilson_interval
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import Row, RowStore
from orbitsim.neural.evaluation.row_groups import repeated_specs, row_groups
from orbitsim.neural.evaluation.row_origin import RowOrigins, seen_words, stored_key
from orbitsim.neural.evaluation.software import software_versions
from orbitsim.neural.evaluation.table_record import table_record
from orbitsim.neural.evaluation.trained import TrainedCodecs

TABLES, RECORD = "tables.json", "about.json"
Note = Callable[[str, str], None]


def quiet_note(_label: str, _message: str) -> None:
    """Say nothing."""


UNTRAINED = (
    Method("uniform", ratio=10.0),
    Method("topk", settings={"keep": 0.2, "bits": 8}),
    Method("mask", settings={"keep": 0.2, "bits": 8}),
    Method("transform", ratio=20.0),
    Method("transform", ratio=30.0),
)
"""The rows of the table that need no training: quantisation, Top-k, the mask before training, the transform codec."""


def measure_rows(
    experiment: Experiment,
    specs: Sequence[RowSpec],
    store: RowStore,
    report: Report = quiet_report,
    *,
    stored_only: bool = False,
    command: str = "",
    note: Note = quiet_note,
) -> list[Row]:
    """Return the rows of specifications: from the store, or measured and kept there; `stored_only` leaves those out.

    Parameters
    ----------
    experiment : Experiment
        What all rows share.
    specs : sequence of RowSpec
        The rows.
    store : RowStore
        Where rows are kept.
    report, note : callable
        Told of progress, and of what should be known: codecs that have seen the tested images, and rows that do not
        say which images they were calibrated on.
    stored_only : bool
        Measure nothing.
    command : str
        Kept with the rows that are measured.

    Raises
    ------
    InputError
        With all rows that tables could not tell apart, and all trained codecs that do not belong to this model and
        these cuts.
    """
    problems = [*repeated_specs(experiment, specs), *([] if stored_only else _foreign_codecs(experiment, specs))]
    if problems:
        raise InputError(problems)
    origins, rows, n_silent = RowOrigins(experiment), [], 0
    for number, spec in enumerate(specs):
        origin = origins.of(spec)
        key, is_former = stored_key(store, experiment, spec, origin)
        if not store.has(key) and not stored_only:
            row = replace(experiment.run(spec), **origin.additions(), **_measured(command))
            store.save(key, row)
        if store.has(key):
            row = store.load(key)
            # What a row from before does not say of itself is what it was taken for.
            training, calibration_key = origin.training or row.training, origin.calibration_key
            rows.append(replace(row, n_seen=origin.n_seen, training=training, calibration_key=calibration_key))
            n_silent += is_former and not isinstance(spec.method, TrainedCodecs)
        report("rows", number + 1, len(specs))
    if n_silent:
        note(
            "stored rows",
            f"{n_silent} say which folder they were calibrated on, but not which bytes: taken as they are",
        )
    for label, message in dict.fromkeys(_leaks(rows)):
        note(label, message)
    return rows


def _foreign_codecs(experiment: Experiment, specs: Sequence[RowSpec]) -> Iterator[Problem]:
    """Yield all that speaks against trained codecs, before anything is measured."""
    for method in dict.fromkeys(spec.method for spec in specs if isinstance(spec.method, TrainedCodecs)):
        try:
            method.check(experiment.cuts, experiment.parts)
        except InputError as fault:
            yield from fault.problems


def _measured(command: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"measured_utc": now, "versions": software_versions(), "command": command or None}


def _leaks(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Yield a warning for every row whose codecs have seen what they are tested on, or may have."""
    for row in rows:
        if words := seen_words(row):
            yield "leak", f"{row.method} on {row.data}: {words}; accuracy and bytes are no test"
        elif row.n_seen is None:
            yield "origin", f"{row.method} on {row.data}: cannot tell whether the tested images were trained on"


def cross_specs(
    data: Sequence[str], methods: Iterable[Method | TrainedCodecs], seeds: Sequence[int], *, within_folds: bool = False
) -> list[RowSpec]:
    """Return the rows of methods on data sets: each calibrated on the next one (the first on the second, and so on).

    With one data set, or `within_folds`, codecs are calibrated in the training folds instead. The cheapest order:
    everything of one seed and data set together, since calibration samples are kept one at a time.
    """
    places = [Path(folder).resolve() for folder in data]
    if len(set(places)) != len(data):
        twice = [folder for i, folder in enumerate(data) if places[i] in places[:i]]
        raise InputError(Problem("data", f"expected each folder once, got {', '.join(twice)} again"))
    alone = within_folds or len(data) == 1
    others = [None if alone else data[(i + 1) % len(data)] for i in range(len(data))]
    chosen = list(methods)
    return [
        RowSpec(folder, method, seed, other)
        for seed in seeds
        for folder, other in zip(data, others, strict=True)
        for method in chosen
    ]


def summarise(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return one record for each group of rows that differ by their seed alone (see `row_groups`); JSON values.

    Ratios are bytes in fp32 over real bytes, headers included, all cuts together (`ratio_fp32`) and of the cut that
    compresses least (`worst_cut_ratio`); against fp16 they are half as large. Losses are in points of 100, with the
    paired score interval over images. Speeds are None where no codec was at work.
    """
    return [_record(group) for group in row_groups(rows)]


def _record(group: Sequence[Row]) -> dict[str, Any]:
    first = group[0]
    clean = np.stack([row.clean_right for row in group])
    coded = np.stack([row.coded_right for row in group])
    paired = paired_loss(clean, coded)
    accuracy = wilson_interval(float(clean.sum()) / len(group), clean.shape[1])
    ratio = np.mean([row.total_ratio for row in group])
    idle = any(sum(row.encode_s) + sum(row.decode_s) == 0.0 for row in group)
    speeds = [None, None] if idle else np.mean([row.mb_per_s for row in group], axis=0).tolist()
    losses = 100.0 * (clean.mean(1) - coded.mean(1))
    return {
        "data": first.data,
        "codecs_calibrated_on": _calibrated_on(group),
        "leak": seen_words(first),
        "model": first.facts["model"],
        "method": first.method,
        "kind": first.kind,
        "n_seeds": len(group),
        "n_images": int(clean.shape[1]),
        "ratio_fp32": float(ratio),
        "ratio_fp16": float(ratio) / 2.0,
        "worst_cut_ratio": float(np.mean([row.cut_ratio.min() for row in group])),
        "token_error": float(np.mean([row.token_error for row in group])),
        "pooled_error": float(np.mean([row.pooled_error for row in group])),
        "accuracy_clean": accuracy.estimate,
        "accuracy_coded": float(coded.mean()),
        "loss_points": 100.0 * paired.loss.estimate,
        "loss_low": 100.0 * paired.loss.low,
        "loss_high": 100.0 * paired.loss.high,
        "loss_sd_seeds": float(losses.std(ddof=1)) if len(group) > 1 else None,
        "n_lost": paired.n_lost,
        "n_won": paired.n_won,
        "p_mcnemar": paired.p_value,
        "encode_mb_per_s": speeds[0],
        "decode_mb_per_s": speeds[1],
    }


def _calibrated_on(group: Sequence[Row]) -> str:
    return "; ".join(dict.fromkeys(row.calibrated_on for row in group))


def cut_records(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return one record for each group of rows and cut: the stages of compression, as in Fig. 8 of paper 001.

    The groups are those of `summarise`, in the same order.
    """
    return [record for group in row_groups(rows) for record in _cut_records(group)]


def _cut_records(group: Sequence[Row]) -> Iterator[dict[str, Any]]:
    first = group[0]
    stages = np.mean([row.stage_ratio for row in group], axis=0)
    for k, cut in enumerate(first.facts["cuts"]):
        batch = np.concatenate([_batch_ratio(row)[k] for row in group])
        yield {
            "data": first.data,
            "method": first.method,
            "cut": cut,
            "sparsified": float(stages[k, 1]),
            "quantised": float(stages[k, 2]),
            "coded": float(np.mean([row.cut_ratio[k] for row in group])),
            "batch_least": float(batch.min()),
            "batch_most": float(batch.max()),
            "encode_ms_per_image": 1e3 * float(np.mean([r.encode_s[k] / r.n_images.sum() for r in group])),
            "decode_ms_per_image": 1e3 * float(np.mean([r.decode_s[k] / r.n_images.sum() for r in group])),
            "codecs_calibrated_on": _calibrated_on(group),
            "leak": seen_words(first),
            "kind": first.kind,
        }


def _batch_ratio(row: Row) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return fp32 bytes over stream bytes of every mini-batch, (n_cuts, n_batches)."""
    return np.asarray(row.value_bytes * row.n_images / row.coded_bytes, dtype=np.float64)


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """Return the records of `summarise` as a table in Markdown."""
    head = (
        "| data set | method | seeds | ratio to fp32 (worst cut) | to fp16 | feature error | pooled error | clean "
        "| coded | paired loss, points (95 %) |"
    )
    lines = [head, "|" + " --- |" * 10]
    for r in records:
        interval = f"{r['loss_points']:.2f} ({r['loss_low']:.2f} to {r['loss_high']:.2f})"
        ratio = f"{r['ratio_fp32']:.2f} ({r['worst_cut_ratio']:.2f}) | {r['ratio_fp16']:.2f}"
        lines.append(
            f"| {r['data']} | {marked_method(r)} | {r['n_seeds']} | {ratio} "
            f"| {r['token_error']:.4f} | {r['pooled_error']:.4f} | {100 * r['accuracy_clean']:.2f} % "
            f"| {100 * r['accuracy_coded']:.2f} % | {interval} |"
        )
    return "\n".join(lines) + "\n"


def marked_method(record: dict[str, Any]) -> str:
    """Return the method of a record of `summarise`, with a mark where its codecs have seen the tested images."""
    return f"{record['method']} ({record['leak']})" if record["leak"] else str(record["method"])


def comma_separated(records: Sequence[dict[str, Any]]) -> str:
    """Return records as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def write_tables(folder: Path, rows: Sequence[Row], command: str = "") -> None:
    """Write the table of methods and that of cuts into a folder, as CSV, JSON and Markdown, and what they rest on."""
    methods, cuts = summarise(rows), cut_records(rows)
    texts = {
        "methods.csv": comma_separated(methods),
        "cuts.csv": comma_separated(cuts),
        "methods.md": markdown(methods),
        RECORD: json.dumps(table_record(rows, command), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        TABLES: json.dumps({"methods": methods, "cuts": cuts}, indent=1, allow_nan=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            unfinished = folder / f"{name}.part"
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(folder / name)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error

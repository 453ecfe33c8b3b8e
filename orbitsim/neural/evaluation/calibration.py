"""From rows of a sweep to a codec table: monotone fits with bands, cumulative loss, and the spread of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim import __version__
from orbitsim.catalog.measured_tables import MEASURED_VERSION
from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.intervals import Interval, paired_loss, tango_interval
from orbitsim.neural.evaluation.isotonic import MonotoneBand, monotone_band
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.software import software_versions

LEVELS = tuple(i / 20 for i in range(21))
_DIGITS = 6
_SEED = 20  # of the bootstrap

Array = NDArray[np.float64]


def sweep_methods(
    kind: str, ratios: Sequence[float], cut_ratios: Sequence[float], n_cuts: int, settings: Mapping[str, Any]
) -> list[Method]:
    """Return the methods of a sweep: all cuts at each ratio, then each cut alone at each of the others.

    Raises
    ------
    InputError
        When cuts alone are not compressed as far as all together: what lies beyond would be guessed, and too well.
    """
    if cut_ratios and max(cut_ratios) < max(ratios):
        bound = f"expected ratios up to the {max(ratios):g}x of --ratios, got at most {max(cut_ratios):g}x"
        raise InputError(Problem("--cut-ratios", f"{bound}: the loss on one hop beyond it would not be known"))
    together = [Method(kind, ratio=r, settings=settings) for r in ratios]
    alone = [Method(kind, ratio=r, settings=settings, only_cut=k) for k in range(n_cuts) for r in cut_ratios]
    return together + alone


def table_data(
    name: str, title: str, rows: Sequence[Row], sweep: Sequence[Method], *, command: str, notes: str = ""
) -> dict[str, Any]:
    """Return the content of a codec table of schema 2.

    Images of all data sets are pooled, each weighing the same, and the seeds of an image are averaged. The loss on one
    hop is that of the worst cut where cuts were measured alone, and otherwise, as an upper bound, that of all of them
    together.

    Parameters
    ----------
    name, title : str
        Of the table.
    rows : sequence of Row
        Rows of the sweep on all data sets and seeds.
    sweep : sequence of Method
        What they measured.
    command : str
        That made them.
    notes : str
        Added to the notes.
    """
    if len({str(sorted(row.facts.items())) for row in rows}) != 1:
        raise InputError(Problem("rows", "expected rows of one model, cuts and arithmetic"))
    cuts: list[int] = rows[0].facts["cuts"]
    by_method = {method.label: [row for row in rows if row.method == method.label] for method in sweep}
    whole = [m for m in sweep if m.only_cut is None]
    kept = np.array([_kept(by_method[m.label]) for m in whole])  # (settings, cuts)
    order = np.argsort(kept.mean(1))
    whole, kept = [whole[i] for i in order], kept[order]
    ratio = np.append(np.round(kept.mean(1), _DIGITS), 1.0)
    together = _curve([by_method[m.label] for m in whole], None, ratio)
    alone = {
        k: _curve([by_method[m.label] for m in sweep if m.only_cut == k], k, ratio)
        for k in range(len(cuts))
        if any(m.only_cut == k for m in sweep)
    }
    hops = list(alone.values()) or [together]
    baseline = float(together[0].fit[-1])
    loss = np.max([band.loss for band, _ in hops], axis=0)
    clean = np.mean(np.concatenate([row.clean_right for row in by_method[whole[0].label]]))
    spread = _spread([by_method[m.label] for m in whole], kept, cuts)
    return {
        "schema_version": MEASURED_VERSION,
        "name": name,
        "title": title,
        "origin": _origin(rows),
        "source": f"orbitsim {__version__}, docs/codecs.md",
        "notes": " ".join(word for word in (_notes(alone, cuts, float(clean)), *_unknown(spread, rows), notes) if word),
        "ratio": ratio.tolist(),
        "baseline_accuracy": _rounded(baseline),
        "accuracy": [_rounded(max(0.0, baseline - lost)) for lost in loss],
        "loss_high": [_rounded(x) for x in np.max([band.loss_high for band, _ in hops], axis=0)],
        "cuts": [{"after_block": cuts[k], **_columns(*curve)} for k, curve in alone.items()],
        "together": {"after_blocks": list(cuts), **_columns(*together)},
        **spread,
        "provenance": _provenance(rows, command),
    }


def _kept(rows: Sequence[Row]) -> Array:
    """Return bytes kept at each cut, the mean over data sets and seeds [1]."""
    kept: Array = np.mean([1.0 / row.cut_ratio for row in rows], axis=0)
    return kept


def _curve(groups: Sequence[Sequence[Row]], cut: int | None, points: Array) -> tuple[MonotoneBand, Array]:
    """Return fit and band of accuracy over the bytes kept, and the error of the features, at points."""
    kept = [float(_kept(rows).mean() if cut is None else _kept(rows)[cut]) for rows in groups]
    score = [_scores(rows, coded=True) for rows in groups]
    clean = _scores(groups[0], coded=False)
    band = monotone_band([*kept, 1.0], [*score, clean], points, np.random.default_rng(_SEED))
    band = _at_least_tango(band, kept, [_tango(rows) for rows in groups])
    error = [float(np.mean([row.token_error for row in rows])) for rows in groups]
    at, of = zip(*sorted(zip([*kept, 1.0], [*error, 0.0], strict=True)), strict=True)
    return band, np.interp(points, at, of)


def _at_least_tango(band: MonotoneBand, kept: Sequence[float], found: Sequence[Interval]) -> MonotoneBand:
    """Widen the band of the loss to the paired score intervals of the settings, kept monotone like the fit.

    Resampled images in which nothing changed never show a change: with few images the bootstrap promises too much. The
    score interval knows how many images there were.
    """
    order = np.argsort(kept)
    at = np.append(np.asarray(kept)[order], 1.0)
    # More bytes cannot be expected to lose more, so a wide interval widens that of fewer bytes or of more; what is not
    # coded loses nothing.
    high = np.maximum.accumulate(np.asarray([interval.high for interval in found])[order][::-1])[::-1]
    low = np.minimum.accumulate(np.asarray([interval.low for interval in found])[order])
    high, low = np.append(high, 0.0), np.append(low, 0.0)
    return replace(
        band,
        loss_low=np.minimum(band.loss_low, np.interp(band.x, at, low)),
        loss_high=np.maximum(band.loss_high, np.interp(band.x, at, high)),
    )


def _tango(rows: Sequence[Row]) -> Interval:
    """Return the paired score interval of the loss over the images of all data sets, seeds averaged."""
    lost, won, n = 0.0, 0.0, 0
    for group in _by_data(rows).values():
        found = paired_loss([row.clean_right for row in group], [row.coded_right for row in group])
        lost, won, n = lost + found.n_lost, won + found.n_won, n + found.n_images
    return tango_interval(lost, won, n)


def _by_data(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r.data, r.data_key, r.seed)):
        groups.setdefault(row.data_key, []).append(row)
    return groups


def _scores(rows: Sequence[Row], *, coded: bool) -> Array:
    """Return for every image of all data sets the share of seeds under which it was recognised."""
    groups = _by_data(rows).values()
    parts = [np.mean([r.coded_right if coded else r.clean_right for r in group], axis=0) for group in groups]
    return np.concatenate(parts).astype(np.float64)


def _columns(band: MonotoneBand, error: Array) -> dict[str, list[float]]:
    columns = {"loss": band.loss, "loss_low": band.loss_low, "loss_high": band.loss_high, "feature_error": error}
    return {name: [_rounded(value) for value in values] for name, values in columns.items()}


def _spread(groups: Sequence[Sequence[Row]], kept: Array, cuts: Sequence[int]) -> dict[str, Any]:
    """Return the table ``bytes``, or nothing where a setting has no full mini-batch: their spread is not known then."""
    batch_size = int(groups[0][0].facts["batch_size"])
    quantile = [_quantiles(rows, batch_size) for rows in groups]
    if not all(quantile):
        return {}
    return {
        "bytes": {
            "images_per_mini_batch": batch_size,
            "after_blocks": list(cuts),
            "kept": [[*np.round(column, _DIGITS).tolist(), 1.0] for column in kept.T],
            "level": list(LEVELS),
            "quantile": [*quantile, [1.0] * len(LEVELS)],
        }
    }


def _quantiles(rows: Sequence[Row], batch_size: int) -> list[float]:
    """Return quantiles of the bytes of full mini-batches over the mean of their cut in their row; their mean is 1.

    None where there is no full mini-batch.
    """
    found = []
    for row in rows:
        full = row.n_images == batch_size
        if full.any():
            sizes = row.coded_bytes[:, full].astype(np.float64)
            found.append((sizes / sizes.mean(1, keepdims=True)).ravel())
    if not found:
        return []
    values = np.quantile(np.concatenate(found), LEVELS)
    mean = float(np.trapezoid(values, LEVELS))
    rounded: list[float] = np.round(values / mean, _DIGITS).tolist()
    return rounded


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _origin(rows: Sequence[Row]) -> str:
    names = " and ".join(f"the {name}" for name in dict.fromkeys(row.data for row in rows))
    return f"measured on {rows[0].facts['model']} with {names}; for any other model or data an assumption"


def _notes(alone: Mapping[int, object], cuts: Sequence[int], clean: float) -> str:
    hop = (
        "The accuracy at a ratio is that of the worst cut compressed alone"
        if alone
        else "The accuracy at a ratio is that with all cuts compressed at once, an upper bound of the loss on one hop"
    )
    return (
        f"{hop}; the table together holds all {len(cuts)} cuts at once. Accuracies are those of a linear probe "
        f"({clean:.4f} without codecs), fitted monotonically over the bytes kept; bands are 95 % over images, no "
        "narrower than the paired score interval."
    )


def _unknown(spread: Mapping[str, object], rows: Sequence[Row]) -> list[str]:
    size = rows[0].facts["batch_size"]
    return [] if spread else [f"No mini-batch of {size} images was measured: how much their bytes spread is not known."]


def _provenance(rows: Sequence[Row], command: str) -> dict[str, Any]:
    first = rows[0]
    ids = sorted({i for row in rows for group in row.codec_ids for i in group if i is not None})
    return {
        "model": first.facts["model"],
        "weights_sha256": first.facts["weights"],
        "data": list(dict.fromkeys(row.data for row in rows)),
        "data_keys": list(dict.fromkeys(row.data_key for row in rows)),
        "codecs_calibrated_on": list(dict.fromkeys(row.calibrated_on for row in rows)),
        "codec": first.kind,
        "cuts": list(first.facts["cuts"]),
        "seeds": sorted({row.seed for row in rows}),
        "n_images": int(sum({row.data_key: len(row.clean_right) for row in rows}.values())),
        "n_rows": len(rows),
        "calibration_images": first.facts["n_fitted"],
        "precision": first.facts["precision"],
        "batch_size": first.facts["batch_size"],
        "codec_ids": ids,
        "command": command,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "versions": software_versions(),
    }

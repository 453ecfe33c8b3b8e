"""Rows of measurements on disk: one JSON file and one file of arrays each, complete or not there at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.neural.evaluation.stored_arrays import DamagedFileError, read_npz
from orbitsim.neural.evaluation.training_images import training_name

ROW_VERSION = 1
_ARRAYS = ("n_images", "coded_bytes", "clean_right", "coded_right")
_ADDED = ("backbone_sha256", "calibration_key", "n_seen", "training", "measured_utc", "versions", "command")
_SCALARS = (
    "name", "data", "data_key", "calibration", "method", "kind", "seed", "facts", "found", "codec_ids", "token_error",
    "pooled_error", "value_bytes", "stage_ratio", "encode_s", "decode_s", "seconds", *_ADDED,
)  # fmt: skip
_ADVICE = "remove it, and the row is measured again"
_TYPES: dict[type, tuple[str, ...]] = {
    str: ("name", "data", "data_key", "method", "kind"),
    int: ("seed", "value_bytes"),
    float: ("token_error", "pooled_error", "seconds"),
    list: ("codec_ids", "stage_ratio", "encode_s", "decode_s"),
    dict: ("facts", "found"),
}


@dataclass(frozen=True, eq=False)
class Row:
    """What one method did on one data set with one seed.

    Attributes
    ----------
    name : str
        Of its files.
    data, data_key, calibration : str, str, str or None
        True name of the test images, key of their clean run, true name of the images codecs were calibrated on (None:
        the training folds).
    method, kind, seed : str, str, int
        Method with its target, its kind, and the seed.
    facts : dict
        Model, weights, cuts, arithmetic: what rows that are compared must share.
    found : dict
        Setting that was found, and what it reached on the calibration images.
    codec_ids : list of list of str
        Identity of the codec of each cut, for each calibration.
    token_error, pooled_error : float
        Squared error over variance of the final features, and of what the probe sees. [1]
    value_bytes : int
        Activation of one image in fp32. [byte]
    stage_ratio : list of list of float
        For each cut: fp32 bytes over bytes in fp32 (1), sparsified, quantised, coded. [1]
    encode_s, decode_s : list of float
        For each cut, all images. [s]
    seconds : float
        Of the whole row. [s]
    n_images, coded_bytes : ndarray, (n_batches,) and (n_cuts, n_batches)
        Images and stream lengths. [1, byte]
    clean_right, coded_right : ndarray of bool, (n,)
        Which images were recognised.
    backbone_sha256, calibration_key, n_seen, training
        See `RowOrigin`; rows from before they were kept have none of what follows.
    measured_utc : str or None
        When it was measured, ISO 8601; of a row that does not say so when its file was written.
    versions : dict or None
        Of the packages it was measured with.
    command : str or None
        That measured it.
    """

    name: str
    data: str
    data_key: str
    calibration: str | None
    method: str
    kind: str
    seed: int
    facts: dict[str, Any]
    found: dict[str, Any]
    codec_ids: list[list[str | None]]
    token_error: float
    pooled_error: float
    value_bytes: int
    stage_ratio: list[list[float]]
    encode_s: list[float]
    decode_s: list[float]
    seconds: float
    n_images: NDArray[np.int64]
    coded_bytes: NDArray[np.int64]
    clean_right: NDArray[np.bool_]
    coded_right: NDArray[np.bool_]
    backbone_sha256: str | None = None
    calibration_key: str | None = None
    n_seen: int | None = None
    training: dict[str, Any] | None = None
    measured_utc: str | None = None
    versions: dict[str, str] | None = None
    command: str | None = None

    @property
    def calibrated_on(self) -> str:
        """True name of the images codecs were trained or calibrated on: of trained ones as they themselves say."""
        if self.kind == "trained":
            return training_name(self.found.get("provenance") or {})
        return self.calibration or "training folds"

    @property
    def cut_ratio(self) -> NDArray[np.float64]:
        """How often the bytes of each cut go into its fp32 activation [1]."""
        ratio: NDArray[np.float64] = self.value_bytes * self.n_images.sum() / self.coded_bytes.sum(1)
        return ratio

    @property
    def total_ratio(self) -> float:
        """How often the bytes of all cuts go into their fp32 activations [1]."""
        return float(len(self.coded_bytes) * self.value_bytes * self.n_images.sum() / self.coded_bytes.sum())

    @property
    def mb_per_s(self) -> tuple[float, float]:
        """Fp32 megabytes that were encoded, and decoded, in a second [MB/s]."""
        total = len(self.coded_bytes) * self.value_bytes * float(self.n_images.sum()) / 1e6
        return total / max(sum(self.encode_s), 1e-9), total / max(sum(self.decode_s), 1e-9)


class RowStore:
    """A folder of rows.

    Parameters
    ----------
    folder : Path
        Made when the first row is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def key(self, name: str, facts: dict[str, Any], data_key: str) -> str:
        """Return the name of a row's files: its own, and a hash of what it rests on."""
        text = json.dumps([ROW_VERSION, name, facts, data_key], sort_keys=True)
        return f"{name}__{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def has(self, key: str) -> bool:
        """Whether a row is there, complete."""
        return (self.folder / f"{key}.json").is_file() and (self.folder / f"{key}.npz").is_file()

    def save(self, key: str, row: Row) -> None:
        """Keep a row; its JSON file, written last, says that it is complete."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            arrays = self.folder / f"{key}.part.npz"
            np.savez_compressed(arrays, allow_pickle=False, **{name: getattr(row, name) for name in _ARRAYS})
            arrays.replace(self.folder / f"{key}.npz")
            values = {"version": ROW_VERSION, **{name: getattr(row, name) for name in _SCALARS}}
            unfinished = self.folder / f"{key}.part"
            unfinished.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            unfinished.replace(self.folder / f"{key}.json")
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot keep a row: {error.strerror or error}") from error

    def load(self, key: str) -> Row:
        """Return a row.

        Raises
        ------
        InputError
            When its files cannot be read or are of another version.
        """
        path, arrays = self.folder / f"{key}.json", self.folder / f"{key}.npz"
        values = _read_values(path)
        try:
            kept: dict[str, Any] = read_npz(arrays, _ARRAYS)
        except DamagedFileError as fault:
            raise DamagedFileError(arrays, fault.reason, _ADVICE) from fault
        shapes = {name: array.shape for name, array in kept.items()}
        n_batches, n_images = (shapes[name][-1] if shapes[name] else 0 for name in ("n_images", "clean_right"))
        n_cuts = len(values["encode_s"])
        if list(shapes.values()) != [(n_batches,), (n_cuts, n_batches), (n_images,), (n_images,)]:
            raise DamagedFileError(arrays, f"its arrays have the shapes {shapes}", _ADVICE)
        return Row(**values, **kept)

    def load_all(self) -> list[Row]:
        """Return every complete row, by name.

        Raises
        ------
        InputError
            With every row that cannot be read.
        """
        keys = sorted(path.stem for path in self.folder.glob("*.json") if path.with_suffix(".npz").is_file())
        rows: list[Row] = []
        problems: list[Problem] = []
        for key in keys:
            try:
                rows.append(self.load(key))
            except InputError as fault:
                problems += fault.problems
        if problems:
            raise InputError(problems)
        return rows


def _read_values(path: Path) -> dict[str, Any]:
    """Return what a row's JSON file states, for `Row`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"expected a row of measurements: {error}", _ADVICE) from error
    if not isinstance(values, dict):
        raise DamagedFileError(path, f"expected a row of measurements, got a {type(values).__name__}", _ADVICE)
    version = values.pop("version", None)
    if version != ROW_VERSION:
        raise InputError(Problem("version", f"expected {ROW_VERSION}, got {version!r}", str(path)))
    if fault := _fault(values):
        raise DamagedFileError(path, f"expected a row of measurements: {fault}", _ADVICE)
    if values.get("measured_utc") is None:
        values["measured_utc"] = written.isoformat(timespec="seconds").replace("+00:00", "Z")
    return values


def _fault(values: dict[str, Any]) -> str:
    """Return in what the content of a JSON file is not that of a row; empty where it is."""
    if missing := sorted({*_SCALARS} - {*_ADDED} - values.keys()):
        return f"lacks {', '.join(missing)}"
    if unknown := sorted(values.keys() - {*_SCALARS}):
        return f"has unknown {', '.join(unknown)}"
    wrong = [
        f"{name} is no {kind.__name__}"
        for kind, names in _TYPES.items()
        for name in names
        if not isinstance(values[name], (int, float) if kind is float else kind)
    ]
    return ", ".join(wrong)

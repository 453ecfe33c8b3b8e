"""Codec tables of `orbitsim codec calibrate`: checked as a whole, read, and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orbitsim.errors import InputError, Problem
from orbitsim.types.codec_table import ByteSpread, CodecTable, LossCurve, quantile_mean

MEASURED_VERSION = 2
_MEAN_TOLERANCE = 1e-3  # of a row of quantiles about its mean; they are written with six digits

Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Loss = Annotated[float, Field(ge=-1.0, le=1.0)]
Error = Annotated[float, Field(ge=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Curve(_Strict):
    loss: list[Share]
    loss_low: list[Loss]
    loss_high: list[Loss]
    feature_error: list[Error]


class _Cut(_Curve):
    after_block: Annotated[int, Field(ge=1)]


class _Together(_Curve):
    after_blocks: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class _Bytes(_Strict):
    images_per_mini_batch: Annotated[int, Field(ge=1)]
    after_blocks: list[Annotated[int, Field(ge=1)]]
    kept: list[list[Annotated[float, Field(gt=0.0, le=2.0)]]]
    level: Annotated[list[Share], Field(min_length=2)]
    quantile: list[list[Annotated[float, Field(gt=0.0)]]]


class _MeasuredFile(_Strict):
    schema_version: int
    name: Text
    title: Text
    origin: Text
    source: Text
    notes: str = ""
    ratio: Annotated[list[Annotated[float, Field(gt=0.0, le=1.0)]], Field(min_length=1)]
    baseline_accuracy: Share
    accuracy: list[Share]
    loss_high: list[Loss]
    cuts: list[_Cut] = []
    together: _Together | None = None
    bytes: _Bytes | None = None
    provenance: dict[str, Any]


def measured_table(data: Mapping[str, Any], source: str) -> CodecTable:
    """Return the table of a file of schema 2.

    Parameters
    ----------
    data : mapping
        Content of the file.
    source : str
        Where it came from, for messages.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    try:
        file = _MeasuredFile.model_validate(dict(data))
    except ValidationError as error:
        raise InputError(list(_problems(error))).located(source) from None
    if problems := list(_faults(file)):
        raise InputError(problems).located(source)
    table = CodecTable.measured(
        file.name, file.ratio, file.accuracy, file.baseline_accuracy, origin=file.origin, source=file.source
    )
    spread = file.bytes
    return replace(
        table,
        notes=file.notes,
        loss_high=tuple(file.loss_high),
        cuts=tuple(_curve(cut, (cut.after_block,)) for cut in file.cuts),
        together=None if file.together is None else _curve(file.together, tuple(file.together.after_blocks)),
        spread=None if spread is None else _spread(spread),
        provenance=file.provenance,
    )


def _spread(spread: _Bytes) -> ByteSpread:
    return ByteSpread.of(spread.level, spread.quantile, spread.images_per_mini_batch, spread.after_blocks, spread.kept)


def _curve(curve: _Curve, after_blocks: tuple[int, ...]) -> LossCurve:
    columns = (curve.loss, curve.loss_low, curve.loss_high, curve.feature_error)
    return LossCurve(after_blocks, *(tuple(column) for column in columns))


def _problems(error: ValidationError) -> Iterator[Problem]:
    for fault in error.errors(include_url=False):
        message = {"missing": "expected a value, found none", "extra_forbidden": "expected no such key"}.get(
            fault["type"], f"{fault['msg'][:1].lower()}{fault['msg'][1:]}, got {fault['input']!r}"[:300]
        )
        yield Problem(".".join(str(part) for part in fault["loc"]), message)


def _faults(file: _MeasuredFile) -> Iterator[Problem]:
    """Yield what is wrong between the values of a file."""
    n = len(file.ratio)
    if sorted(set(file.ratio)) != file.ratio:
        yield Problem("ratio", "expected each ratio once, ascending")
    columns: dict[str, list[Any]] = {"accuracy": file.accuracy, "loss_high": file.loss_high}
    curves: dict[str, _Curve] = {f"cuts.{i}": cut for i, cut in enumerate(file.cuts)}
    if file.together is not None:
        curves["together"] = file.together
    for key, curve in curves.items():
        for name in _Curve.model_fields:
            columns[f"{key}.{name}"] = getattr(curve, name)
    if file.bytes is not None:
        columns["bytes.quantile"] = file.bytes.quantile
        columns |= {f"bytes.kept.{i}": row for i, row in enumerate(file.bytes.kept)}
    for key, values in columns.items():
        if len(values) != n:
            yield Problem(key, f"expected as many entries as ratio ({n}), got {len(values)}")
    if sorted(file.accuracy) != file.accuracy:
        yield Problem("accuracy", "expected accuracies that do not fall as the ratio rises (a monotone fit)")
    if file.accuracy and max(file.accuracy) > file.baseline_accuracy:
        yield Problem("accuracy", f"expected none above baseline_accuracy ({file.baseline_accuracy:g})")
    for key, curve in curves.items():
        if len({len(curve.loss), len(curve.loss_low), len(curve.loss_high)}) > 1:
            continue
        for i, (low, mean, high) in enumerate(zip(curve.loss_low, curve.loss, curve.loss_high, strict=True)):
            if not low <= mean <= high:
                yield Problem(f"{key}.loss.{i}", f"expected a loss within its band {low:g} to {high:g}, got {mean:g}")
    after = [cut.after_block for cut in file.cuts]
    if sorted(set(after)) != after:
        yield Problem("cuts", f"expected cuts in ascending order of after_block, each once, got {after}")
    if file.together is not None and sorted(set(file.together.after_blocks)) != file.together.after_blocks:
        got = file.together.after_blocks
        yield Problem("together.after_blocks", f"expected blocks in ascending order, each once, got {got}")
    if file.bytes is not None:
        yield from _spread_faults(file.bytes)


def _spread_faults(spread: _Bytes) -> Iterator[Problem]:
    level = spread.level
    if len(spread.kept) != len(spread.after_blocks):
        n = len(spread.after_blocks)
        yield Problem("bytes.kept", f"expected as many rows as after_blocks ({n}), got {len(spread.kept)}")
    if level[0] != 0.0 or level[-1] != 1.0 or sorted(set(level)) != level:
        yield Problem("bytes.level", "expected levels ascending from 0 to 1")
        return
    for i, row in enumerate(spread.quantile):
        key = f"bytes.quantile.{i}"
        if len(row) != len(level):
            yield Problem(key, f"expected as many entries as level ({len(level)}), got {len(row)}")
        elif sorted(row) != row:
            yield Problem(key, "expected ascending quantiles")
        elif abs(quantile_mean(level, row) - 1.0) > _MEAN_TOLERANCE:
            yield Problem(key, f"expected quantiles about a mean of 1, got {quantile_mean(level, row):.6g}")


def measured_table_text(data: Mapping[str, Any]) -> str:
    """Return the TOML of a table of schema 2; reading it gives the same values.

    Parameters
    ----------
    data : mapping
        Content of the file: as `measured_table` takes it.
    """
    measured_table(data, str(data.get("name", "codec table")))
    top = {key: value for key, value in data.items() if not isinstance(value, Mapping) and key != "cuts"}
    lines = [f"{key} = {_toml(value)}" for key, value in top.items()]
    for cut in data.get("cuts", []):
        lines += ["", "[[cuts]]", *(f"{key} = {_toml(value)}" for key, value in cut.items())]
    for name in ("together", "bytes", "provenance"):
        if data.get(name):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in data[name].items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple):
            return "[\n" + "".join(f"  {_toml(row)},\n" for row in value) + "]"
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml_text(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, int):
        return str(value)
    return _toml_text(str(value))


def _toml_text(text: str) -> str:
    """Return a basic string of TOML: as in JSON, but DEL is escaped too, and half a surrogate pair is no character."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007F")

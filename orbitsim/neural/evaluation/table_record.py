"""What stands beside a table of methods: data, methods, seeds, versions, dates, and how trained codecs were trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.row_groups import row_groups
from orbitsim.neural.evaluation.row_origin import seen_words
from orbitsim.neural.evaluation.software import software_versions

_WHAT = (
    "Codecs at all cuts at once, side by side: real bytes, error of the final features, and accuracy of a linear probe "
    "fitted on clean features of the training folds; every image tested once, clean and coded"
)
_FOLDERS = re.compile(r"(?<![\w./])\.{0,2}/(?:[^\s/'\"=]+/)*(?=[^\s/'\"=])")


def table_record(rows: Sequence[Row], command: str) -> dict[str, Any]:
    """Return where the tables of rows come from; JSON values without anybody's folders.

    Parameters
    ----------
    rows : sequence of Row
        Rows of the tables.
    command : str
        That made the tables.
    """
    models = {row.facts["model"]: row for row in rows}
    record = {
        "what": _WHAT,
        "command": command,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "versions": software_versions(),
        "models": list({str(row.facts): row.facts for row in rows}.values()),
        "data": list({(row.data, row.data_key): _data(row) for row in rows}.values()),
        "methods": sorted({row.method for row in rows}),
        "seeds": sorted({row.seed for row in rows}),
        "rows": [_group(group) for group in row_groups(rows)],
    }
    named: dict[str, Any] = without_folders({"name": " and ".join(models), **record})
    return named


def without_folders(value: Any) -> Any:
    """Return plain data in whose texts paths from the root or from above are names.

    Whose machine it was tells nobody anything.
    """
    if isinstance(value, dict):
        return {key: without_folders(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(each) for each in value]
    return _FOLDERS.sub("", value) if isinstance(value, str) else value


def _data(row: Row) -> dict[str, Any]:
    return {"name": row.data, "n_images": len(row.clean_right), "model": row.facts["model"], "key": row.data_key}


def _group(group: Sequence[Row]) -> dict[str, Any]:
    """Return what one line of the table of methods rests on; a list has one entry for each seed."""
    first = group[0]
    found: dict[str, Any] = {
        "model": first.facts["model"],
        "data": first.data,
        "method": first.method,
        "kind": first.kind,
        "codecs_calibrated_on": list(dict.fromkeys(row.calibrated_on for row in group)),
        "leak": seen_words(first) or None,
        "seeds": [row.seed for row in group],
        "measured_utc": [row.measured_utc for row in group],
        "measured_with": [row.versions for row in group],
        "measured_by": [row.command for row in group],
        "seconds": [row.seconds for row in group],
    }
    if first.kind == "trained":
        found["backbone_sha256"] = [row.backbone_sha256 or row.found.get("backbone") for row in group]
        found["trainings"] = [row.training or _header(row) for row in group]
    return found


def _header(row: Row) -> dict[str, Any] | None:
    """Return what the codecs say of their training where its measures are gone."""
    origin = row.found.get("provenance") or {}
    return {name: origin[name] for name in ("command", "created_utc", "data") if name in origin} or None

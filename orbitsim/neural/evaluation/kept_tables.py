"""What is in a folder of tables that a new call would write over without having it itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.data_names import data_set_name
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.table import TABLES

_SHOWN = 3


def check_tables(folder: Path, experiment: Experiment, specs: Sequence[RowSpec]) -> None:
    """Raise unless tables of these rows would have all that the folder's tables have.

    The rows themselves are never written over; going on with a call, or adding to it, loses nothing.

    Parameters
    ----------
    folder : Path
        Where `write_tables` would write.
    experiment : Experiment
        What measures the rows.
    specs : sequence of RowSpec
        Rows that the new tables will have.

    Raises
    ------
    InputError
        Naming what would be lost.
    """
    path = folder / TABLES
    if not path.exists():
        return
    planned = Counter(
        (
            _name(experiment, spec.data),
            "training folds" if spec.calibration_data is None else _name(experiment, spec.calibration_data),
            spec.method.label,
        )
        for spec in specs
    )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cuts = {(r["data"], r["method"], r["cut"]) for r in content["cuts"]}
        lost = [
            f"{r['method']} on the {r['data']}"
            for r in content["methods"]
            if r["model"] != experiment.parts.name
            or planned[r["data"], r["codecs_calibrated_on"], r["method"]] < r["n_seeds"]
            or {cut for data, method, cut in cuts if (data, method) == (r["data"], r["method"])} != {*experiment.cuts}
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        fault = f"cannot be read ({error!r}); give --force to replace it, or name another folder"
        raise InputError(Problem("--out", fault, str(path))) from error
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise InputError(
            Problem(
                "--out",
                f"holds tables with what this call does not measure: {', '.join(lost[:_SHOWN])}{more}; ask for it too, "
                "name another folder, or give --force to replace the tables (the rows are kept)",
                str(folder),
            )
        )


def _name(experiment: Experiment, data: str) -> str:
    return data_set_name(Path(data), experiment.clean(data).labels)

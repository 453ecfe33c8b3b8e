"""Columns to data frames of a table's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitsim.types.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd


def frame(table: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Build the data frame of a table.

    Parameters
    ----------
    table : str
        A key of `orbitsim.types.tables.TABLES`.
    columns : mapping of str to array_like
        Every column of the schema.

    Raises
    ------
    ValueError
        If a column is missing or not of the schema, or holds nulls where the schema allows none.
    """
    import pandas as pd

    schema = TABLES[table]
    names = [column.name for column in schema]
    if set(columns) != set(names):
        raise ValueError(f"table {table} has the columns {names}, got {sorted(columns)}")
    series: dict[str, Any] = {}
    for column in schema:
        values = columns[column.name]
        if column.dtype != "category":
            made: Any = pd.Series(values, dtype="str" if column.dtype == "string" else column.dtype)
        elif isinstance(values, pd.Categorical):
            made = values
        else:
            names_of = dict.fromkeys(value for value in values if value is not None)
            position: dict[Any, int] = {None: -1} | {value: index for index, value in enumerate(names_of)}
            made = categories([position[value] for value in values], list(names_of))
        if not column.nullable and pd.isna(made).any():
            raise ValueError(f"column {table}.{column.name} must not hold nulls")
        series[column.name] = made
    return pd.DataFrame(series, copy=False)


def categories(codes: Any, names: Sequence[str]) -> Any:
    """Return a categorical column: for each row the index of its name, -1 for none."""
    import pandas as pd

    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int32), categories=pd.Index(list(names), dtype="str"))

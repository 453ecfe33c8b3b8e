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
        made = values if isinstance(values, pd.Categorical) else pd.Series(values, dtype=_pandas_dtype(column.dtype))
        if not column.nullable and pd.isna(made).any():
            raise ValueError(f"column {table}.{column.name} must not hold nulls")
        series[column.name] = made
    return pd.DataFrame(series, copy=False)


def categories(codes: Any, names: Sequence[str]) -> Any:
    """Return a categorical column: for each row the index of its name."""
    import pandas as pd

    return pd.Categorical.from_codes(np.asarray(codes), categories=pd.Index(list(names), dtype="str"))


def _pandas_dtype(dtype: str) -> str:
    return "category" if dtype == "category" else "str" if dtype == "string" else dtype

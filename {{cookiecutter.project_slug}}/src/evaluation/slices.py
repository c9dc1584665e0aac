"""Slices: groups of test rows that are measured on their own."""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from src.data.schema import ColumnType

Column: TypeAlias = "pd.Series[Any]"

MAX_SLICES = 20
MAX_VALUES = 10
BINS = 4

MISSING = "(missing)"
OTHERS = "(all other values)"


def slice_masks(column: Column, kind: ColumnType) -> dict[str, Column]:
    """Divide rows into slices by the value of a column.

    Categories are slices, the most frequent first; of more than ``MAX_SLICES`` the
    rarest share one. Numbers and dates with more than ``MAX_VALUES`` values are cut
    into quarters with about as many rows each. Missing values are the last slice.

    Args:
        column: The values, of the type that ``coerce`` gives them.
        kind: The column's type in the data schema.

    Returns:
        The rows of each slice as a mask, by the name of the slice; every row is in
        one of them, and none is empty.
    """
    if kind == "category":
        masks = _by_frequency(column)
    elif column.nunique() <= MAX_VALUES:
        values = sorted(column.dropna().unique())
        masks = {_text(value, kind): column == value for value in values}
    else:
        masks = _by_quarter(column, kind)
    missing = column.isna()
    return masks | ({MISSING: missing} if missing.any() else {})


def _by_frequency(column: Column) -> dict[str, Column]:
    """Return the rows of each value; ties go by the value, the rare ones together."""
    counts = column.value_counts().sort_index()
    values = list(counts.sort_values(ascending=False, kind="stable").index)
    if len(values) <= MAX_SLICES:
        return {value: column == value for value in values}
    kept = values[: MAX_SLICES - 1]
    others = column.notna() & ~column.isin(kept)
    return {value: column == value for value in kept} | {OTHERS: others}


def _by_quarter(column: Column, kind: ColumnType) -> dict[str, Column]:
    """Return the rows between the quartiles, named by their least and largest value."""
    present = column.dropna()
    edges = present.quantile(np.linspace(0, 1, BINS + 1)[1:-1]).unique()
    bins = pd.Series(np.searchsorted(edges, present, side="left"), present.index)
    masks = {}
    for _, values in present.groupby(bins):
        name = f"{_text(values.min(), kind)} to {_text(values.max(), kind)}"
        masks[name] = column.between(values.min(), values.max())
    return masks


def _text(value: float | pd.Timestamp, kind: ColumnType) -> str:
    """Write a value without needless digits, and a date without a time of zero."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if kind == "boolean":
        return "true" if value else "false"
    return f"{value:.6g}"

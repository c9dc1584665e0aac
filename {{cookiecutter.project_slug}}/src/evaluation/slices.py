"""Slices: groups of test rows that are measured on their own."""

import numpy as np
import pandas as pd

from src.data.columns import ColumnType

MAX_SLICES = 20
MAX_VALUES = 10
BINS = 4

MISSING = "(missing)"
OTHERS = "(all other values)"


def slice_labels(column: pd.Series, kind: ColumnType) -> pd.Series:
    """Say for each row to which slice of ``column`` it belongs.

    Categories are slices; of more than ``MAX_SLICES`` the rarest share one. Numbers and
    dates with more than ``MAX_VALUES`` values are cut into quarters with about as many
    rows each. Missing values are a slice of their own.

    Args:
        column: The values, of the type that ``coerce`` gives them.
        kind: The column's type in the data schema.

    Returns:
        The label of each row's slice, on the same index.
    """
    if kind == "boolean":
        labels = column.map({0.0: "false", 1.0: "true"})
    elif kind == "category":
        labels = _merge_rare(column.astype("str"))
    elif column.nunique() <= MAX_VALUES:
        labels = column.map(_text)
    else:
        labels = _quarters(column)
    return labels.astype(object).where(column.notna(), MISSING)


def _merge_rare(column: pd.Series) -> pd.Series:
    """Give all but the most frequent values one label; ties go by the value."""
    counts = column.value_counts().sort_index()
    frequent = counts.sort_values(ascending=False, kind="stable").index
    if len(frequent) <= MAX_SLICES:
        return column
    return column.where(column.isin(frequent[: MAX_SLICES - 1]), OTHERS)


def _quarters(column: pd.Series) -> pd.Series:
    """Cut numbers or dates at their quartiles."""
    edges = column.quantile(np.linspace(0, 1, BINS + 1)).drop_duplicates().tolist()
    names = [
        f"{_text(low)} to {_text(high)}"
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
    codes = np.searchsorted(edges[1:-1], column.to_numpy(), side="left")
    return pd.Series(np.array(names, dtype=object)[codes], index=column.index)


def _text(value: float | pd.Timestamp) -> str:
    """Write a number without needless digits, and a date without a time of zero."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return f"{value:.6g}"

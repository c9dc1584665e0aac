"""A typical row of a data set: no one's own, and one that any request may hold."""

from typing import Any

import pandas as pd
from pandas import DataFrame

from src.data.columns import Column
from src.data.schema import ColumnSchema, DataSchema


def typical_row(rows: DataFrame, schema: DataSchema) -> dict[str, Any]:
    """Return the typical value of each feature.

    Args:
        rows: Typed rows.
        schema: The data contract.

    Returns:
        By column, as JSON has it: the median of numbers and dates, the most frequent
        category or answer; None for a column without a value.
    """
    return {
        name: _typical(rows[name].dropna(), schema.columns[name])
        for name in schema.features
    }


def _typical(values: Column, column: ColumnSchema) -> Any:
    """Return the typical one of values, none of which is missing."""
    if values.empty:
        return None
    match column.type:
        case "integer":
            return round(float(values.median()))
        case "number":
            return float(values.median())
        case "boolean":
            return bool(values.mode()[0])
        case "category":
            return str(values.mode()[0])
        case "date":
            # One of them: what is between two may be no date that can be written.
            date = pd.Timestamp(values.sort_values().iloc[len(values) // 2])
            if column.format is None:
                return date.isoformat()
            return date.tz_localize("UTC").strftime(column.format)

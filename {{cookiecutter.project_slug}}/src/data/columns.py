"""From what files and requests hold to the types of the data schema, each value by
itself, so that training, tests and prediction read a row alike. What cannot be read as
its type becomes missing; validation reports it."""

from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.api import types

from src.data.schema import BOOLEANS, MISSING_VALUES, NUMBER_PATTERN
from src.data.schema import ColumnType, DataSchema

Column: TypeAlias = "pd.Series[Any]"


def to_schema_types(frame: pd.DataFrame, schema: DataSchema) -> pd.DataFrame:
    """Return the columns that both have, in the schema's order and as its types."""
    both = {n: c for n, c in schema.columns.items() if n in frame.columns}
    columns = {n: convert(frame[n], c.type, c.format) for n, c in both.items()}
    return pd.DataFrame(columns, frame.index)


def convert(column: Column, kind: ColumnType, date_format: str | None) -> Column:
    """Return numbers and booleans as float64, categories as text, dates as dates."""
    if kind == "category":
        return as_text(column)
    if kind == "date":
        return as_dates(column, date_format)
    if kind == "boolean":
        return as_text(column).str.lower().map(BOOLEANS).astype("float64")
    return as_numbers(column)


def as_text(column: Column) -> Column:
    """Return the values as text without surrounding blanks, missing ones as NaN."""
    if column.dtype != "str":
        column = column.astype("object").map(_text_of, na_action="ignore").astype("str")
    text = column.str.strip()
    return text.mask(text.isin(MISSING_VALUES))


def as_numbers(column: Column) -> Column:
    """Return the values as float64; infinite ones, as no model takes them, as NaN."""
    if not (types.is_numeric_dtype(column) or types.is_bool_dtype(column)):
        text = as_text(column)
        # Not by pandas.to_numeric, which may be one unit in the last place off.
        column = text.where(text.str.fullmatch(NUMBER_PATTERN))
    return column.astype("float64").replace([np.inf, -np.inf], np.nan)


def as_dates(column: Column, date_format: str | None = None) -> Column:
    """Return dates, or text in a format (or ISO 8601), as datetime64[us] in UTC."""
    if types.is_datetime64_any_dtype(column):
        dates = pd.to_datetime(column, utc=True)
    else:
        date_format, text = date_format or "ISO8601", as_text(column)
        dates = pd.to_datetime(text, format=date_format, utc=True, errors="coerce")
    # Not nanoseconds, which end in 2262: many write 9999-12-31 for "for ever".
    return dates.dt.tz_localize(None).astype("datetime64[us]")


def rarer_class(labels: Column) -> str | None:
    """Return the rarer one of two classes, the last in the alphabet if both are as
    frequent; None if there are not two."""
    counts = labels.value_counts().sort_index(ascending=False)
    return str(counts.idxmin()) if len(counts) == 2 else None


def dates_as_text(dates: Column, date_format: str) -> Column:
    """Return dates in a format, which may ask for the time zone, that is UTC."""
    return dates.dt.tz_localize("UTC").dt.strftime(date_format)


def example_row(rows: pd.DataFrame, schema: DataSchema) -> dict[str, Any]:
    """Return the medians and most frequent answers of typed rows, as JSON has them."""
    row: dict[str, Any] = {}
    for name in schema.features:
        values, column = rows[name].dropna(), schema.columns[name]
        if values.empty:
            row[name] = None
        elif column.type in ("integer", "number"):
            median = float(values.median())
            row[name] = round(median) if column.type == "integer" else median
        elif column.type == "date":
            date = values.sort_values().iloc[[len(values) // 2]]  # one that is there
            texts = dates_as_text(date, column.format) if column.format else date
            row[name] = as_text(texts).iloc[0]
        else:
            row[name] = (bool if column.type == "boolean" else str)(values.mode()[0])
    return row


def _text_of(value: object) -> str:
    # 3.0 is "3": a missing value among whole numbers makes all of them float in a file.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)

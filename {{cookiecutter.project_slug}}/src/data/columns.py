"""From what files hold to the types of the data schema, value by value, as
``values.py`` reads them. What cannot be read is missing; validation reports it."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.api import types

from src.data.schema import DataSchema
from src.data.values import MAX_NUMBER, MISSING_VALUES, NUMBER, NUMERIC, WHOLE_FLOAT
from src.data.values import Reading, date_text, read_or_none, text_of

Column: TypeAlias = "pd.Series[Any]"


def to_schema_types(frame: pd.DataFrame, schema: DataSchema) -> pd.DataFrame:
    """Return the columns that both have, in the schema's order and as its types."""
    columns = {n: convert(frame[n], c) for n, c in schema.columns.items() if n in frame}
    return pd.DataFrame(columns, frame.index)


def convert(column: Column, rules: Reading) -> Column:
    """Return numbers and booleans as float64, categories as text, and dates, or their
    text, as datetime64[us] in UTC."""
    kind = rules.type
    if kind == "date" and types.is_datetime64_any_dtype(column):
        # Not nanoseconds, which end in 2262: many write 9999-12-31 for "for ever".
        utc = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return utc.astype("datetime64[us]")
    is_number = types.is_numeric_dtype(column) or types.is_bool_dtype(column)
    if is_number and not rules.missing and kind in NUMERIC:
        return column.astype("float64").where(lambda n: n.abs() <= MAX_NUMBER)
    text = as_text(column, rules.missing)
    if kind == "category":
        return text.str.replace(f"^{WHOLE_FLOAT}$", r"\1", regex=True)
    if kind in NUMERIC and rules.format is None:
        if (text.isna() | text.str.fullmatch(NUMBER)).all():
            # Not to_numeric, which may be one unit off.
            return text.astype("float64").where(lambda n: n.abs() <= MAX_NUMBER)
    codes, values = pd.factorize(text)  # each value once; -1 is missing
    dtype = "datetime64[us]" if kind == "date" else "float64"
    read = np.array([*(read_or_none(value, rules) for value in values), None], dtype)
    return pd.Series(read[codes], column.index, name=column.name)


def as_text(column: Column, missing: Sequence[str] = ()) -> Column:
    """Return the values as text without surrounding blanks, missing ones as NaN."""
    if column.dtype != "str":
        column = column.astype("object").map(text_of, na_action="ignore").astype("str")
    text = column.str.strip()
    return text.mask(text.isin([*MISSING_VALUES, *missing]))


def rarer_class(labels: Column) -> str | None:
    """Return the rarer of two classes, of equals the last by name; None if not two."""
    counts = labels.value_counts().sort_index(ascending=False)
    return str(counts.idxmin()) if len(counts) == 2 else None


def written(column: Column, rules: Reading) -> Column:
    """Return typed values as text that ``convert`` reads back by the same rules."""
    if rules.type == "date":
        return column.map(date_text, "ignore", date_format=rules.format).astype("str")
    nullable: dict[str, Any] = {"integer": "Int64", "boolean": "boolean"}
    typed = column.astype(nullable.get(rules.type, column.dtype))
    if rules.type in NUMERIC and rules.format and "234,5" in rules.format:
        return typed.astype("str").str.replace(".", ",")
    return typed


def example_row(rows: pd.DataFrame, schema: DataSchema) -> dict[str, Any]:
    """Return the medians and most frequent answers of typed rows, as JSON has them."""
    row: dict[str, Any] = {}
    for name in schema.features:
        values, column = rows[name].dropna(), schema.columns[name]
        if values.empty:
            row[name] = None
        elif column.type in NUMERIC:
            median = float(values.median())
            row[name] = round(median) if column.type == "integer" else median
        elif column.type == "date":
            date = values.sort_values().iloc[[len(values) // 2]]  # one that is there
            row[name] = written(date, column).iloc[0]
        else:
            row[name] = (bool if column.type == "boolean" else str)(values.mode()[0])
    return row

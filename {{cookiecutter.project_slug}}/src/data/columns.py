"""From what files and requests hold to the types of the data schema, column by column.

Every function here treats each value by itself, so one row is read as it would be in
any other company: training, tests and prediction see the same. What cannot be read as
the type asked for becomes missing; validation reports it.
"""

import math
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.api.typing import NaTType, NAType

from src.data.marks import (
    BOOLEAN_WORDS,
    MISSING_MARKS,
    NONE_WORDS,
    NUMBER_PATTERN,
)

Column: TypeAlias = "pd.Series[Any]"
ColumnType = Literal["integer", "number", "category", "boolean", "date"]


def as_text(column: Column) -> Column:
    """Return the values as text without surrounding blanks, missing ones as NaN.

    Whole numbers lose their decimals (``3.0`` is ``"3"``): a column of codes reads the
    same whether a missing value among them made the file's type float or not.
    """
    if column.dtype != "str":
        texts = [_text_of(value) for value in column.astype("object")]
        column = pd.Series(texts, column.index, dtype="str", name=column.name)
    text = column.str.strip()
    return text.mask(text.isin(MISSING_MARKS))


def as_numbers(column: Column) -> Column:
    """Return the values as float64; infinite ones are missing, as no model takes them.

    Text is converted by ``astype``: ``pandas.to_numeric`` is up to one unit in the last
    place off, so a number would change by being written and read.
    """
    if types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        values = column.astype("Float64").to_numpy("float64", na_value=np.nan)
        numbers = pd.Series(values, index=column.index, name=column.name)
    else:
        text = as_text(column)
        is_number = text.str.fullmatch(NUMBER_PATTERN).fillna(False).astype(bool)
        numbers = text.where(is_number).astype("float64")
    return numbers.replace([np.inf, -np.inf], np.nan)


def as_booleans(column: Column) -> Column:
    """Return true/false, yes/no, y/n, t/f and 1/0 as the float64 numbers 1 and 0."""
    text = as_text(column).str.lower()
    answers = pd.Series(np.nan, index=column.index, name=column.name, dtype="float64")
    answers[text.isin([yes for yes, _ in BOOLEAN_WORDS])] = 1.0
    answers[text.isin([no for _, no in BOOLEAN_WORDS])] = 0.0
    return answers


def as_dates(column: Column, date_format: str | None = None) -> Column:
    """Return the values as datetime64[us] in UTC, without the time zone.

    Microseconds, not nanoseconds: those end in 2262, before the 9999-12-31 that many
    systems write for "for ever".

    Args:
        column: Dates, or text.
        date_format: How ``strptime`` reads the text; ISO 8601 if None.
    """
    if types.is_datetime64_any_dtype(column):
        dates = pd.to_datetime(column, utc=True)
    else:
        text = as_text(column)
        dates = pd.to_datetime(
            text, format=date_format or "ISO8601", utc=True, errors="coerce"
        )
    return dates.dt.tz_localize(None).astype("datetime64[us]")


def convert(column: Column, kind: ColumnType, date_format: str | None) -> Column:
    """Return ``column`` as the type that the data schema names."""
    match kind:
        case "integer" | "number":
            return as_numbers(column)
        case "boolean":
            return as_booleans(column)
        case "date":
            return as_dates(column, date_format)
        case "category":
            return as_text(column)


def unreadable(column: Column, converted: Column) -> Column:
    """Return where ``column`` holds a value that ``convert`` could not read."""
    text = as_text(column)
    return text.notna() & ~text.isin(NONE_WORDS) & converted.isna()


def _text_of(value: object) -> str | None:
    """Return any value as text, None for a missing one; dates in ISO 8601."""
    match value:
        case None | NaTType() | NAType():
            return None
        case float() if math.isnan(value):
            return None
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return value.isoformat()
        case _:
            return str(value)

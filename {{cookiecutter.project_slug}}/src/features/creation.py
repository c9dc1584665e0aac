"""Features that follow from a row alone: the first step of the saved pipeline, which
training and prediction run. Who only needs ``date_parts`` need not have pandas."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from src.data.schema import ColumnType, DataSchema
from src.utils.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

DATE_PARTS = ("year", "month", "day", "weekday", "day of year", "hour")


class FeatureColumn(NamedTuple):
    """A column that features are made of; one with gaps may be missing as a whole."""

    type: ColumnType
    format: str | None
    missing: tuple[str, ...]
    optional: bool


def feature_columns(schema: DataSchema) -> dict[str, FeatureColumn]:
    """Return the columns that features are made of, in the order of the schema."""
    used = ((name, schema.columns[name]) for name in schema.features)
    return {
        n: FeatureColumn(c.type, c.format, tuple(c.missing), c.max_missing > 0)
        for n, c in used
    }


def create_features(
    frame: "DataFrame", columns: Mapping[str, FeatureColumn]
) -> "DataFrame":
    """Return the features of rows as a file or a request holds them: categories as
    ``str`` columns, "" where missing, dates as their ``DATE_PARTS``, and all else as
    float64 columns. To miss a column that is not optional is a DataError."""
    import pandas as pd

    from src.data.columns import convert

    absent = [n for n, c in columns.items() if n not in frame and not c.optional]
    if absent:
        raise DataError(f"columns {absent} not found; expected {list(columns)}")
    given, features = frame.reindex(columns=list(columns)), {}
    for name, column in columns.items():
        values = convert(given[name], column)
        if column.type == "date":
            codes, dates = pd.factorize(values)  # each date once; -1 is missing
            parts = np.array([date_parts(date) for date in (*dates, None)])[codes]
            for number, part in enumerate(part_names(name, columns)):
                features[part] = pd.Series(parts[:, number], frame.index)
        else:
            features[name] = values.fillna("") if column.type == "category" else values
    return pd.DataFrame(features, index=frame.index)


def part_names(name: str, columns: Iterable[str]) -> list[str]:
    """Return what the ``DATE_PARTS`` of a column are called, unlike any column."""
    names = [f"{name}: {part}" for part in DATE_PARTS]
    while not set(names).isdisjoint(columns):
        names = [f"{part}'" for part in names]
    return names


def date_parts(moment: datetime | None) -> tuple[float, ...]:
    """Return the ``DATE_PARTS`` of a date, NaN without one; Monday is weekday 0."""
    if moment is None:
        return (np.nan,) * len(DATE_PARTS)
    year, month, day, hour, _, _, weekday, day_of_year, _ = moment.timetuple()
    return tuple(map(float, (year, month, day, weekday, day_of_year, hour)))

"""Which rows are test rows, and which of the others a fold may not tear apart. Whether
a row is a test row follows from its content (or its group) and the seed alone, so that
trainings on growing data agree. By ``time_columns``, it is the last rows."""

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_any_dtype

from src.data.columns import Column, as_text
from src.data.schema import DataSchema
from src.utils.config import SplitSettings
from src.utils.errors import DataError

Parts = tuple[pd.DataFrame, pd.DataFrame]  # training rows, test rows
CONFIG_KEY = "config/pipeline_config.yaml: preprocessing.split"


class Keys(NamedTuple):
    """What holds rows together: the number of its group for each row, or of its day (or
    number of the first column) where ``times`` are in order; None if each is alone."""

    blocks: NDArray[np.intp] | None = None
    times: pd.DataFrame | None = None


def row_keys(rows: pd.DataFrame, schema: DataSchema) -> Keys:
    """Return what holds typed rows of ``split_rows`` together."""
    times = rows[schema.time_columns] if schema.time_columns else None
    by = schema.time_columns[0] if schema.time_columns else schema.group_column
    if by is None:
        return Keys()
    is_date = is_datetime64_any_dtype(rows[by])
    codes, found = pd.factorize(rows[by].dt.normalize() if is_date else rows[by])
    alone = codes < 0  # without a group
    codes[alone] = np.arange(len(found), len(found) + alone.sum())
    return Keys(codes, times)


def split_rows(
    rows: pd.DataFrame, schema: DataSchema, split: SplitSettings, seed: int
) -> Parts:
    """Divide typed rows into training and test rows; DataError if one has none."""
    if schema.time_columns:
        rows = rows.sort_values(schema.time_columns, kind="stable", na_position="first")
        times = rows[schema.time_columns]
        starts = np.flatnonzero(~times.duplicated())  # one moment is never in both
        cut = len(rows) - ceil(split.test_size * len(rows))
        cut = int(starts[starts <= cut].max(initial=0))
        train, test = rows.iloc[: train_end(times, cut, split.gap)], rows.iloc[cut:]
    else:
        digest = partial(blake2b, digest_size=8, key=str(seed).encode())
        drawn = b"".join(digest(n.encode()).digest() for n in _names(rows, schema))
        is_test = np.frombuffer(drawn, dtype=">u8") < split.test_size * 2**64
        train, test = rows[~is_test], rows[is_test]
    if train.empty or test.empty:
        found = f"{len(train)} training and {len(test)} test rows of {len(rows)}"
        advice = "expected some of each: bring more rows, or change test_size or seed"
        raise DataError(f"{CONFIG_KEY}: {found}; {advice}")
    return train, test


def train_end(times: pd.DataFrame, start: int, gap: float) -> int:
    """Return where the training rows end before test rows from ``start`` on: those are
    more than ``gap`` days later, or units of the first column where it is a number."""
    if not gap:
        return start
    first = times.iloc[:, 0]
    margin = pd.Timedelta(days=gap) if is_datetime64_any_dtype(first) else gap
    return int((first.isna() | (first < first.iloc[start] - margin)).sum())


def later_than(moment: Sequence[Any], times: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are later than a moment, a value for each column, in order."""
    later = pd.Series(False, times.index)
    for name, value in reversed(list(zip(times, moment, strict=True))):
        later = (times[name] > value) | ((times[name] == value) & later)
    return later


def _names(rows: pd.DataFrame, schema: DataSchema) -> Column:
    """Return what tells a row from the others: its group, if it has one, else what it
    holds, and how many that hold the same come before it."""
    columns = sorted([*schema.features, schema.target])
    texts = (as_text(rows[column]).fillna("") for column in columns)
    names = pd.Series(list(map("\x1f".join, zip(*texts, strict=True))), rows.index)
    names += "\x1f" + names.groupby(names).cumcount().astype("str")
    if schema.group_column is None:
        return names
    return as_text(rows[schema.group_column]).fillna(names)

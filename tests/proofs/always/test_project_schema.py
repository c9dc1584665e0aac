"""Values of columns, in more detail."""

from typing import Any

import numpy as np
import pandas as pd

from src.data.columns import convert
from src.data.schema import ColumnType


def read(values: list[Any], kind: ColumnType, date_format: str | None = None) -> Any:
    """Return the values as the type given, missing ones as None."""
    column = convert(pd.Series(values, dtype="object"), kind, date_format)
    return [None if pd.isna(value) else value for value in column]


def test_numbers_are_read_exactly_as_they_were_written() -> None:
    numbers = (np.random.default_rng(0).normal(size=1000) * 1e-7).tolist()
    assert read([repr(number) for number in numbers], "number") == numbers


def test_dates_become_utc_and_may_have_a_format() -> None:
    found = read(["2024-02-01T01:00:00+02:00", "9999-12-31", "x"], "date")
    expected = [pd.Timestamp("2024-01-31 23:00:00"), pd.Timestamp("9999-12-31"), None]
    assert found == expected
    assert read(["01/02/2024"], "date", "%d/%m/%Y") == [pd.Timestamp("2024-02-01")]

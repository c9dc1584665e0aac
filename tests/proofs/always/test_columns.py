"""Values are read as the types of the schema; the example row."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.columns import example_row, to_schema_types
from src.data.schema import DataSchema


def schema_of(**columns: dict[str, Any]) -> DataSchema:
    """Return a schema of the columns given, with a feature and a target added."""
    added = {"x": {"type": "number"}, "y": {"type": "category", "role": "target"}}
    return DataSchema.model_validate({"name": "test", "columns": columns | added})


def coerced(values: list[Any], **column: Any) -> list[Any]:
    """Return values as they are read in a column of the schema given."""
    frame = pd.DataFrame({"c": pd.Series(values, dtype="object")})
    return to_schema_types(frame, schema_of(c=column))["c"].tolist()


def test_numbers_are_read_exactly_as_they_were_written() -> None:
    numbers = np.random.default_rng(0).normal(size=1000) * 1e-7
    texts = [repr(float(number)) for number in numbers]
    assert coerced(texts, type="number") == numbers.tolist()


@pytest.mark.parametrize("value", ["abc", "1,5", "1_0", "0x1A", "inf", None, "NA", ""])
def test_what_is_no_number_becomes_missing(value: str | None) -> None:
    assert np.isnan(coerced(["1", value], type="number")[1])


@pytest.mark.parametrize("true, false", [("yes", "no"), ("TRUE", "False"), (1, 0)])
def test_booleans_are_one_and_zero_in_every_spelling(true: Any, false: Any) -> None:
    result = coerced([true, false, None, "perhaps"], type="boolean")
    assert result[:2] == [1.0, 0.0]
    assert np.isnan(result[2:]).all()


def test_codes_are_labels_however_they_arrive() -> None:
    assert coerced([3, 3.0, " 3 ", "03"], type="category") == ["3", "3", "3", "03"]


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        (pd.Series([1, 2]), "number", [1.0, 2.0]),
        (pd.Series([True, False]), "number", [1.0, 0.0]),
        (pd.Series([True, None], dtype="boolean"), "boolean", [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), "number", [1.0, None]),
        (pd.Series([np.inf, 0.5]), "number", [None, 0.5]),
        (pd.Series(["a", None], dtype="category"), "category", ["a", None]),
        (
            pd.Series(pd.to_datetime(["2024-01-01T01:00:00+01:00", None])),
            "date",
            [pd.Timestamp("2024-01-01"), None],
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01"])),
            "category",
            ["2024-01-01T00:00:00"],
        ),
        (pd.Series([20240101]), "number", [20240101.0]),
    ],
)
def test_typed_columns_of_parquet_files_are_read_like_text(
    values: "pd.Series[Any]", kind: str, expected: list[Any]
) -> None:
    result = to_schema_types(pd.DataFrame({"c": values}), schema_of(c={"type": kind}))[
        "c"
    ]
    assert [None if pd.isna(value) else value for value in result] == expected


def test_none_is_an_answer_in_a_category() -> None:
    result = coerced(["None", "NA", "?"], type="category")
    assert result[0] == "None"
    assert pd.isna(result[1:]).all()


def test_dates_become_utc_in_the_format_of_the_schema() -> None:
    iso = coerced(["2024-02-01T01:00:00+02:00", "9999-12-31", "x"], type="date")
    assert iso[0] == pd.Timestamp("2024-01-31 23:00:00")
    assert iso[1].year == 9999
    assert pd.isna(iso[2])
    local = coerced(["01/02/2024"], type="date", format="%d/%m/%Y")
    assert local == [pd.Timestamp("2024-02-01")]


def test_a_row_is_read_the_same_alone_and_among_others() -> None:
    values = ["1", "2.5", "x", None, "007"]
    for kind in ("number", "category", "boolean", "date"):
        together = pd.Series(coerced(values, type=kind))
        alone = pd.Series([coerced([value], type=kind)[0] for value in values])
        assert together.astype("str").equals(alone.astype("str"))


def test_columns_come_in_the_order_of_the_schema_without_unknown_ones() -> None:
    schema = schema_of(c={"type": "date"})
    frame = pd.DataFrame({"y": ["a"], "other": [1], "c": ["2024-01-01"]}, index=[7])
    result = to_schema_types(frame, schema)
    assert list(result.columns) == ["c", "y"]
    assert result.index.tolist() == [7]


COLUMNS = {
    "age": {"type": "integer"},
    "income": {"type": "number"},
    "city": {"type": "category"},
    "member": {"type": "boolean"},
    "since": {"type": "date"},
    "until": {"type": "date", "format": "%d.%m.%Y"},
    "empty": {"type": "number", "max_missing": 1},
    "y": {"type": "category", "role": "target"},
}
SCHEMA = DataSchema.model_validate({"name": "rows", "columns": COLUMNS})
DAYS = pd.to_datetime(["2024-03-01", None, "2020-01-01", "2022-02-02"])
ROWS = pd.DataFrame(
    {
        "age": pd.Series([20, 31, None, 90], dtype="Int64"),
        "income": [1.5, 2.5, None, 9.0],
        "city": ["Oslo", "Lima", "Oslo", None],
        "member": pd.Series([True, True, False, None], dtype="boolean"),
        "since": DAYS,
        "until": DAYS,
        "empty": [float("nan")] * 4,
        "y": ["a", "b", "a", "b"],
    }
)


def test_each_feature_has_its_middle_or_most_frequent_value_as_json_has_it() -> None:
    found = example_row(ROWS, SCHEMA)

    assert found == {
        "age": 31,
        "income": 2.5,
        "city": "Oslo",
        "member": True,
        "since": "2022-02-02T00:00:00",
        "until": "02.02.2022",
        "empty": None,
    }
    assert [type(found[name]) for name in ("age", "member")] == [int, bool]


def test_an_integer_is_whole_even_if_the_median_lies_between_two() -> None:
    found = example_row(ROWS.iloc[:2], SCHEMA)

    assert found["age"] in (25, 26)
    assert isinstance(found["age"], int)

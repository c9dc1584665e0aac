"""The example row of a data set, from typed columns of every kind."""

import pandas as pd

from src.data.columns import example_row
from src.data.schema import DataSchema

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

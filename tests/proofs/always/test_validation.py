"""Data that break the contract, and what happens to them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.schema import DataSchema
from src.data.validation import find_violations, validate
from src.utils.errors import DataError
from tests.conftest import ProjectMaker


def schema_with(**column: Any) -> DataSchema:
    """Return a schema whose column ``my col`` has the rules given."""
    columns = {
        "my col": column,
        "x": {"type": "number", "max_missing": 1.0},
        "y": {"type": "category", "role": "target", "values": ["a", "b"]},
    }
    return DataSchema.model_validate({"name": "test", "columns": columns})


def rows_with(*values: Any) -> pd.DataFrame:
    """Return rows that are valid, except perhaps in ``my col``."""
    count = len(values)
    content = {"my col": list(values), "x": ["1"] * count, "y": ["a"] * count}
    return pd.DataFrame(content, dtype="str")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file that the rows are said to come from."""
    (tmp_path / "rows.csv").touch()
    return tmp_path / "rows.csv"


@pytest.mark.parametrize(
    "rules, value, rule",
    [
        ({"type": "number"}, "abc", "type number"),
        ({"type": "boolean"}, "perhaps", "type boolean"),
        ({"type": "date", "format": "%d.%m.%Y"}, "2024-12-31", "type date"),
        ({"type": "integer"}, "1.5", "type integer, no fractions"),
        ({"type": "integer"}, "-1e16", "type integer, up to 9007199254740992"),
        ({"type": "number", "min": 0}, "-0.1", "min 0"),
        ({"type": "number", "max": 10}, "10.1", "max 10"),
        ({"type": "date", "min": "2024-01-01"}, "2023-12-31", "min 2024-01-01"),
        ({"type": "category", "values": ["1", "p"]}, "q", "values ['1', 'p']"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_with_its_row(
    rules: dict[str, Any], value: str, rule: str
) -> None:
    schema = schema_with(**rules, max_missing=0.9)
    (violation,) = find_violations(rows_with(None, "", value), schema)
    assert (violation.column, violation.count) == ("my col", 1)
    assert violation.rule.startswith(rule)
    assert violation.examples == [{"row": 3, "value": value}]


@pytest.mark.parametrize(
    "rules, values",
    [
        ({"type": "number", "min": 0, "max": 1}, ["0", "1", "0.5"]),
        ({"type": "integer"}, ["1", "2.0", "None"]),
        ({"type": "category", "values": ["1"]}, ["1", " 1 ", None]),
        ({"type": "category", "unique": True}, ["p", "q", None, None]),
    ],
)
def test_values_at_the_limits_keep_the_contract(
    rules: dict[str, Any], values: list[Any]
) -> None:
    schema = schema_with(**rules, max_missing=0.5)
    assert find_violations(rows_with(*values), schema) == []


def test_values_that_occur_twice_break_uniqueness_from_the_second_on() -> None:
    schema = schema_with(type="category", unique=True)
    (violation,) = find_violations(rows_with("p", "q", "p", "p"), schema)
    assert (violation.rule, violation.count) == ("unique", 2)
    assert [example["row"] for example in violation.examples] == [3, 4]


def test_an_absent_column_is_a_violation_unless_nothing_uses_it() -> None:
    rows = rows_with("1").drop(columns="my col")
    (violation,) = find_violations(rows, schema_with(type="number"))
    assert violation.rule == "presence: the column is absent"
    ignored = schema_with(type="number", role="ignored")
    assert find_violations(rows, ignored) == []


def test_more_gaps_than_allowed_break_the_rule_of_the_column() -> None:
    rows = rows_with("1", None, "?", "4")
    (violation,) = find_violations(rows, schema_with(type="number", min=0))
    assert violation.rule == "max_missing 0.0 (found 0.500)"
    assert violation.count == 2


def test_unknown_classes_of_the_target_are_violations() -> None:
    rows = rows_with("1").assign(y="c")
    (violation,) = find_violations(rows, schema_with(type="number"))
    assert (violation.column, violation.examples[0]["value"]) == ("y", "c")


def test_a_long_list_of_violations_is_cut(
    path: Path, make_project: ProjectMaker
) -> None:
    columns = {f"c{n}": {"type": "number", "max": 0} for n in range(9)}
    target = {"y": {"type": "category", "role": "target"}}
    schema = DataSchema.model_validate({"name": "test", "columns": columns | target})
    rows = pd.DataFrame({name: ["1", "1"] for name in schema.columns}, dtype="str")
    with pytest.raises(DataError, match="9 broken rules: column 'c0'") as error:
        validate(path, rows, schema, make_project(rows=1))
    assert "column 'c4'" in str(error.value) and "column 'c5'" not in str(error.value)

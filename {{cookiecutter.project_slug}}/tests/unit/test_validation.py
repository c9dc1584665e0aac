"""Data that break the contract, and what happens to them."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.schema import DataSchema
from src.data.validation import (
    REPORT_NAME,
    Violation,
    enforce,
    find_violations,
    validate_file,
)
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


@pytest.mark.parametrize(
    "rules, value, rule",
    [
        ({"type": "number"}, "abc", "type number"),
        ({"type": "number"}, "inf", "type number"),
        ({"type": "boolean"}, "perhaps", "type boolean"),
        ({"type": "date"}, "31.12.2024", "type date"),
        ({"type": "date", "format": "%d.%m.%Y"}, "2024-12-31", "type date"),
        ({"type": "integer"}, "1.5", "type integer, no fractions"),
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
    (violation,) = find_violations(rows_with(None, "", value), schema, max_examples=5)
    assert violation.column == "my col"
    assert violation.rule.startswith(rule)
    assert violation.count == 1
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
    assert find_violations(rows_with(*values), schema, max_examples=5) == []


def test_values_that_occur_twice_break_uniqueness_from_the_second_on() -> None:
    schema = schema_with(type="category", unique=True)
    rows = rows_with("p", "q", "p", "p")
    (violation,) = find_violations(rows, schema, max_examples=1)
    assert (violation.rule, violation.count) == ("unique", 2)
    assert violation.examples == [{"row": 3, "value": "p"}]


def test_too_many_missing_values_are_the_fault_of_the_column() -> None:
    schema = schema_with(type="number", max_missing=0.25)
    (violation,) = find_violations(rows_with("1", None, "?", "4"), schema, 5)
    assert violation.rule == "max_missing 0.25 (found 0.500)"
    assert (violation.count, violation.rows) == (2, [])


def test_an_absent_column_is_a_violation_unless_nothing_uses_it() -> None:
    rows = rows_with("1").drop(columns="my col")
    (violation,) = find_violations(rows, schema_with(type="number"), max_examples=5)
    assert violation.rule == "presence: the column is absent"
    ignored = schema_with(type="number", role="ignored")
    assert find_violations(rows, ignored, max_examples=5) == []


def test_unknown_classes_of_the_target_are_violations() -> None:
    rows = rows_with("1").assign(y="c")
    (violation,) = find_violations(rows, schema_with(type="number"), max_examples=5)
    assert (violation.column, violation.examples[0]["value"]) == ("y", "c")


def test_failing_says_everything_in_one_line() -> None:
    schema = schema_with(type="number", min=0)
    rows = rows_with("-1", "-2", "-3", "x")
    violations = find_violations(rows, schema, max_examples=2)
    with pytest.raises(DataError) as caught:
        enforce(rows, schema, violations, "fail")
    message = str(caught.value)
    assert "column 'my col' breaks min 0 in 3 rows (row 1 '-1', row 2 '-2')" in message
    assert "column 'my col' breaks type number in 1 rows (row 4 'x')" in message
    assert "\n" not in message


def test_a_long_list_of_violations_is_cut() -> None:
    violations = [Violation(f"c{n}", "max 1", 1, [], [0]) for n in range(9)]
    with pytest.raises(DataError, match="and 4 more; correct"):
        enforce(rows_with("1"), schema_with(type="number"), violations, "fail")


def test_quarantine_sets_aside_exactly_the_offending_rows() -> None:
    schema = schema_with(type="number", min=0)
    rows = rows_with("1", "-1", "2", "x").assign(y=["a", "z", "b", "a"])
    violations = find_violations(rows, schema, max_examples=5)
    checked = enforce(rows, schema, violations, "quarantine")
    assert checked.frame["my col"].tolist() == [1.0, 2.0]
    assert checked.quarantined["row"].tolist() == [2, 4]
    reasons = "my col: min 0; y: values ['a', 'b']"
    assert sorted(checked.quarantined["violations"].iloc[0].split("; ")) == sorted(
        reasons.split("; ")
    )
    assert checked.quarantined["my col"].tolist() == ["-1", "x"]


def test_quarantine_cannot_mend_a_column_as_a_whole() -> None:
    schema = schema_with(type="number")
    rows = rows_with("1", None)
    with pytest.raises(DataError, match="max_missing"):
        enforce(rows, schema, find_violations(rows, schema, 5), "quarantine")


def test_quarantine_of_every_row_is_a_failure() -> None:
    schema = schema_with(type="number", max=0)
    rows = rows_with("1", "2")
    with pytest.raises(DataError, match="no row keeps the data schema"):
        enforce(rows, schema, find_violations(rows, schema, 5), "quarantine")


def test_report_is_written_also_when_validation_fails(
    make_project: ProjectMaker, tmp_path: Path
) -> None:
    settings = make_project()
    path, rows = tmp_path / "rows.csv", rows_with("-1")
    rows.to_csv(path, index=False)
    with pytest.raises(DataError, match="rows.csv: column 'my col' breaks min 0"):
        validate_file(path, rows, schema_with(type="number", min=0), settings)
    report = json.loads((settings.paths.reports / REPORT_NAME).read_text())
    assert report["valid"] is False
    assert report["violations"] == [
        {
            "column": "my col",
            "rule": "min 0",
            "count": 1,
            "examples": [{"row": 1, "value": "-1"}],
        }
    ]

"""Data that break the contract, and what happens to them."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.schema import DataSchema
from src.data.validation import REPORT_NAME, find_violations, validate
from src.utils.errors import DataError
from tests.conftest import ProjectMaker


def schema_with(**column: Any) -> DataSchema:
    """Return a schema whose column ``c`` has the rules given."""
    target = {"type": "category", "role": "target", "values": ["a", "b"]}
    columns = {"c": column, "y": target}
    return DataSchema.model_validate({"name": "test", "columns": columns})


@pytest.mark.parametrize(
    "rules, value, rule",
    [
        ({"type": "number"}, "abc", "type number"),
        ({"type": "date", "format": "%d.%m.%Y"}, "2024-12-31", "type date"),
        ({"type": "number", "min": 0}, "-0.1", "min 0"),
        ({"type": "date", "min": "2024-01-01"}, "2023-12-31", "min 2024-01-01"),
        ({"type": "category", "values": ["1", "p"]}, "q", "values ['1', 'p']"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_with_its_row(
    rules: dict[str, Any], value: str, rule: str
) -> None:
    rows = pd.DataFrame({"c": [None, "", value], "y": "a"}, dtype="str")
    (found,) = find_violations(rows, schema_with(**rules, max_missing=0.9))
    assert (found.column, found.count) == ("c", 1)
    assert found.rule.startswith(rule)
    assert found.examples == [{"row": 3, "value": value}]


def test_failing_says_all_in_one_line_and_writes_the_report(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(rows=1)
    rows = pd.DataFrame({"c": ["-1", "-2", "3", "x", "0"], "y": "a"}, dtype="str")
    source, schema = Path(settings.data.source), schema_with(type="number", min=0)
    with pytest.raises(DataError, match=r"^.*source\.csv: .*correct the data.*$") as e:
        validate(source, rows, schema, settings)
    assert "column 'c' breaks min 0 in 2 rows (row 1 '-1', row 2 '-2')" in str(e.value)
    assert "column 'c' breaks type number in 1 rows (row 4 'x')" in str(e.value)
    report = json.loads((settings.paths.reports / REPORT_NAME).read_text())
    assert (report["rows"], report["valid"]) == (5, False)
    example = {"row": 4, "value": "x"}
    expected = {"column": "c", "rule": "type number", "count": 1, "examples": [example]}
    assert report["violations"][0] == expected

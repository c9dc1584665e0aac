"""The data contract, values by its types, and data that break it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.columns import convert
from src.data.schema import ColumnSchema, DataSchema, load_schema, write_schema
from src.data.validation import REPORT_NAME, find_violations, validate
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker


def schema_of(**columns: dict[str, Any]) -> DataSchema:
    """Return a schema of the columns given, with a feature and a target added."""
    added = {"x": {"type": "number"}, "y": {"type": "category", "role": "target"}}
    return DataSchema.model_validate({"name": "test", "columns": columns | added})


def test_a_written_schema_reads_back_the_same(tmp_path: Path) -> None:
    schema = schema_of(
        **{
            'na"me: ünï, 日本 | {x}': {"type": "integer", "min": 0, "max": 2.5},
            "yes": {"type": "date", "min": "2020-01-01", "format": "%Y"},
            "2020": {"type": "category", "values": ["no", "1", "~", "a: b"]},
        }
    )
    write_schema(schema, tmp_path / "schema.yaml")
    assert load_schema(tmp_path / "schema.yaml") == schema


@pytest.mark.parametrize(
    "column, problem",
    [
        ("{type: float}", "columns.c.type: found 'float', expected 'integer'"),
        ("{type: number, mim: 0}", "columns.c.mim: unknown key"),
        ("{type: number, role: target}", "one column with role target is needed"),
    ],
)
def test_a_faulty_schema_is_refused_in_one_line(
    column: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "schema.yaml"
    target = "y: {type: category, role: target}"
    path.write_text(f"name: test\ncolumns:\n  c: {column}\n  {target}")
    with pytest.raises(ConfigError, match=f"^{path}: .*{problem}.*$"):
        load_schema(path)


def test_schema_and_settings_must_agree_on_the_target(
    make_project: ProjectMaker,
) -> None:
    for task, target in (("classification", "z"), ("regression", "y")):
        settings = make_project(task, data={"target": target})
        write_schema(schema_of(), settings.data.schema_path)
        problem = f"target 'y' of type category, expected '{target}' .* task {task}"
        with pytest.raises(ConfigError, match=problem):
            load_schema(settings.data.schema_path, settings)


def read(values: list[Any], **rules: Any) -> Any:
    """Return the values as a column of the schema has them, missing ones as None."""
    column = convert(pd.Series(values, dtype="object"), ColumnSchema(**rules))
    return [None if pd.isna(value) else value for value in column]


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        (["1", " 2.5 ", "1e3", 3, True], "number", [1.0, 2.5, 1000.0, 3.0, None]),
        (["abc", "1,5", "1_0", "0x1A", "1e999", "NA", ""], "number", [None] * 7),
        (["yes", "F", "1.0", 0, "perhaps"], "boolean", [1.0, 0.0, 1.0, 0.0, None]),
        ([3, 3.0, " 3 ", "03", 4.5], "category", ["3", "3", "3", "03", "4.5"]),
        (["None", "NA", "?", None], "category", ["None", None, None, None]),
    ],
)
def test_values_are_read_as_the_type_or_are_missing(
    values: list[Any], kind: str, expected: list[Any]
) -> None:
    assert read(values, type=kind) == expected


def test_numbers_are_read_as_their_column_writes_them() -> None:
    texts = ["1.234,50 €", "(2)", "-3,5", "1.5", "k. A."]
    found = read(texts, type="number", format="1.234,5 €", missing=["k. A."])
    assert found == [1234.5, -2.0, -3.5, None, None]


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
    rows = pd.DataFrame({"c": [None, "", value], "x": "1", "y": "a"}, dtype="str")
    (found,) = find_violations(rows, schema_of(c=rules | {"max_missing": 0.9}))
    assert (found.column, found.count) == ("c", 1)
    assert found.rule.startswith(rule)
    assert found.examples == [{"row": 3, "value": value}]


def test_failing_says_all_in_one_line_and_writes_the_report(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(rows=1)
    rows = pd.DataFrame({"c": "-1 -2 3 x 0".split(), "x": "1", "y": "a"}, dtype="str")
    schema = schema_of(c={"type": "number", "min": 0})
    source = Path(settings.data.source)
    with pytest.raises(DataError, match=r"^.*source\.csv: .*correct the data.*$") as e:
        validate(source, rows, schema, settings)
    assert "column 'c' breaks min 0 in 2 rows (row 1 '-1', row 2 '-2')" in str(e.value)
    assert "column 'c' breaks type number in 1 rows (row 4 'x')" in str(e.value)
    report = json.loads((settings.paths.reports / REPORT_NAME).read_text())
    assert (report["rows"], report["valid"]) == (5, False)
    example = {"row": 4, "value": "x"}
    expected = {"column": "c", "rule": "type number", "count": 1, "examples": [example]}
    assert report["violations"][0] == expected

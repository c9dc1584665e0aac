"""The data contract, and values by its types."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.columns import convert
from src.data.schema import ColumnType, DataSchema, load_schema, write_schema
from src.utils.errors import ConfigError
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


def read(values: list[Any], kind: ColumnType, date_format: str | None = None) -> Any:
    """Return the values as the type given, missing ones as None."""
    column = convert(pd.Series(values, dtype="object"), kind, date_format)
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
    values: list[Any], kind: ColumnType, expected: list[Any]
) -> None:
    assert read(values, kind) == expected

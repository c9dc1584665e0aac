"""The data contract, read and written."""

from pathlib import Path
from typing import Any

import pytest

from src.data.schema import DataSchema, load_schema, write_schema
from src.utils.errors import ConfigError


def schema_of(**columns: dict[str, Any]) -> DataSchema:
    """Return a schema of the columns given, with a feature and a target added."""
    added = {"x": {"type": "number"}, "y": {"type": "category", "role": "target"}}
    return DataSchema.model_validate({"name": "test", "columns": columns | added})


@pytest.mark.parametrize(
    "column, problem",
    [
        ({"type": "float"}, "columns.c.type: found 'float', expected 'integer'"),
        ({"type": "number", "mim": 0}, "columns.c.mim: unknown key"),
        ({"type": "number", "values": ["a"]}, "columns.c: values is for type category"),
        ({"type": "category", "min": 0}, "columns.c: limit 0 does not fit type cat"),
        ({"type": "date", "min": 0}, "columns.c: limit 0 does not fit type date"),
        ({"type": "number", "format": "d"}, "columns.c: format 'd': expected the number 1234.5"),
        ({"type": "number", "role": "target"}, "one column with role target"),
    ],
)
def test_a_faulty_schema_is_refused_in_one_line(
    column: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "schema.yaml"
    write_schema(schema_of(c={"type": "number"}), path)
    content = path.read_text(encoding="utf-8")
    lines = "\n".join(f"    {key}: {value}" for key, value in column.items())
    path.write_text(content.replace("  c:\n    type: number", f"  c:\n{lines}"))
    with pytest.raises(ConfigError, match=str(path)) as caught:
        load_schema(path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, problem",
    [
        ("sensitive: [z]\ncolumns: {x: {type: number}}", "one column with role target"),
        ("columns: {y: {type: date, role: target}}", "at least one column"),
        (
            "sensitive: [z]\ncolumns: {x: {type: date}, y: {type: date, role: target}}",
            "columns that do not exist are named: ['z']",
        ),
    ],
)
def test_a_schema_must_make_sense_as_a_whole(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(f"name: test\n{content}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_schema(path)
    assert problem in str(caught.value)


def test_a_missing_schema_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run `make data`"):
        load_schema(tmp_path / "schema.yaml")

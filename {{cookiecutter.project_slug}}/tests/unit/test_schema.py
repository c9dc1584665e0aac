"""The data contract: written, inferred, applied to values, broken by data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.detect_columns import Found, detect
from scripts.infer_schema import infer_schema
from src.data.columns import convert
from src.data.schema import ColumnSchema, DataSchema, load_schema, write_schema
from src.data.validation import REPORT_NAME, find_violations, validate
from src.evaluation.leaks import strength
from src.utils.config import Task
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker

ROWS = 60


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


def frame_with(target: Any = None, **columns: Any) -> pd.DataFrame:
    """Return rows as a CSV file gives them: text, with a feature and a target."""
    rng = np.random.default_rng(0)
    content = {"x": rng.normal(size=ROWS).round(3)} | columns
    content["y"] = ["a", "b", "c"] * (ROWS // 3) if target is None else target
    frame = pd.DataFrame(content).astype("object")
    return frame.where(frame.notna(), None).astype("str")


def infer(frame: pd.DataFrame, task: Task = "classification") -> DataSchema:
    """Return the schema inferred for the target ``y``."""
    return infer_schema(frame, "y", "test", task)


@pytest.mark.parametrize(
    "values, expected",
    [
        (["1", "-2", "None"], Found("integer")),
        (["00501", "12345"], Found("category")),
        (["yes", "NO", None], Found("boolean")),
        (["2024-01-31T10:00:00Z", "2024-02-01 10:00"], Found("date")),
        (["$1,234.50", "($5)", "$.5"], Found("number", "$1,234.5")),
        (["1.234,5 €", "-2,25 €"], Found("number", "1.234,5 €")),
        (["1.5", "2", "-", "-"], Found("number", missing=["-"])),
    ],
)
def test_how_a_column_is_written_is_found(values: Any, expected: Found) -> None:
    assert detect(pd.Series(values, dtype="str")) == expected


@pytest.mark.parametrize(
    "values, told",
    [
        (["1.5", "2", "3", "soon"], "75 % are numbers, but not 'soon' (row 4)"),
        (["01/02/2024", "03/04/2024"], "Could also be written as %m/%d/%Y"),
        (["2.338", "878"], "Could also be written as 1.234,5"),
        (["7", "007"], "Codes, as in '007'"),
    ],
)
def test_what_is_doubtful_is_told(values: list[str], told: str) -> None:
    assert told in detect(pd.Series(values, dtype="str")).check


@pytest.mark.parametrize(
    "values, reason",
    [
        (["same"] * ROWS, "every row holds 'same'"),
        ([None] * ROWS, "holds no value"),
        (range(5, 5 + ROWS), "numbers the rows"),
        ([f"name {n}" for n in range(ROWS)], "like an identifier"),
        ([10 ** (n % 3) for n in range(ROWS)], "gives the target away"),
    ],
)
def test_columns_that_do_not_help_are_ignored_with_the_reason(
    values: Any, reason: str
) -> None:
    column = infer(frame_with(c=values)).columns["c"]
    assert column.role == "ignored"
    assert reason in column.description


def test_classes_that_differ_in_case_alone_are_told() -> None:
    told = infer(frame_with(target=["Yes", "yes", "no"] * (ROWS // 3))).columns["y"]
    assert "['Yes', 'yes'] are classes of their own" in told.check


@pytest.mark.parametrize(
    "target, task, problem",
    [
        (np.arange(ROWS) / 7, "classification", "60 distinct values in 60 rows"),
        (["yes", "no"] * (ROWS // 2), "regression", "no numbers, such as 'yes'"),
    ],
)
def test_a_target_that_does_not_suit_the_task_is_refused(
    target: Any, task: Task, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        infer(frame_with(target=target), task)


RANDOM = np.random.default_rng(0)
IS_YES = RANDOM.random(400) < 0.3
LABELS = pd.Series(np.where(IS_YES, "yes", "no"))
NOISE = pd.Series(RANDOM.normal(size=400))


@pytest.mark.parametrize(
    ("column", "gives_away"),
    [
        (NOISE + 9 * IS_YES, True),
        (NOISE.where(IS_YES), True),  # by what is missing
        (pd.Series([f"{label}{n % 9}" for n, label in enumerate(LABELS)]), True),
        (NOISE + 2 * IS_YES, False),  # honest
        (NOISE, False),
    ],
)
def test_a_column_that_alone_tells_the_classes_is_found(
    column: "pd.Series[Any]", gives_away: bool
) -> None:
    assert (strength(column, LABELS, "classification") >= 0.99) is gives_away

"""Rows: what a request may hold, and how what it may not is named."""

import json
import re
from datetime import datetime
from typing import Any

import pytest

from src.data.marks import MISSING_MARKS
from src.data.schema import ColumnSchema, DataSchema
from src.serving.rows import InvalidRequest, Problem, RowReader, UnknownCategories

COLUMNS: dict[str, dict[str, Any]] = {
    "income": {"type": "number", "max_missing": 0.2, "description": "A year's."},
    "age": {"type": "integer", "min": 18, "max": 79},
    "city": {"type": "category", "max_missing": 0.2, "values": ["Lima", "Oslo"]},
    "size": {"type": "category"},
    "member": {"type": "boolean"},
    "since": {"type": "date", "min": "2024-01-01", "max": "2024-12-31"},
    "note": {"type": "category", "role": "ignored", "max_missing": 1.0},
    "y": {"type": "number", "role": "target"},
}
SCHEMA = DataSchema.model_validate({"name": "rows", "columns": COLUMNS})
ROW = {
    "income": 61.5,
    "age": 40,
    "city": "Oslo",
    "size": "L",
    "member": True,
    "since": "2024-05-01",
}


def read(body: Any, unknown: UnknownCategories = "answer") -> list[dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RowReader(SCHEMA, unknown, max_rows=3).read(content)


def problems(body: Any, unknown: UnknownCategories = "answer") -> list[Problem]:
    with pytest.raises(InvalidRequest) as refused:
        read(body, unknown)
    return refused.value.problems


def test_one_row_and_many_are_read_alike() -> None:
    wanted = {**ROW, "since": datetime(2024, 5, 1)}
    assert read(ROW) == [wanted]
    assert read([ROW, ROW]) == [wanted, wanted]
    assert read(b" \n" + json.dumps([ROW]).encode()) == [wanted]


@pytest.mark.parametrize(
    ("column", "value", "read_as"),
    [
        ("age", 40.0, 40),
        ("income", 3, 3.0),
        ("city", " Oslo\t", "Oslo"),
        ("city", "NA", None),
        ("city", None, None),
        ("city", "None", "None"),
        ("size", 3, "3"),
        ("size", 3.0, "3"),
        ("size", 2.5, "2.5"),
        ("size", " 3 ", "3"),
        ("member", "Yes", True),
        ("member", 0, False),
        ("member", "1.0", True),
        ("since", "2024-05-01T01:00:00+02:00", datetime(2024, 4, 30, 23)),
        ("since", "2024-05-01 10:30", datetime(2024, 5, 1, 10, 30)),
    ],
)
def test_values_are_read_as_the_data_are(
    column: str, value: Any, read_as: object
) -> None:
    assert read({**ROW, column: value})[0][column] == read_as


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("age", value) for value in (17, 80, 40.5, "40", True, None, 1e400, [40])],
        *[("income", value) for value in ([1], True, "1", 1e39, 10**400, float("nan"))],
        *[("city", value) for value in ([1], True, {}, 1e400)],
        *[("size", value) for value in (None, "", " ? ")],
        *[("member", value) for value in ("perhaps", 2, None, "", 0.5)],
        *[("since", value) for value in ("soon", None, "2024-W18-3", "2024-02-30")],
        *[("since", value) for value in ("2023-12-31", "2025-01-01", True, "")],
        ("agee", 40),
    ],
)
def test_a_wrong_value_is_refused_with_its_column(column: str, value: Any) -> None:
    (problem,) = problems({**ROW, column: value})
    assert problem["column"] == column
    assert "row" not in problem
    (problem,) = problems([ROW, {**ROW, column: value}])
    assert (problem["row"], problem["column"]) == (1, column)


def test_every_wrong_value_is_named() -> None:
    wrong = {**ROW, "age": 17, "member": "perhaps", "more": 1, "size": [1]}
    del wrong["since"]
    named = [(p["row"], p["column"]) for p in problems([wrong, {**ROW, "age": "x"}])]
    wanted = [(0, n) for n in ("age", "size", "member", "since", "more")]
    assert named == [*wanted, (1, "age")]


def test_a_problem_says_the_rule_and_what_was_found() -> None:
    (problem,) = problems({**ROW, "age": 17})
    rule = "Input should be greater than or equal to 18"
    assert problem == {"column": "age", "problem": rule, "found": "17"}
    row = {name: value for name, value in ROW.items() if name != "member"}
    assert problems(row) == [{"column": "member", "problem": "Field required"}]


def test_columns_that_may_be_empty_may_be_left_out() -> None:
    row = {name: value for name, value in ROW.items() if name not in ("income", "city")}
    assert read(row) == read({**row, "income": None, "city": None})


def test_columns_that_the_model_does_not_use_are_not_looked_at() -> None:
    assert read({**ROW, "y": "?", "note": [1]})[0]["age"] == 40


def test_an_unknown_category_is_refused_only_where_configured() -> None:
    assert read({**ROW, "city": "Rome"})[0]["city"] == "Rome"
    (problem,) = problems({**ROW, "city": "Rome"}, "refuse")
    assert problem["column"] == "city"
    assert "Lima, Oslo" in problem["problem"]
    # What may be missing may be so; where no values are listed, all are known.
    assert read({**ROW, "city": " ", "size": "new"}, "refuse")[0]["city"] is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'"x"', b"[5]", b"\xff", b"["]
)
def test_what_is_no_row_is_refused(body: bytes) -> None:
    assert problems(body)[0]["problem"]


def test_more_rows_than_allowed_are_refused() -> None:
    assert len(read([ROW] * 3)) == 3
    assert "at most 3" in problems([ROW] * 4)[0]["problem"]


def test_columns_may_have_any_name() -> None:
    names = ["class", "model_config", "a b", 'say "ä" \\ 😀 {x}', "_x", "1", "row", ""]
    columns = {name: ColumnSchema(type="number") for name in names}
    target = ColumnSchema(type="number", role="target")
    schema = DataSchema(name="odd", columns={**columns, "rows": target})
    body = json.dumps(dict.fromkeys(names, 1)).encode()
    assert RowReader(schema, "answer", 1).read(body) == [dict.fromkeys(names, 1.0)]


def test_a_format_of_dates_is_kept_to() -> None:
    column = {"type": "date", "format": "%d.%m.%Y"}
    columns = {"when": column, "y": {"type": "number", "role": "target"}}
    schema = DataSchema.model_validate({"name": "dates", "columns": columns})
    reader = RowReader(schema, "answer", 1)
    assert reader.read(b'{"when": "31.12.2023"}') == [{"when": datetime(2023, 12, 31)}]
    with pytest.raises(InvalidRequest):
        reader.read(b'{"when": "2023-12-31"}')


def test_the_json_schema_shows_the_columns() -> None:
    schema = RowReader(SCHEMA, "answer", 1).json_schema()
    properties = schema["properties"]
    assert list(properties) == list(ROW)
    assert schema["required"] == ["age", "size", "member", "since"]
    assert schema["additionalProperties"] is False
    assert properties["income"]["description"] == "A year's."
    assert properties["income"]["type"] == ["number", "null"]
    assert properties["age"] == {"type": "integer", "minimum": 18, "maximum": 79}
    assert properties["city"]["examples"] == ["Lima", "Oslo"]
    refusing = RowReader(SCHEMA, "refuse", 1).json_schema()["properties"]
    assert refusing["city"]["enum"] == ["Lima", "Oslo", None]


@pytest.mark.parametrize("text", [*MISSING_MARKS, " NA ", " ", "Nancy", "no NA", "a?"])
def test_the_json_schema_allows_a_required_text_if_it_is_read_as_one(text: str) -> None:
    properties = RowReader(SCHEMA, "answer", 1).json_schema()["properties"]
    assert "pattern" not in properties["city"]
    is_allowed = re.search(properties["size"]["pattern"], text) is not None
    try:
        read({**ROW, "size": text})
    except InvalidRequest:
        assert not is_allowed
    else:
        assert is_allowed

"""Tables: what single rows are told holds for them, in each of the three formats."""

import io
import json
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from src.data.schema import DataSchema
from src.models.encoding import CategoryCodes, Encoding, InputColumn
from src.serving import tables
from src.serving.batch import ARROW, CSV, MEDIA_TYPES, PARQUET
from src.serving.encoder import RowEncoder
from src.serving.rows import InvalidRequest, Problem, RowReader

COLUMNS: dict[str, dict[str, Any]] = {
    "income": {"type": "number", "max_missing": 1},
    "age": {"type": "integer", "min": 18, "max": 79},
    "city": {"type": "category", "max_missing": 1, "values": ["Oslo", "Lima"]},
    "member": {"type": "boolean"},
    "since": {"type": "date", "min": "2024-01-01", "max": "2024-12-31"},
    "note": {"type": "category", "role": "ignored", "max_missing": 1},
    "y": {"type": "number", "role": "target"},
}
SCHEMA = DataSchema.model_validate({"name": "rows", "columns": COLUMNS})
CITY = CategoryCodes({"Oslo": 0, "Lima": 1}, missing=2, unknown=3)
ENCODER = RowEncoder(
    Encoding(
        tuple(
            InputColumn(n, SCHEMA.columns[n].type, None, CITY if n == "city" else None)
            for n in SCHEMA.features
        )
    )
)
ROW = {
    "income": 61.5,
    "age": 40,
    "city": "Oslo",
    "member": True,
    "since": "2024-05-01T10:30:00",
}


def reader(**changes: Any) -> RowReader:
    return RowReader(SCHEMA, changes.get("unknown_categories", "answer"), 1000)


def parsed(table: pa.Table, media_type: str, max_rows: int = 1000) -> pa.Table:
    return tables.parse(tables.write(table, media_type), media_type, max_rows)


def problems_of(table: pa.Table, text: bool = False, **changes: Any) -> list[Problem]:
    with pytest.raises(InvalidRequest) as refused:
        tables.check(table, reader(**changes), text)
    return refused.value.problems


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_table_is_encoded_as_its_rows_are(media_type: str) -> None:
    rows: list[dict[str, Any]] = [
        ROW,
        {**ROW, "income": None, "city": " Lima "},
        {**ROW, "income": -1e300, "city": "Rome"} | {"income": -1e30},
        {**ROW, "city": None, "member": False, "since": "2024-02-29"},
    ]
    table = pa.Table.from_pylist(rows)
    checked = tables.check(parsed(table, media_type), reader(), media_type == CSV)
    wanted = ENCODER.encode(reader().read(json.dumps(rows).encode()))
    np.testing.assert_array_equal(ENCODER.encode_table(checked), wanted)


def test_typed_columns_are_encoded_as_their_text_is() -> None:
    moment = datetime(2024, 5, 1, 10, 30)
    table = pa.table(
        {
            "income": pa.array([61.5, float("nan")]),
            "age": pa.array([40, 40], pa.uint8()),
            "city": pa.array(["Oslo", None]).dictionary_encode(),
            "member": pa.array([1, 1]),
            "since": pa.array([moment, moment], pa.timestamp("ns", "UTC")),
        }
    )
    found = ENCODER.encode_table(tables.check(table, reader()))
    rows = reader().read(json.dumps([ROW, {**ROW, "income": None, "city": None}]).encode())
    np.testing.assert_array_equal(found, ENCODER.encode(rows))


def test_numbers_in_csv_are_read_as_the_data_are() -> None:
    body = (
        "\ufeffincome;age;city;member;since\n"
        ' +1.5 ;40;"a;b";yes;2024-05-01\nNA;40.0;;n;2024-05-01\n'
    ).encode()
    checked = tables.check(tables.parse(body, CSV, 10), reader(), text=True)
    assert checked.column("income").to_pylist() == [1.5, None]
    assert checked.column("age").to_pylist() == [40.0, 40.0]
    assert checked.column("city").to_pylist() == ["a;b", None]
    assert checked.column("member").to_pylist() == [True, False]


values = st.sampled_from
row = st.fixed_dictionaries(
    {
        "income": values([None, 1.5, -3, 1e39, float("inf")]),
        "age": values([18, 79, 17, 80, 40.5, 40.0, None]),
        "city": values(["Oslo", " Lima", "Rome", "NA", None, ""]),
        "member": values(["yes", "F", "perhaps", "", None, "1.0"]),
        "since": values(["2024-05-01", "2023-12-31", "2025-01-01", "soon", None, "?"]),
    }
)


@given(rows=st.lists(row, min_size=1, max_size=8), refuse=st.booleans())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_table_is_refused_where_its_rows_are_and_for_the_same_reasons(
    rows: list[dict[str, Any]], refuse: bool
) -> None:
    rules = RowReader(SCHEMA, "refuse" if refuse else "answer", 1000)
    wanted: set[tuple[Any, ...]] = set()
    try:
        # Not only what JSON can say: Infinity is read by pydantic, and refused.
        read = rules.read(json.dumps(rows).encode())
    except InvalidRequest as error:
        wanted = {(p["row"], p["column"], p["problem"]) for p in error.problems}
    columns = {n: pa.array([r[n] for r in rows]) for n in ("city", "member", "since")}
    numbers = {n: pa.array([r[n] for r in rows], pa.float64()) for n in ("income", "age")}
    try:
        checked = tables.check(pa.table(columns | numbers), rules)
    except InvalidRequest as error:
        found = {
            (row, p["column"], p["problem"]) for p in error.problems for row in p["rows"]
        }
        assert found == wanted
    else:
        assert not wanted
        np.testing.assert_array_equal(
            ENCODER.encode_table(checked), ENCODER.encode(read)
        )


def test_problems_are_grouped_by_column_and_rule() -> None:
    ages = [40] * 5 + [17] * 20 + [80]
    table = pa.table({**{n: [ROW[n]] * 26 for n in ROW}, "age": ages, "agee": ages})
    table = table.drop_columns("member")
    assert problems_of(table) == [
        {"column": "agee", "problem": "Extra inputs are not permitted"},
        {
            "column": "age",
            "problem": "Input should be greater than or equal to 18",
            "rows": [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            "count": 20,
        },
        {
            "column": "age",
            "problem": "Input should be less than or equal to 79",
            "rows": [25],
            "count": 1,
        },
        {"column": "member", "problem": "Field required"},
    ]


def test_a_limit_of_dates_holds_for_typed_dates() -> None:
    dates = pa.array([datetime(2024, 5, 1), datetime(2030, 1, 1)], pa.timestamp("s"))
    table = pa.table({**{n: [ROW[n]] * 2 for n in ROW}, "since": dates})
    (problem,) = problems_of(table)
    assert (problem["column"], problem["rows"]) == ("since", [1])
    assert "after 2024-12-31" in problem["problem"]


def test_a_wrong_number_in_csv_is_named() -> None:
    body = b"income,age,city,member,since\nx,40,Oslo,yes,2024-05-01\n"
    (problem,) = problems_of(tables.parse(body, CSV, 10), text=True)
    assert problem["column"] == "income"
    assert problem["problem"] == "Input should be a valid number"


@pytest.mark.parametrize(
    "column", [pa.array(["40"]), pa.array([True]), pa.array([[40]]), pa.array([b"4"])]
)
def test_what_is_no_number_is_none_in_a_table_either(column: pa.Array) -> None:
    table = pa.table({**{n: [ROW[n]] for n in ROW}, "age": column})
    assert [problem["column"] for problem in problems_of(table)] == ["age"]


def test_columns_that_the_model_does_not_use_may_be_there() -> None:
    table = pa.table({**{n: [ROW[n]] for n in ROW}, "y": ["?"], "note": [[1]]})
    assert tables.check(table, reader()).column_names == SCHEMA.features


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("body", [b"", b"PAR1", b"\xff\xfe\x00,\n\n", b"a,b\n1\n"])
def test_what_is_no_table_is_refused(media_type: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        tables.check(tables.parse(body, media_type, 10), reader(), media_type == CSV)
    assert refused.value.problems


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("rows", [0, 4])
def test_no_rows_and_more_rows_than_allowed_are_refused(
    media_type: str, rows: int
) -> None:
    table = pa.table({"age": pa.array([40] * rows, pa.int64())})
    with pytest.raises(InvalidRequest, match="1 problems") as refused:
        parsed(table, media_type, max_rows=3)
    assert refused.value.problems == [{"problem": "Input should have 1 to 3 rows"}]


def test_the_answers_are_written_in_the_format_asked_for() -> None:
    table = pa.table({"prediction": ["no"], "probability of no": [0.75]})
    assert tables.write(table, CSV) == b'"prediction","probability of no"\n"no",0.75\n'
    parquet = pyarrow.parquet.read_table(io.BytesIO(tables.write(table, PARQUET)))
    assert parquet.equals(table)
    assert pa.ipc.open_stream(tables.write(table, ARROW)).read_all().equals(table)

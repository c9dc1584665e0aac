"""Rows and tables as people write them, and what is no table at all."""

import io
from datetime import datetime

import pandas as pd
import pytest
from pydantic import ValidationError

from src.data.schema import DataSchema
from src.serving import tables
from src.serving.schemas import row_model, values_of
from tests.fixtures.serving import ROW, SCHEMA, made_up_model
from tests.fixtures.synthetic import TARGET, make_frame

ROWS = row_model(SCHEMA)
CSV = tables.CSV


def test_columns_may_be_unused_optional_or_of_any_name() -> None:
    row = {name: ROW[name] for name in ("age", "member", "signed up")}
    (read,) = values_of(ROWS.model_validate({**row, "comment": [1]}))
    assert read["income"] is read["city"] is None
    assert read["comment"] == [1] and TARGET not in read  # labels may go by a column
    names = ["class", "model_config", 'say "ä" \\ 😀 {x}', "_x", "1", ""]
    columns = {name: {"type": "number"} for name in names}
    target = {"y": {"type": "number", "role": "target"}}
    odd = DataSchema.model_validate({"name": "odd", "columns": columns | target})
    values = dict.fromkeys(names, 1.0)
    assert values_of(row_model(odd).model_validate(values)) == [values]


def test_dates_keep_to_the_format_of_their_column() -> None:
    column = {"type": "date", "format": "%d.%m.%Y", "description": "Day."}
    columns = {"when": column, "y": {"type": "number", "role": "target"}}
    schema = DataSchema.model_validate({"name": "dates", "columns": columns})
    row = row_model(schema)
    (read,) = values_of(row.model_validate({"when": "31.12.2023"}))
    assert read == {"when": datetime(2023, 12, 31)}
    with pytest.raises(ValidationError):
        row.model_validate({"when": "2023-12-31"})
    shown = row.model_json_schema()["properties"]["when"]
    assert shown["description"] == "Day. A date as %d.%m.%Y."


def predicted(body: bytes, given: str = CSV, wanted: str = CSV) -> pd.DataFrame:
    model = made_up_model()
    answer = tables.predict(body, given, wanted, model, ROWS, 2000)
    read = {
        tables.CSV: lambda: pd.read_csv(io.BytesIO(answer)),
        tables.PARQUET: lambda: pd.read_parquet(io.BytesIO(answer)),
    }
    return read[wanted]()


def written_as(frame: pd.DataFrame, media_type: str) -> bytes:
    if media_type == CSV:
        return frame.to_csv(index=False).encode()
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize("given", tables.MEDIA_TYPES)
@pytest.mark.parametrize("wanted", tables.MEDIA_TYPES)
def test_a_table_is_answered_row_by_row(given: str, wanted: str) -> None:
    frame = make_frame("classification", 1500)  # more than a chunk
    frame["signed up"] = pd.to_datetime(frame["signed up"])
    found = predicted(written_as(frame, given), given, wanted)
    assert list(found) == ["prediction", "probability of no", "probability of yes"]
    assert found["prediction"].tolist() == ["yes"] * 1500


def test_a_csv_file_may_look_as_excel_writes_it() -> None:
    text = '\ufeffage;member;signed up;city\r\n40;YES;2024-05-01;"Os\nlo"\r\n'
    assert len(predicted(text.encode())) == 1


@pytest.mark.parametrize("media_type", tables.MEDIA_TYPES)
@pytest.mark.parametrize("body", [b"", b"\xff\xff", b"age\n", b"PAR1"])
def test_what_is_no_table_is_refused(media_type: str, body: bytes) -> None:
    with pytest.raises(tables.InvalidTable) as refused:
        predicted(body, media_type)
    assert refused.value.problems[0]["loc"] == ("body",)

"""Tables of many rows: CSV and Parquet, in and out, and Excel, in."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import BaseModel, TypeAdapter, ValidationError

from src.data.reading import UNREADABLE, names_of, read_csv, read_excel
from src.serving.model import Model
from src.serving.schemas import Row, problems_of, values_of

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES = (CSV, PARQUET)
ANSWERS = {**dict(zip(MEDIA_TYPES, MEDIA_TYPES)), EXCEL: CSV}  # by what is sent
CHUNK_ROWS = 1000  # read, and predicted, at a time


@dataclass
class InvalidTable(ValueError):
    """A table cannot be predicted; ``problems`` are as ``schemas.problems_of`` says."""

    problems: list[dict[str, Any]]


def predict(
    body: bytes, given: str, wanted: str, model: Model, row: type[BaseModel], limit: int
) -> bytes:
    """Answer a table in the format ``given`` with one in the format ``wanted``;
    InvalidTable if it is none, or has no rows, more than ``limit``, or wrong values."""
    rows = TypeAdapter(list[row])  # type: ignore[valid-type]  # made at run time
    answers: list[Row] = []
    try:
        for chunk in _chunks(body, given):
            answers += model.predict(values_of(rows.validate_python(chunk)))
            if len(answers) > limit:
                break
    except ValidationError as error:
        problems = problems_of(error.errors(include_url=False))
        for problem in problems:
            number, *rest = problem["loc"]
            problem["loc"] = ("body", len(answers) + number, *rest)
        raise InvalidTable(problems) from None
    except UNREADABLE as error:
        raise _invalid(f"the body is no valid {given}: {error}") from None
    if not 0 < len(answers) <= limit:
        raise _invalid(f"1 to {limit} rows are needed")
    return _write(answers, model.classes, wanted)


def _chunks(body: bytes, media_type: str) -> Iterator[list[Any]]:
    """Yield the rows of a table; in CSV and Excel all values are text."""
    if media_type == PARQUET:
        batches = pyarrow.parquet.ParquetFile(io.BytesIO(body)).iter_batches(CHUNK_ROWS)
    else:
        table = (read_csv if media_type == CSV else read_excel)(body)
        batches = table.to_batches(CHUNK_ROWS)
    for batch in batches:
        yield batch.rename_columns(names_of(batch.schema.names)).to_pylist()


def _write(answers: list[Row], classes: Sequence[str], media_type: str) -> bytes:
    """Return the answers to the rows of a table, as a table."""
    columns = {"prediction": [answer["prediction"] for answer in answers]}
    for label in classes:
        shares = [answer["probabilities"][label] for answer in answers]
        columns[f"probability of {label}"] = shares
    table, stream = pa.table(columns), io.BytesIO()
    if media_type == PARQUET:
        pyarrow.parquet.write_table(table, stream)
    else:
        pyarrow.csv.write_csv(table, stream)
    return stream.getvalue()


def _invalid(problem: str) -> InvalidTable:
    return InvalidTable([{"loc": ("body",), "msg": problem, "type": "table"}])

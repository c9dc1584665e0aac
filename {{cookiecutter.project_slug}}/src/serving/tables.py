"""Tables of many rows: CSV, Parquet or Arrow, in and out."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import BaseModel, TypeAdapter, ValidationError

from src.serving.model import Model
from src.serving.schemas import Row, problems_of, values_of

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (CSV, PARQUET, ARROW)
CHUNK_ROWS = 1000  # read, and predicted, at a time
UNREADABLE = (pa.ArrowException, csv.Error, OSError, EOFError, UnicodeDecodeError)


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
        names, chunks = _open(body, given)
        if len(set(names)) < len(names):
            raise _invalid("each column needs a name of its own")
        for chunk in chunks:
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


def _open(body: bytes, media_type: str) -> tuple[Sequence[str], Iterator[list[Any]]]:
    """Return the columns and the rows of a table; in CSV all values are text."""
    stream = io.BytesIO(body)
    if media_type == CSV:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        header = text.readline()
        text.seek(0)
        rows = csv.DictReader(text, delimiter=max(",;\t|", key=header.count))
        return rows.fieldnames or (), iter(lambda: list(islice(rows, CHUNK_ROWS)), [])
    if media_type == PARQUET:
        file = pyarrow.parquet.ParquetFile(stream)
        names, batches = file.schema_arrow.names, file.iter_batches(CHUNK_ROWS)
    else:
        table = pa.ipc.open_stream(stream).read_all()
        table.validate(full=True)  # a wrong offset would read what it must not
        names, batches = table.column_names, table.to_batches(CHUNK_ROWS)
    return names, (batch.to_pylist() for batch in batches)


def _write(answers: list[Row], classes: Sequence[str], media_type: str) -> bytes:
    """Return the answers to the rows of a table, as a table."""
    columns = {"prediction": [answer["prediction"] for answer in answers]}
    for label in classes:
        shares = [answer["probabilities"][label] for answer in answers]
        columns[f"probability of {label}"] = shares
    table, stream = pa.table(columns), io.BytesIO()
    if media_type == PARQUET:
        pyarrow.parquet.write_table(table, stream)
    elif media_type == ARROW:
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
    else:
        pyarrow.csv.write_csv(table, stream)
    return stream.getvalue()


def _invalid(problem: str) -> InvalidTable:
    return InvalidTable([{"loc": ("body",), "msg": problem, "type": "table"}])

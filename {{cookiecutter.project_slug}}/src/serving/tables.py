"""Tables of many rows: CSV, Parquet and Arrow, checked by the rules of single rows.

Numbers and dates are checked column by column; of text, each value that occurs is
read once, by what reads it in a row.
"""

import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from pydantic_core import SchemaValidator, ValidationError

from src.data.marks import MISSING_MARKS, NONE_WORDS, NUMBER_PATTERN
from src.data.schema import ColumnSchema
from src.serving.batch import ARROW, CSV, PARQUET
from src.serving.rows import (
    InvalidRequest,
    Problem,
    RowReader,
    limits,
    problem_text,
)

MAX_ROWS_NAMED = 10
NUMBERS = ("integer", "number")
Mask = NDArray[np.bool_]


def parse(body: bytes, media_type: str, max_rows: int) -> pa.Table:
    """Return a table as it was sent.

    Args:
        body: The table.
        media_type: What it is, one of ``MEDIA_TYPES``.
        max_rows: How many rows it may have.

    Raises:
        InvalidRequest: If it is no such table, or has no rows or too many.
    """
    try:
        table = _READERS[media_type](body, max_rows)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())[:200]
        raise _refused(f"Input should be valid {media_type}: {problem}") from None
    if not 0 < table.num_rows <= max_rows:
        raise _too_many(max_rows)
    return table


def check(table: pa.Table, reader: RowReader, text: bool = False) -> pa.Table:
    """Return the features among the columns of a table, as ``encode_table`` wants them.

    Args:
        table: As somebody sent it.
        reader: The rules.
        text: Whether numbers are written as text, as in CSV.

    Returns:
        In the order of the schema, and of one chunk each: numbers as float64,
        booleans, categories as dictionaries of text without blanks around it, dates
        in UTC as timestamps in microseconds; null where a value is missing.

    Raises:
        InvalidRequest: If any value cannot be used; problems name the column, the first
            rows, counted from 0, and how many there are.
    """
    names = table.column_names
    problems = _name_problems(names, reader)
    columns: dict[str, pa.Array] = {}
    for name, check in reader.columns.items():
        column = reader.schema.columns[name]
        if names.count(name) == 1:
            values = table.column(name).combine_chunks()
        elif name not in names:
            values = pa.nulls(table.num_rows)
            if column.max_missing == 0:
                problems.append({"column": name, "problem": "Field required"})
                continue
        else:
            continue
        try:
            columns[name], found = _Column(column, check, text).read(values)
        except pa.ArrowException:  # a type that nothing can be done with
            problem = f"Input should be of type {column.type}, not {values.type}"
            problems.append({"column": name, "problem": problem})
            continue
        problems += [{"column": name, **problem} for problem in found]
    if problems:
        raise InvalidRequest(problems)
    return pa.table(columns)


def write(table: pa.Table, media_type: str) -> bytes:
    """Return a table in one of ``MEDIA_TYPES``."""
    stream = io.BytesIO()
    if media_type == PARQUET:
        pyarrow.parquet.write_table(table, stream)
    elif media_type == ARROW:
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
    else:
        pyarrow.csv.write_csv(table, stream)
    return stream.getvalue()


class _Column:
    """Reads one column; what is wrong in it comes in groups of one problem each."""

    def __init__(
        self, column: ColumnSchema, check: SchemaValidator, text: bool
    ) -> None:
        """Take the rules."""
        self._column = column
        self._check = check
        self._text = text

    def read(self, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
        """Return the values as the type of the column, and what is wrong with them."""
        kind = values.type
        if pa.types.is_null(kind) or pa.types.is_string_view(kind):
            values = values.cast(pa.string())
            kind = values.type
        if self._column.type in NUMBERS and values.null_count == len(values):
            values = pa.nulls(len(values), pa.float64())
        match self._column.type:
            case "integer" | "number":
                return self._numbers(values)
            case "boolean" if pa.types.is_boolean(kind):
                return values, self._missing(values)
            case "date" if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
                return self._dates(values)
            case _:
                return self._by_value(values)

    def _numbers(self, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
        """Read numbers, and hold them against the limits."""
        if self._text and _is_text(values.type):
            return self._number_texts(values)
        if not _is_number(values.type):
            return self._by_value(values)
        numbers = values.cast(pa.float64(), safe=False)
        filled = numbers.fill_null(0).to_numpy(zero_copy_only=False)
        nan = np.isnan(filled)
        if nan.any():  # a data frame has no other mark for a missing number
            numbers = pc.if_else(pa.array(nan), pa.scalar(None, pa.float64()), numbers)
            filled = np.where(nan, 0, filled)
        low, high = limits(self._column)
        wrong = {"low": filled < low, "high": filled > high}
        wrong["infinite"] = np.isinf(filled)
        wrong["low"] &= ~wrong["infinite"]
        wrong["high"] &= ~wrong["infinite"]
        if self._column.type == "integer":
            wrong["fraction"] = filled != np.floor(filled)
        if numbers.null_count:  # what stands in for missing ones is no value
            there = numbers.is_valid().to_numpy(zero_copy_only=False)
            wrong = {rule: mask & there for rule, mask in wrong.items()}
        problems = self._groups(wrong.values(), lambda row: float(filled[row]))
        return numbers, self._missing(numbers) + problems

    def _number_texts(self, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
        """Read numbers that are written as text."""
        try:
            numbers = values.cast(pa.float64())
        except pa.ArrowInvalid:
            texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
            marks = pa.array([*MISSING_MARKS, *NONE_WORDS])
            missing = pc.is_in(texts, marks)
            texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
            readable = pc.match_substring_regex(texts, f"^(?:{NUMBER_PATTERN})$")
            wrong = pc.invert(readable).fill_null(False)
            wrong = wrong.to_numpy(zero_copy_only=False)
            if wrong.any():
                return values, self._groups([wrong], lambda row: texts[row].as_py())
            # Arrow reads no plus sign.
            numbers = pc.utf8_ltrim(texts, "+").cast(pa.float64())
        return self._numbers(numbers)

    def _dates(self, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
        """Read dates, and hold them against the limits."""
        zone = getattr(values.type, "tz", None)
        # First the precision, then the zone: together, Arrow refuses finer moments.
        dates = values.cast(pa.timestamp("us", zone), safe=False)
        dates = dates.cast(pa.timestamp("us"))
        low, high = self._column.min, self._column.max
        wrong = [
            compare(dates, pa.scalar(limit, pa.timestamp("us")))
            .fill_null(False)
            .to_numpy(zero_copy_only=False)
            for compare, limit in ((pc.less, low), (pc.greater, high))
            if isinstance(limit, datetime)
        ]
        problems = self._groups(wrong, lambda row: dates[row].as_py())
        return dates, self._missing(dates) + problems

    def _by_value(self, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
        """Read each value that occurs once, as in a row."""
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        places = values.indices.cast(pa.int32()).fill_null(len(values.dictionary))
        positions = places.to_numpy(zero_copy_only=False)
        read: list[Any] = []
        rules: dict[str, list[int]] = {}
        for place, value in enumerate([*values.dictionary.to_pylist(), None]):
            try:
                read.append(self._check.validate_python(value))
            except ValidationError as error:
                read.append(None)
                rules.setdefault(problem_text(error), []).append(place)
        problems = []
        for rule, wrong in rules.items():
            mask = np.isin(positions, wrong)
            if mask.any():
                problems.append(_group(rule, mask))
        if problems:
            return values, problems
        found = pa.array(read, _ARROW_TYPES[self._column.type])
        if self._column.type == "category":
            return pa.DictionaryArray.from_arrays(places, found), []
        return found.take(places), []

    def _missing(self, values: pa.Array) -> list[Problem]:
        """Return what is wrong with missing values: nothing, if they are allowed."""
        if self._column.max_missing > 0 or not values.null_count:
            return []
        mask = values.is_null().to_numpy(zero_copy_only=False)
        return self._groups([mask], lambda _: None)

    def _groups(self, masks: Any, value_at: Callable[[int], object]) -> list[Problem]:
        """Return a problem for each mask of wrong rows, in the words of a row's."""
        problems = []
        for mask in masks:
            if not mask.any():
                continue
            try:
                self._check.validate_python(value_at(int(mask.argmax())))
            except ValidationError as error:
                problems.append(_group(problem_text(error), mask))
        return problems


_ARROW_TYPES = {
    "integer": pa.float64(),
    "number": pa.float64(),
    "category": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.timestamp("us"),
}


def _group(problem: str, mask: Mask) -> Problem:
    """Return one problem of many rows."""
    rows = np.flatnonzero(mask)
    return {
        "problem": problem,
        "rows": rows[:MAX_ROWS_NAMED].tolist(),
        "count": len(rows),
    }


def _name_problems(names: list[str], reader: RowReader) -> list[Problem]:
    """Return what is wrong with the names of columns."""
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        if name not in reader.schema.columns:
            problem = "Extra inputs are not permitted"
            problems.append({"column": name, "problem": problem})
        elif names.count(name) > 1:
            problem = "Input should have one column of this name"
            problems.append({"column": name, "problem": problem})
    return problems


def _is_text(kind: pa.DataType) -> bool:
    """Return whether values are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    """Return whether values are numbers."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def _refused(problem: str) -> InvalidRequest:
    """Return the refusal of a whole table."""
    return InvalidRequest([{"problem": problem}])


def _too_many(max_rows: int) -> InvalidRequest:
    """Return the refusal of a table without rows, or with too many."""
    return _refused(f"Input should have 1 to {max_rows} rows")


def _read_csv(body: bytes, max_rows: int) -> pa.Table:
    """Return a CSV file with every column as text, as ``src/data`` reads it."""
    header = body.split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    separator = max(",;\t|", key=header.count)
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    names = pyarrow.csv.open_csv(io.BytesIO(body), parse_options=parse).schema.names
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
    )
    return pyarrow.csv.read_csv(
        io.BytesIO(body), parse_options=parse, convert_options=options
    )


def _read_parquet(body: bytes, max_rows: int) -> pa.Table:
    """Return a Parquet file; what it says of its size is looked at first."""
    with pyarrow.parquet.ParquetFile(pa.BufferReader(body)) as file:
        if file.metadata.num_rows > max_rows:
            raise _too_many(max_rows)
        table = file.read(use_threads=False)
    return table


def _read_arrow(body: bytes, max_rows: int) -> pa.Table:
    """Return an Arrow stream; it is read no further than it has rows enough."""
    batches, rows = [], 0
    with pa.ipc.open_stream(body) as stream:
        for batch in stream:
            rows += batch.num_rows
            if rows > max_rows:
                raise _too_many(max_rows)
            batches.append(batch)
        table = pa.Table.from_batches(batches, stream.schema)
    table.validate(full=True)  # a wrong offset would read what it must not
    return table


_READERS = {CSV: _read_csv, PARQUET: _read_parquet, ARROW: _read_arrow}

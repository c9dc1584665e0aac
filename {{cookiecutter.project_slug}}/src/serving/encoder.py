"""From the rows of a request to the matrix that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.models.encoding import CategoryCodes, Encoding, InputColumn

if TYPE_CHECKING:  # a service that is never asked for tables has no need of its memory
    import pyarrow as pa

Codes = dict[str | None, int]
NOT_USED = CategoryCodes({}, 0, 0)


class RowEncoder:
    """Makes the matrix ``X`` of :class:`Encoding` of rows that were read."""

    def __init__(self, encoding: Encoding) -> None:
        """Take how each column becomes numbers."""
        self.encoding = encoding
        self._names = [column.name for column in encoding.columns]
        # Of one name, itemgetter would return the value alone.
        self._values = itemgetter(*self._names, self._names[0])
        self._categories: list[tuple[int, Codes, int]] = [
            (position, *_codes_of(column))
            for position, column in enumerate(encoding.columns)
            if column.type == "category"
        ]
        # From the last to the first: each moves those after it.
        self._dates = [
            position
            for position, column in reversed(list(enumerate(encoding.columns)))
            if column.type == "date"
        ]

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Return the matrix of rows.

        Args:
            rows: Values by column, as ``RowReader.read`` returns them; a column that a
                row lacks is missing.

        Returns:
            Shape (rows, width).
        """
        encoded = [self._encode(row) for row in rows]
        return np.array(encoded, dtype=np.float64)

    def encode_table(self, table: pa.Table) -> NDArray[np.float64]:
        """Return the matrix of the rows of a table.

        Args:
            table: As ``tables.check`` returns it.

        Returns:
            Shape (rows, width).
        """
        X = np.empty((table.num_rows, self.encoding.width), dtype=np.float64)
        at = 0
        for column in self.encoding.columns:
            values = table.column(column.name).combine_chunks()
            X[:, at : at + column.width] = _encode_column(column, values)
            at += column.width
        return X

    def _encode(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the numbers of a row; None for missing ones, which NumPy makes NaN."""
        try:
            values = list(self._values(row))
        except KeyError:  # read for a model of other columns
            values = [*map(row.get, self._names), None]
        del values[-1]
        for position, codes, unknown in self._categories:
            values[position] = codes.get(values[position], unknown)
        for position in self._dates:
            values[position : position + 1] = _date_parts(values[position])
        return values


def _codes_of(column: InputColumn) -> tuple[Codes, int]:
    """Return the code of each text and of None, and that of all others."""
    categories = column.categories or NOT_USED
    return {**categories.codes, None: categories.missing}, categories.unknown


def _date_parts(date: datetime | None) -> tuple[int | None, ...]:
    """Return the parts of a date that are features, in order."""
    if date is None:
        return (None,) * 6
    day = date.timetuple()
    return (
        day.tm_year,
        day.tm_mon,
        day.tm_mday,
        day.tm_wday,
        day.tm_yday,
        day.tm_hour,
    )


def _encode_column(column: InputColumn, values: Any) -> NDArray[np.float64]:
    """Return the places of a column in the matrix, shape (rows, its width)."""
    import pyarrow.compute as pc

    if column.type == "category":
        codes, unknown = _codes_of(column)
        texts = [*values.dictionary.to_pylist(), None]
        by_text = np.array([codes.get(t, unknown) for t in texts], dtype=np.float64)
        positions = values.indices.fill_null(len(texts) - 1)
        return by_text[positions.to_numpy(zero_copy_only=False)][:, None]
    if column.type == "date":
        parts = (
            pc.year(values),
            pc.month(values),
            pc.day(values),
            pc.day_of_week(values),
            pc.day_of_year(values),
            pc.hour(values),
        )
        return np.column_stack([_floats(part) for part in parts])
    return _floats(values)[:, None]


def _floats(values: Any) -> NDArray[np.float64]:
    """Return numbers or booleans of Arrow, NaN where there is none."""
    numbers = values.cast("float64").to_numpy(zero_copy_only=False)
    return np.asarray(numbers, dtype=np.float64)

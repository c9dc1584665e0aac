"""Tables of many rows, as CSV, Parquet or Arrow.

What reads and writes them, ``src/serving/tables.py``, is imported with the first one:
the library behind it takes more memory than the rest of the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings

if TYPE_CHECKING:
    import pyarrow as pa

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (CSV, PARQUET, ARROW)


def read_table(
    body: bytes, media_type: str, predictor: Predictor, serving: ServingSettings
) -> pa.Table:
    """Return the rows of a table, checked and read for ``Predictor.predict_table``.

    Args:
        body: The table.
        media_type: What it is, one of ``MEDIA_TYPES``.
        predictor: Whose columns it must have.
        serving: How many rows it may have.

    Raises:
        InvalidRequest: If it is no such table, or any value cannot be used; problems
            name the column, the first rows, counted from 0, and how many there are.
    """
    from src.serving import tables

    table = tables.parse(body, media_type, serving.max_batch_rows)
    return tables.check(table, predictor.reader, text=media_type == CSV)


def write_table(table: pa.Table, media_type: str) -> bytes:
    """Return a table in one of ``MEDIA_TYPES``."""
    from src.serving import tables

    return tables.write(table, media_type)

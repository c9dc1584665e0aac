"""How fast tables are answered: by the model alone, and by the service."""

import http.client
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

from benchmarks.serving.load import LoadError
from benchmarks.serving.rows import sample, schema_of
from src.serving.batch import ARROW, read_table, write_table
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings

ROWS = 10_000
TIMES = 15


def table_of(model_path: Path, rows_csv: Path) -> bytes:
    """Return a table of ``ROWS`` rows for a model, as a stream of Arrow."""
    rows = sample(rows_csv, schema_of(model_path), ROWS)
    return write_table(pa.Table.from_pylist(rows), ARROW)


def in_process(model_path: Path, rows_csv: Path) -> float:
    """Return how many rows a second the model predicts of a table that was checked.

    Raises:
        ModelError: If the model cannot be used.
    """
    serving = ServingSettings()
    predictor = Predictor.load(model_path, "measured", serving)
    body = table_of(model_path, rows_csv)
    table = read_table(body, ARROW, predictor, serving)
    return ROWS / _median_seconds(lambda: predictor.predict_table(table))


def over_http(url: str, headers: Mapping[str, str], body: bytes) -> float:
    """Return how many rows a second a service answers, from a table to a table.

    Args:
        url: Where it takes tables.
        headers: What it asks of callers.
        body: What ``table_of`` returns.

    Raises:
        LoadError: If it does not answer.
    """
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)

    def ask() -> None:
        given = {**headers, "Content-Type": ARROW}
        connection.request("POST", where.path, body, given)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise LoadError(f"{url}: {answer.status} {content[:300]!r}")

    try:
        return ROWS / _median_seconds(ask)
    finally:
        connection.close()


def _median_seconds(command: Callable[[], object]) -> float:
    """Return how long a command takes, once it has run three times."""
    seconds = []
    for _ in range(3 + TIMES):
        start = time.perf_counter()
        command()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])

"""What the service was asked and what it answered, in Parquet files that a thread
writes: ``data/predictions/<day>/<time>-<random>.parquet``."""

import atexit
import logging
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet
from prometheus_client import Counter

from src.data.schema import DataSchema
from src.data.values import text_of
from src.monitoring.settings import MonitoringSettings, load_monitoring_settings
from src.serving.model import Model
from src.serving.schemas import Row
from src.utils.config import Settings
from src.utils.files import atomic_path
from src.utils.logging import REQUEST_ID

LABELS = "labels"  # the folder of what became true
LOOK_SECONDS = 0.1
ENTRIES_AT_ONCE = 100  # made into columns, while nobody is answered
END_SECONDS = 10.0  # the process ends after this, even if the disk is slow
ARROW_TYPES = {
    "category": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.timestamp("us"),
}
WRITTEN = Counter("prediction_log_rows", "Predicted rows that were written down.")
DROPPED = Counter("prediction_log_dropped_rows", "Predicted rows that were not.")

logger = logging.getLogger(__name__)


class Entry(NamedTuple):
    """Rows of one request, the place of the first in it, and their answers."""

    request_id: str
    time: datetime
    version: str
    rows: Sequence[Row]
    answers: Sequence[Row]
    first: int


class PredictionLog:
    """Keeps predictions without making anybody wait: they wait themselves, in a queue,
    for a thread to write them; what finds it full is dropped, and counted. The thread
    looks now and then: to wake it for each request would slow that. What is waiting
    when the process ends is written then."""

    def __init__(self, settings: Settings, schema: DataSchema) -> None:
        self.settings = load_monitoring_settings(settings, schema)
        self.folder = settings.paths.data / "predictions"
        self.columns = log_schema(schema, self.settings)
        self._waiting: deque[Entry] = deque()
        self._end = Event()
        self._thread = Thread(target=self._run, name="prediction log", daemon=True)
        self._problem = ""
        self._thread.start()
        atexit.register(self.close)

    def add(
        self, version: str, rows: Sequence[Row], answers: Sequence[Row], first: int = 0
    ) -> None:
        """Keep the answers of a version to rows of the present request, of which the
        first has this place in it."""
        now = datetime.now(UTC).replace(tzinfo=None)
        entry = Entry(REQUEST_ID.get(), now, version, rows, answers, first)
        if len(self._waiting) < self.settings.log.queue_requests:
            self._waiting.append(entry)
        else:
            DROPPED.inc(len(rows))

    @contextmanager
    def recorded(self, model: Model) -> Iterator[Model]:
        """Lend a model whose answers are kept, unless the request is refused."""
        lent, first = RecordedModel(**vars(model)), 0
        yield lent
        for rows, answers in lent.kept:
            self.add(model.version, rows, answers, first)
            first += len(rows)

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._end.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        """Write one file after the other until the end."""
        log, begin, is_end = self.settings.log, 0.0, False
        entries, rows = list[Entry](), 0
        while not is_end:
            is_end = self._end.wait(min(LOOK_SECONDS, log.part_seconds))
            while self._waiting:
                begin = begin if entries else time.monotonic()
                entries.append(self._waiting.popleft())
                rows += len(entries[-1].rows)
                if rows >= log.part_rows:
                    self._write(entries, rows)
                    entries, rows = [], 0
            is_due = is_end or time.monotonic() - begin >= log.part_seconds
            if entries and is_due:
                self._write(entries, rows)
                entries, rows = [], 0

    def _write(self, entries: Sequence[Entry], rows: int) -> None:
        """Delete files that are too old, and write entries to a file of their own."""
        try:
            for folder in (self.folder, self.folder / LABELS):
                forget(folder, self.settings.log.retention_days)
            starts = range(0, len(entries), ENTRIES_AT_ONCE)
            parts = [self._table(entries[at : at + ENTRIES_AT_ONCE]) for at in starts]
            write_part(pa.concat_tables(parts), self.folder)
            WRITTEN.inc(rows)
            self._problem = ""
        except Exception as error:  # whatever it is, the service is to go on
            DROPPED.inc(rows)
            problem = f"{type(error).__name__}: {error}"
            if problem != self._problem:  # it is tried again and again, and said once
                logger.error("predictions are not written down: %s", problem)
            self._problem = problem

    def _table(self, entries: Sequence[Entry]) -> pa.Table:
        """Return entries as ``log_schema`` has them. Made by column, they take less of
        the time in which nobody is answered than by row."""
        each = [(entry, place) for entry in entries for place in range(len(entry.rows))]
        rows = [row for entry in entries for row in entry.rows]
        answers = [answer for entry in entries for answer in entry.answers]
        keys = [row.get(self.settings.log.key or "") for row in rows]
        kept = self.columns.field("features").type
        columns = {
            "request_id": [entry.request_id for entry, _ in each],
            "row": [entry.first + place for entry, place in each],
            "key": [None if key is None else text_of(key) for key in keys],
            "time": [entry.time for entry, _ in each],
            "model_version": [entry.version for entry, _ in each],
            "features": pa.StructArray.from_arrays(
                [_values(rows, field) for field in kept],
                fields=[*kept],
                mask=pa.array([False] * len(rows)),  # its length, if none is kept
            ),
            "prediction": [answer["prediction"] for answer in answers],
            "probabilities": [answer.get("probabilities") for answer in answers],
        }
        return pa.table(columns, self.columns)


@dataclass(frozen=True)
class RecordedModel(Model):
    """A model that keeps what it was asked and answered."""

    kept: list[tuple[Sequence[Row], list[Row]]] = field(default_factory=list)

    def predict(self, rows: Sequence[Row]) -> list[Row]:
        """Return the answer to each row, and keep both."""
        answers = super().predict(rows)
        self.kept.append((rows, answers))
        return answers


def _values(rows: Sequence[Row], field: pa.Field) -> pa.Array:
    """Return the values of a feature; numbers as float, as Arrow takes no integer that
    none equals."""
    found = [row[field.name] for row in rows]
    if field.type == pa.float64():
        found = [None if value is None else float(value) for value in found]
    return pa.array(found, field.type)


def log_schema(schema: DataSchema, settings: MonitoringSettings) -> pa.Schema:
    """Return the columns of the prediction log; those of the data are in ``features``,
    so that they can have any name."""
    kept = (name for name in schema.features if name not in settings.log.personal)
    features = [
        (name, ARROW_TYPES.get(schema.columns[name].type, pa.float64()))
        for name in kept
    ]
    is_class = schema.columns[schema.target].type == "category"
    fields: list[tuple[str, pa.DataType]] = [
        ("request_id", pa.string()),
        ("row", pa.int64()),
        ("key", pa.string()),
        ("time", pa.timestamp("us")),
        ("model_version", pa.string()),
        ("features", pa.struct(features)),
        ("prediction", pa.string() if is_class else pa.float64()),
        ("probabilities", pa.map_(pa.string(), pa.float64())),
    ]
    return pa.schema(fields)


def write_part(table: pa.Table, folder: Path) -> Path:
    """Write a table to a file of its own in the folder of today."""
    now = datetime.now(UTC)
    path = folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{uuid4().hex[:8]}.parquet"
    with atomic_path(path) as partial:
        pa.parquet.write_table(table, partial)
    return path


def forget(folder: Path, days: int) -> None:
    """Delete the folders of days that are further back."""
    last = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"
    for old in folder.glob("????-??-??"):
        if old.name < last:
            shutil.rmtree(old, ignore_errors=True)  # another process may do the same

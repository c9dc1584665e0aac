"""Logging for every command: readable lines for people, JSON lines for machines."""

import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from src.utils.config import LoggingSettings

NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception"}
# What the present run is recorded as, and what a caller knows the present request by.
RUN_ID: ContextVar[str | None] = ContextVar("run_id", default=None)
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


def setup_logging(settings: LoggingSettings) -> None:
    """Send the log to standard error, at the level and in the format configured."""
    handler, fields = logging.StreamHandler(), ["levelname", "name", "message"]
    line = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    if settings.format == "json":  # as log collectors read them
        line = JsonFormatter(
            fields, rename_fields=NAMES, timestamp="time", json_ensure_ascii=False
        )
    handler.setFormatter(line)
    handler.addFilter(identified)
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)


def identified(record: logging.LogRecord) -> bool:
    """Add to a record what it belongs to, which JSON then has, and let it pass."""
    known = {"run_id": RUN_ID.get(), "request_id": REQUEST_ID.get()}
    vars(record).update({name: value for name, value in known.items() if value})
    return True

"""Logging for every command: readable lines for people, JSON lines for machines."""

import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from src.utils.config import LoggingSettings

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")  # of the service
NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception"}


def setup_logging(settings: LoggingSettings) -> None:
    """Send the log to standard error, at the level and in the format configured."""
    handler, fields = logging.StreamHandler(), ["levelname", "name", "message"]
    line = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    if settings.format == "json":  # as log collectors read them
        line = JsonFormatter(
            fields, rename_fields=NAMES, timestamp="time", json_ensure_ascii=False
        )
    handler.setFormatter(line)
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)

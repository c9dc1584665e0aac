"""Runs of training are not recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from src.utils.config import Settings


@contextmanager
def run(settings: Settings, name: str) -> Iterator[str | None]:
    """Give no id, as no run is recorded."""
    yield None


def log_training(*_: Any) -> None:
    """Keep nothing of a training but the model and its record."""


def add_to_run(*_: Any) -> None:
    """Keep nothing of an evaluation but its report, of a decision but the registry."""

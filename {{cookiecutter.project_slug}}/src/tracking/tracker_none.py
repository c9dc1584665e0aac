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


def log_evaluation(*_: Any) -> None:
    """Keep nothing of an evaluation but its report."""


def log_decision(*_: Any) -> None:
    """Keep nothing of a decision but what the registry has."""

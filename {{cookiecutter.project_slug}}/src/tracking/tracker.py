"""Where the runs of the pipeline are recorded, so that they can be compared.

``tracking.backend`` in the configuration names a module of this folder:
``<backend>_tracker.py``, with a function ``make_tracker``. ``none`` records nothing.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pandas import DataFrame

from src.utils.config import Settings
from src.utils.errors import ConfigError, TrackingError

NONE = "none"
SUFFIX = "_tracker"

logger = logging.getLogger(__name__)


class Tracker(ABC):
    """Records runs: what went in, what came out, and the files in between.

    Each method raises a ``TrackingError`` if the backend does not take what it gets.
    """

    @abstractmethod
    def run(self, name: str, parent: str | None = None) -> AbstractContextManager[str]:
        """Start a run, and end it with the block; as failed if the block raises.

        Args:
            name: What people see.
            parent: The run that it is part of.

        Returns:
            A context manager that gives the identifier of the run.

        """

    @abstractmethod
    def resume(self, run_id: str) -> AbstractContextManager[str]:
        """Add to a run that has ended; see ``run``.

        Raises:
            ProjectError: If the backend cannot be reached, or has no such run.
        """

    @abstractmethod
    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Record what the run was given."""

    @abstractmethod
    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Record numbers that came out, at a step if there are several."""

    @abstractmethod
    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Record what the run can be found by."""

    @abstractmethod
    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Keep a copy of a file with the run."""

    @abstractmethod
    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text with the run, as a file of this name."""

    @abstractmethod
    def log_model(self, run_id: str, pipeline: Any, example: DataFrame) -> None:
        """Keep a fitted pipeline with the run, with some rows that it takes."""


@contextmanager
def ending(end: Callable[[bool], None]) -> Iterator[None]:
    """Call ``end`` with the end of a block: with False if the block raises.

    What the block raises is not hidden where the end cannot be recorded either.

    Args:
        end: Ends a run, as failed for False.
    """
    try:
        yield
    except BaseException as error:
        try:
            end(False)
        except TrackingError as another:
            if not isinstance(error, TrackingError):  # which says it already
                logger.warning("the end of the run is not recorded: %s", another)
        raise
    end(True)


class NoTracker(Tracker):
    """Records nothing."""

    @contextmanager
    def run(self, name: str, parent: str | None = None) -> Iterator[str]:
        """Start nothing; the identifier is empty."""
        yield ""

    @contextmanager
    def resume(self, run_id: str) -> Iterator[str]:
        """Start nothing; the identifier is empty."""
        yield ""

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Do nothing."""

    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Do nothing."""

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Do nothing."""

    def log_model(self, run_id: str, pipeline: Any, example: DataFrame) -> None:
        """Do nothing."""


def make_tracker(settings: Settings) -> Tracker:
    """Return the tracker that the configuration names.

    Raises:
        ConfigError: If there is no such backend.
        ProjectError: If the backend cannot be used.
    """
    name = settings.tracking.backend
    if name == NONE:
        return NoTracker()
    known = sorted(p.stem for p in Path(__file__).parent.glob(f"?*{SUFFIX}.py"))
    if f"{name}{SUFFIX}" not in known:
        names = ", ".join([NONE, *(stem.removesuffix(SUFFIX) for stem in known)])
        raise ConfigError(f"tracking.backend: found {name!r}, expected one of: {names}")
    module = import_module(f"{__package__}.{name}{SUFFIX}")
    tracker: Tracker = module.make_tracker(settings)
    return tracker

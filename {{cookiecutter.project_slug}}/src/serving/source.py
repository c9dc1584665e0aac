"""Where the models that answer come from: the registry, a place of releases, a file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from src.models.artifact import load_record, record_path
from src.models.registry import (
    Event,
    ModelRegistry,
    challenger_of,
    digests_of,
    make_registry,
    reigns_of,
)
from src.models.release import current_model, current_release
from src.serving.settings import ServingSettings
from src.utils.config import Settings
from src.utils.errors import ModelError
from src.utils.files import stamp_of

DIGITS = 12  # of a digest that stands for a version


@dataclass(frozen=True)
class Candidate:
    """A model that may answer, not loaded yet.

    Attributes:
        version: What callers know it by.
        sha256: The digest of its file; empty if its record cannot be read.
        path: Where its file is once it was fetched.
        fetch: Brings it there and returns its path; ``ModelError`` if it cannot.
    """

    version: str
    sha256: str
    path: Path
    fetch: Callable[[], Path]

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from every other candidate."""
        return self.version, self.sha256


class Candidates(NamedTuple):
    """The models that may answer, as of one moment."""

    champion: Candidate | None
    challenger: Candidate | None


class ModelSource(ABC):
    """Says which models may answer; asked again and again."""

    @abstractmethod
    def candidates(self) -> Candidates:
        """Return the champion and the challenger of this moment.

        Raises:
            ProjectError: If that cannot be told.
        """


class RegistrySource(ModelSource):
    """The champion and the challenger of the registry; versions are its numbers."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings that name the registry.

        It is opened when it is first asked: a service starts without it.
        """
        self._settings = settings
        self._registry: ModelRegistry | None = None
        self._revision: Hashable | None = None
        self._candidates = Candidates(None, None)

    def candidates(self) -> Candidates:
        """Return them, reading the history only if it has changed."""
        if self._registry is None:
            self._registry = make_registry(self._settings)
        # Before it is read: what is added in between is found the next time.
        revision = self._registry.revision()
        if revision is None or revision != self._revision:
            self._candidates = _candidates(self._registry, self._registry.history())
            self._revision = revision
        return self._candidates


class PathSource(ModelSource):
    """A model file, or a place of releases, whose current one is the champion.

    A version is the name of the release, or the first digits of the file's digest.
    """

    def __init__(self, path: Path) -> None:
        """Take the path of the file or of the place."""
        self._path = path
        self._stamp: Hashable = None
        self._sha256 = ""

    def candidates(self) -> Candidates:
        """Return the champion; there is no challenger here.

        Raises:
            ModelError: If there is nothing at the path, or nothing was released there.
        """
        path, name = self._path, None
        # A service of compiled models does without the model file itself.
        if not path.exists() and not record_path(path).exists():
            raise ModelError(
                f"model_path: {path} is not there, expected a model file or a place of "
                "releases; `make release` makes one"
            )
        if path.is_dir():
            path, name = current_model(path), current_release(path)
        sha256 = self._digest_of(path)
        version = name or sha256[:DIGITS] or "unknown"
        return Candidates(Candidate(version, sha256, path, lambda: path), None)

    def _digest_of(self, path: Path) -> str:
        """Return the digest that the record names, reading it only if it changed."""
        stamp = path, stamp_of(record_path(path))
        if stamp != self._stamp:
            try:
                self._sha256 = str(load_record(path)["model_sha256"])
            except ModelError:  # who loads the model says what is wrong
                self._sha256 = ""
            self._stamp = stamp
        return self._sha256


def make_source(settings: Settings, serving: ServingSettings) -> ModelSource:
    """Return the source that the settings name.

    Args:
        settings: Where the registry is.
        serving: ``model_path`` names a file or a place instead.
    """
    if serving.model_path is None:
        return RegistrySource(settings)
    return PathSource(serving.model_path)


def _candidates(registry: ModelRegistry, events: Sequence[Event]) -> Candidates:
    """Return the candidates after the events of a registry."""
    digests = digests_of(events)

    def candidate(number: int | None) -> Candidate | None:
        if number is None:
            return None
        sha256 = digests[number]
        path = registry.path_of(number, sha256)
        return Candidate(str(number), sha256, path, partial(_fetch, registry, number))

    champion = next(iter(reigns_of(events)[-1:]), None)
    return Candidates(candidate(champion), candidate(challenger_of(events)))


def _fetch(registry: ModelRegistry, number: int) -> Path:
    """Return the model file of a version on this machine."""
    return registry.fetch(registry.version(number))

"""The registry: versions of the model, which of them is champion, and why.

The history decides. Each registration, promotion, refusal and rollback adds one event
to it and changes none; champion and challenger follow from the events, so that nothing
can disagree with them, whenever a process is killed.

``registry.backend`` in the configuration names a module of this folder:
``<backend>_registry.py``, with a function ``make_registry``.
"""

import getpass
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from src.models.artifact import Record, load_record, record_path
from src.utils.config import Settings
from src.utils.errors import ConfigError, ModelError
from src.utils.files import sha256_of

Action = Literal["register", "promote", "reject", "rollback"]
SUFFIX = "_registry"
LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Version:
    """A model in the registry.

    Attributes:
        number: Counts from 1.
        record: What the model is and what made it.
    """

    number: int
    record: Record

    @property
    def sha256(self) -> str:
        """The digest of the model file."""
        return str(self.record["model_sha256"])


@dataclass(frozen=True)
class Event:
    """Something that was done in the registry.

    Attributes:
        time: When, in UTC.
        who: The user of the machine.
        action: What.
        why: The reason that was given.
        version: Which version it is about; after a rollback, the champion.
        previous: The champion before.
        model_sha256: The digest of the version.
        details: What else is known, such as the decision of the gate.
    """

    time: str
    who: str
    action: Action
    why: str
    version: int
    previous: int | None
    model_sha256: str
    details: dict[str, Any] = field(default_factory=dict)


class ModelRegistry(ABC):
    """Versions of one model. Subclasses keep them; the rules are here."""

    def register(self, model_path: Path, why: str) -> Version:
        """Add a model, which becomes the challenger; it is copied.

        A model that is here already is no new version. The champion stays what it is;
        one that was refused, or has been champion, becomes the challenger.

        Args:
            model_path: The model file; its record is beside it.
            why: Why it is here.

        Returns:
            The version.

        Raises:
            ModelError: If the model is not the one that its record describes.
        """
        record = load_record(model_path)
        check_digest(model_path, record)
        with self._locked():
            events = self.history()
            known = {digest: n for n, digest in digests_of(events).items()}
            number = known.get(record["model_sha256"])
            if number is None:
                version = self._store(len(known) + 1, model_path, record)
            else:
                version = self._read(number, events)
                if number in (*reigns_of(events)[-1:], challenger_of(events)):
                    return version
            self._note("register", version, why, {}, events)
        return version

    def promote(
        self,
        version: Version,
        why: str,
        details: Mapping[str, Any] | None = None,
        over: "Version | Literal['any'] | None" = "any",
    ) -> Event:
        """Make a version the champion; the registry does not ask whether it should.

        Args:
            version: The champion to be.
            why: The reason.
            details: What else is known, such as the decision of the gate.
            over: The champion that it was held against; None if there was none.

        Raises:
            ModelError: If there is no such version, or another champion by now.
        """
        return self._decide("promote", version, why, details or {}, over)

    def reject(
        self, version: Version, why: str, details: Mapping[str, Any] | None = None
    ) -> Event:
        """Write down that a version did not become champion.

        Raises:
            ModelError: If there is no such version.
        """
        return self._decide("reject", version, why, details or {})

    def rollback(self, why: str) -> Event:
        """Make the champion before the present one champion again.

        Repeated calls go further back.

        Raises:
            ModelError: If there was none before.
        """
        with self._locked():
            events = self.history()
            reigns = reigns_of(events)
            if len(reigns) < 2:
                raise ModelError(
                    "the registry has no champion before the present one; expected at "
                    "least two promotions before a rollback"
                )
            version = self._read(reigns[-2], events)
            return self._note("rollback", version, why, {}, events)

    def champion(self) -> Version | None:
        """Return the version that all others are held against, if there is one."""
        events = self.history()
        reigns = reigns_of(events)
        return self._read(reigns[-1], events) if reigns else None

    def challenger(self) -> Version | None:
        """Return the version registered last, until it is promoted or rejected."""
        events = self.history()
        number = challenger_of(events)
        return self._read(number, events) if number else None

    def version(self, number: int) -> Version:
        """Return a version by its number.

        Raises:
            ModelError: If there is none.
        """
        return self._read(number, self.history())

    def versions(self) -> list[Version]:
        """Return all versions, oldest first.

        Raises:
            ModelError: If the record of one is missing or is another.
        """
        events = self.history()
        return [self._read(number, events) for number in digests_of(events)]

    @abstractmethod
    def history(self) -> list[Event]:
        """Return all events, oldest first."""

    def revision(self) -> Hashable | None:
        """Return, at little cost, what is another once the history is.

        Returns:
            None if only reading the history tells.
        """
        return None

    @abstractmethod
    def path_of(self, number: int, sha256: str) -> Path:
        """Return where the model file of a version is once it was fetched.

        Args:
            number: Of the version.
            sha256: Its digest.
        """

    @abstractmethod
    def fetch(self, version: Version) -> Path:
        """Return the model file of a version on this machine, its record beside it.

        Args:
            version: As this registry has given it.

        Raises:
            ModelError: If it is not there, or is not the model that was registered.
        """

    @abstractmethod
    def attach(self, version: Version, name: str, content: Mapping[str, Any]) -> None:
        """Keep a JSON document with a version; one of the same name is replaced."""

    @abstractmethod
    def attached(self, version: Version, name: str) -> dict[str, Any] | None:
        """Return the JSON document of that name; None if there is none."""

    @abstractmethod
    def _locked(self) -> AbstractContextManager[Any]:
        """Keep all other writers out."""

    @abstractmethod
    def _record_of(self, number: int) -> Record:
        """Return the record of a version that the history names."""

    @abstractmethod
    def _store(self, number: int, model_path: Path, record: Record) -> Version:
        """Keep a copy of a model as the version ``number``."""

    @abstractmethod
    def _append(self, event: Event) -> None:
        """Add an event to the history, whole or not at all."""

    def _read(self, number: int, events: Sequence[Event]) -> Version:
        """Return a version that the history names."""
        digest = digests_of(events).get(number)
        if digest is None:
            raise ModelError(f"the registry has no version {number}")
        version = Version(number, self._record_of(number))
        if version.sha256 != digest:
            raise ModelError(
                f"version {number} of the registry: its record names the digest "
                f"{version.sha256}, the history expects {digest}; the record was "
                "changed or replaced, restore it"
            )
        return version

    def _check_known(self, version: Version, events: Sequence[Event]) -> None:
        """Refuse a version that is not in this registry."""
        if self._read(version.number, events).sha256 != version.sha256:
            raise ModelError(
                f"version {version.number} of the registry is another model; take the "
                "version from this registry"
            )

    def _decide(
        self,
        action: Action,
        version: Version,
        why: str,
        details: Mapping[str, Any],
        over: "Version | Literal['any'] | None" = "any",
    ) -> Event:
        """Write down what became of a version."""
        with self._locked():
            events = self.history()
            self._check_known(version, events)
            if over != "any":
                _check_champion(over, events)
            return self._note(action, version, why, details, events)

    def _note(
        self,
        action: Action,
        version: Version,
        why: str,
        details: Mapping[str, Any],
        events: Sequence[Event],
    ) -> Event:
        """Write down what is done, after the events that there are."""
        reigns = reigns_of(events)
        event = Event(
            datetime.now(UTC).isoformat(timespec="seconds"),
            _user(),
            action,
            why,
            version.number,
            reigns[-1] if reigns else None,
            version.sha256,
            dict(details),
        )
        self._append(event)
        return event


def make_registry(settings: Settings) -> ModelRegistry:
    """Return the registry that the configuration names.

    Raises:
        ConfigError: If there is no such backend, or it cannot be used.
    """
    name = settings.registry.backend
    known = sorted(p.stem for p in Path(__file__).parent.glob(f"?*{SUFFIX}.py"))
    if f"{name}{SUFFIX}" not in known:
        names = ", ".join(stem.removesuffix(SUFFIX) for stem in known)
        raise ConfigError(f"registry.backend: found {name!r}, expected one of: {names}")
    module = import_module(f"{__package__}.{name}{SUFFIX}")
    registry: ModelRegistry = module.make_registry(settings)
    return registry


def check_digest(model_path: Path, record: Record) -> None:
    """Refuse a model file that is not the one that its record describes.

    Raises:
        ModelError: If it is missing or its digest is another.
    """
    if not model_path.exists():
        raise ModelError(f"{model_path}: file not found; run the training first")
    found = sha256_of(model_path)
    if found != record["model_sha256"]:
        raise ModelError(
            f"{model_path}: digest is {found}, {record_path(model_path).name} expects "
            f"{record['model_sha256']}; the file was changed or replaced, restore it "
            "or run the training again"
        )


def digests_of(events: Sequence[Event]) -> dict[int, str]:
    """Return the digests of the registered versions by number, oldest first."""
    return {e.version: e.model_sha256 for e in events if e.action == "register"}


def reigns_of(events: Sequence[Event]) -> list[int]:
    """Return the champions that led to the present one, which is the last."""
    reigns: list[int] = []
    for event in events:
        if event.action == "promote" and reigns[-1:] != [event.version]:
            reigns.append(event.version)
        elif event.action == "rollback":
            reigns.pop()
    return reigns


def challenger_of(events: Sequence[Event]) -> int | None:
    """Return the version registered last, unless it was decided about since."""
    number = None
    for event in events:
        if event.action == "register":
            number = event.version
        elif event.version == number and event.action != "rollback":
            number = None
    return number


def _check_champion(expected: Version | None, events: Sequence[Event]) -> None:
    """Refuse a decision that was made beside another champion than there is."""
    found = reigns_of(events)[-1:]
    if found != ([expected.number] if expected else []):
        raise ModelError(
            f"version {found[0]} has become the champion since the model was held "
            "against the one before; run `make promote` again"
        )


def _user() -> str:
    """Return the name of the user, or of none where the machine knows no name."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # which one depends on the platform
        return "unknown"

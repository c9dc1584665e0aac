"""The model registry: versions in a folder, and the aliases that name them.

history.jsonl   what was done, one line each: what an alias names follows from it
versions/<n>/   model.joblib, its record model.json, and documents about it
"""

import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from src.models.artifact import Record, check_digest, copy_model, load_record
from src.utils.config import Settings
from src.utils.errors import DataError, reported
from src.utils.files import read_json, write_json, write_text

Action = Literal["register", "promote", "reject", "rollback"]
CHAMPION, CHALLENGER = "champion", "challenger"


class Version(NamedTuple):
    """A model in the registry: its number, from 1, and the digest of its file."""

    number: int
    sha256: str


class Event(NamedTuple):
    """What was done to an alias when (UTC), by whom and why."""

    time: str
    who: str
    action: Action
    alias: str
    version: int
    why: str


class Registry:
    """Versions, one for each digest; the last is challenger until decided about."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.paths.models / "registry"
        self.lock = FileLock(self.folder / ".lock", timeout=60)

    def register(self, model_path: Path, documents: Mapping[str, Any] = {}) -> Version:
        """Copy a model in, as challenger if it is new, with documents (JSON)."""
        record = load_record(model_path)
        check_digest(model_path, record)
        with self._locked():
            versions = self.versions()
            number = versions[-1].number + 1 if versions else 1
            new = Version(number, record["model_sha256"])
            version = next((v for v in versions if v.sha256 == new.sha256), new)
            try:
                path = self.fetch(version)
            except DataError:  # new, or what a kill left, or git, which has no models
                path, partial = self._path(version.number), self.folder / ".partial"
                copy_model(model_path, partial / path.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                for file in partial.iterdir():
                    file.replace(path.with_name(file.name))
            for name, content in documents.items():
                write_json(path.with_name(f"{name}.json"), content)
            if version.number not in {event.version for event in self.history()}:
                self._append("register", CHALLENGER, version, "")
        return version

    def at(self, alias: str) -> Version | None:
        """Return the version that an alias names; None if it names none."""
        named = self._named(alias)
        return self.version(named[-1]) if named else None

    def version(self, number: int) -> Version:
        """Return a version by its number; raise DataError if there is none."""
        try:
            return Version(number, load_record(self._path(number))["model_sha256"])
        except DataError as error:
            raise DataError(f"no version {number} in the registry: {error}") from None

    def versions(self) -> list[Version]:
        """Return all versions, oldest first."""
        records = self.folder.glob("versions/*/model.json")
        return sorted(self.version(int(record.parent.name)) for record in records)

    def promote(
        self, version: Version, why: str, current: Version | None, alias: str = CHAMPION
    ) -> None:
        """Make an alias name a version; DataError if it is not ``current`` any more."""
        with self._locked():
            found = self.at(alias)
            if found not in (version, current):
                now = f"{alias}: version {found.number if found else 'none'} by now"
                raise DataError(f"{now}; run the command again, to compare with that")
            if found != version:
                self._append("promote", alias, version, why)

    def reject(self, version: Version, why: str) -> None:
        """Write down that a version does not become champion, and why."""
        with self._locked():
            self._append("reject", CHALLENGER, version, why)

    def rollback(self, why: str, alias: str = CHAMPION) -> tuple[Version, Version]:
        """Go back by one promotion; return what the alias names now, and did before."""
        with self._locked():
            named = self._named(alias)
            if len(named) < 2:
                raise DataError(f"{alias}: named no version before the present one")
            version, before = self.version(named[-2]), self.version(named[-1])
            self.fetch(version)
            self._append("rollback", alias, version, why)
            return version, before

    def history(self) -> list[Event]:
        """Return what was done, oldest first."""
        path, events = self.folder / "history.jsonl", []
        content = path.read_bytes() if path.exists() else b""
        for number, line in enumerate(content.splitlines(), 1):
            try:
                events.append(Event(**json.loads(line)))
            except (TypeError, ValueError) as error:
                problem = f"{path}: line {number}: {error}; expected an event as JSON"
                raise DataError(f"{problem}, restore the file") from None
        return events

    def record(self, version: Version) -> Record:
        """Return the record of a version, which git keeps without its model."""
        return load_record(self._path(version.number))

    def document(self, version: Version, name: str) -> dict[str, Any] | None:
        """Return a JSON document about a version; None if there is none."""
        path = self._path(version.number).with_name(f"{name}.json")
        return dict(read_json(path)) if path.exists() else None

    def fetch(self, version: Version) -> Path:
        """Return the verified model file of a version, its record beside it."""
        path = self._path(version.number)
        check_digest(path, load_record(path))
        return path

    def _path(self, number: int) -> Path:
        return self.folder / "versions" / str(number) / "model.joblib"

    def _named(self, alias: str) -> list[int]:
        """Return the versions that led to the one that an alias names, the last."""
        named: list[int] = []
        for event in self.history():
            if event.alias == alias and event.action == "rollback":
                named.pop()
            elif event.alias == alias and event.action != "reject":
                named.append(event.version)
            elif alias == CHALLENGER and event.alias in (CHAMPION, CHALLENGER):
                if named[-1:] == [event.version]:
                    named.clear()  # it is decided about
        return named

    def _append(self, action: Action, alias: str, version: Version, why: str) -> None:
        """Add an event to the history, whole or not at all."""
        now, who = datetime.now(UTC).isoformat(timespec="seconds"), "unknown"
        with suppress(ImportError, KeyError, OSError):  # by platform: no such user
            who = getpass.getuser()
        event = Event(now, who, action, alias, version.number, why)
        lines = [json.dumps(e._asdict()) + "\n" for e in (*self.history(), event)]
        write_text(self.folder / "history.jsonl", "".join(lines))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out, until this process lets go or ends."""
        with reported((Timeout,), "the registry is in use", "try later"), self.lock:
            yield

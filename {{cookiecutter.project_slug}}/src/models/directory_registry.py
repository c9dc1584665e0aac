"""The registry as a folder::

history.jsonl   the events, one line each, only ever appended
versions/<n>/   model.joblib with its record model.json, and what was attached

A version folder appears whole, and counts only once the history names it. A line that
a killed process left unfinished is not read, and is cut off before the next one.
"""

import json
import os
import shutil
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from src.models.artifact import Record, load_record, record_path
from src.models.registry import (
    LOCK_SECONDS,
    Event,
    ModelRegistry,
    Version,
    check_digest,
)
from src.utils.config import Settings
from src.utils.errors import ModelError
from src.utils.files import read_json, stamp_of, write_json

HISTORY = "history.jsonl"
LOCK = ".lock"
MODEL = "model.joblib"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time write to a folder.

    The lock ends with the process that holds it, however that ends.

    Raises:
        ModelError: If another process does not let go of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise ModelError(
            f"{path}: another process has kept the registry for {LOCK_SECONDS:.0f} s; "
            "wait for it to end, or end it, and try again"
        ) from None


class DirectoryRegistry(ModelRegistry):
    """Keeps versions and history in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made when it is first written to."""
        self.folder = folder

    def history(self) -> list[Event]:
        """Return all events; see ``ModelRegistry``.

        Raises:
            ModelError: If a line of the history was damaged.
        """
        events = []
        for number, line in enumerate(self._whole_lines().splitlines(), 1):
            try:
                events.append(Event(**json.loads(line)))
            except (TypeError, ValueError) as error:
                raise ModelError(
                    f"{self.folder / HISTORY}: line {number}: {error}; expected an "
                    "event as JSON, restore the file"
                ) from None
        return events

    def revision(self) -> Hashable | None:
        """Return the state of the file of the history; see ``ModelRegistry``."""
        return stamp_of(self.folder / HISTORY)

    def path_of(self, number: int, sha256: str) -> Path:
        """Return where the model file of a version is; see ``ModelRegistry``."""
        return self._model_of(number)

    def fetch(self, version: Version) -> Path:
        """Return the model file of a version; see ``ModelRegistry``."""
        self._check_known(version, self.history())
        path = self._model_of(version.number)
        check_digest(path, version.record)
        return path

    def attach(self, version: Version, name: str, content: Mapping[str, Any]) -> None:
        """Keep a JSON document with a version; see ``ModelRegistry``."""
        with self._locked():
            write_json(self._attachment(version, name), dict(content))

    def attached(self, version: Version, name: str) -> dict[str, Any] | None:
        """Return a JSON document of a version; see ``ModelRegistry``."""
        path = self._attachment(version, name)
        return dict(read_json(path)) if path.exists() else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self.folder):
            yield

    def _record_of(self, number: int) -> Record:
        return load_record(self._model_of(number))

    def _store(self, number: int, model_path: Path, record: Record) -> Version:
        target = self._model_of(number).parent
        partial = target.with_name(f".partial-{number}")
        for left in (partial, target):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        shutil.copyfile(model_path, partial / MODEL)
        write_json(record_path(partial / MODEL), record)
        check_digest(partial / MODEL, record)
        partial.rename(target)
        return Version(number, record)

    def _append(self, event: Event) -> None:
        line = json.dumps(asdict(event), allow_nan=False).encode() + b"\n"
        with (self.folder / HISTORY).open("ab") as file:
            file.truncate(len(self._whole_lines()))
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _whole_lines(self) -> bytes:
        """Return the history up to its last whole line."""
        path = self.folder / HISTORY
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def _model_of(self, number: int) -> Path:
        return self.folder / "versions" / str(number) / MODEL

    def _attachment(self, version: Version, name: str) -> Path:
        return self._model_of(version.number).with_name(f"{name}.json")


def make_registry(settings: Settings) -> ModelRegistry:
    """Return the registry in the folder of models."""
    return DirectoryRegistry(settings.paths.models / "registry")

"""The model registry: versions in MLflow, and the aliases that name them. What moves
one is written down before, in a tag ``event.<number>`` of the model. A lock keeps
processes of one machine apart; if there are several, let one job promote."""

import getpass
import json
from collections.abc import Mapping
from contextlib import redirect_stderr, suppress
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from filelock import FileLock

from src.models.artifact import Record, check_digest, copy_model
from src.models.artifact import load_model, load_record
from src.tracking.tracker import FAILURES, connect, log_model  # sets up mlflow
from src.utils.config import Settings
from src.utils.errors import DataError, reported

import mlflow
from mlflow.entities.model_registry import ModelVersion

Action = Literal["register", "promote", "reject", "rollback"]
CHAMPION, CHALLENGER = "champion", "challenger"
SHOWN = ("model_sha256", "model_type", "code_revision")
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
in_one_line = partial(
    reported, FAILURES, "the registry cannot be used", "see whether MLflow is up"
)


class Version(NamedTuple):
    """A model in the registry: its number, from 1, and the digest of its file."""

    number: int
    sha256: str


class Event(NamedTuple):
    """What was done to an alias when (UTC), by whom and why; what it named before."""

    time: str
    who: str
    action: Action
    alias: str
    version: int
    why: str
    previous: int | None


class Registry:
    """Versions, one for each digest; the last is challenger until decided about."""

    def __init__(self, settings: Settings) -> None:
        self.client, self.experiment_id = connect(settings)
        self.name = settings.registry.model
        self.folder = settings.paths.models / "registry"
        self.lock = FileLock(self.folder / ".lock", timeout=60)

    def register(self, model_path: Path, documents: Mapping[str, Any] = {}) -> Version:
        """Copy a model in, as challenger if it is new, with documents (JSON)."""
        with in_one_line(), self.lock, TemporaryDirectory() as folder:
            copy = Path(folder) / model_path.name
            copy_model(model_path, copy)
            record = load_record(copy)
            known = {version.sha256: version for version in self.versions()}
            version = known.get(record["model_sha256"]) or self._create(copy, documents)
            found = self.client.get_model_version(self.name, str(version.number))
            for name, value in documents.items():
                self.client.log_dict(str(found.run_id), value, f"documents/{name}.json")
            if version.number not in {event.version for event in self.history()}:
                self._move("register", CHALLENGER, version, "")
        return version

    @in_one_line()
    def at(self, alias: str) -> Version | None:
        """Return the version that an alias names; None if it names none."""
        try:
            return _version(self.client.get_model_version_by_alias(self.name, alias))
        except mlflow.MlflowException as error:
            if error.error_code in UNKNOWN:
                return None
            raise

    @in_one_line()
    def version(self, number: int) -> Version:
        """Return a version by its number; raise DataError if there is none."""
        return _version(self.client.get_model_version(self.name, str(number)))

    @in_one_line()
    def versions(self) -> list[Version]:
        """Return all versions, oldest first."""
        found = self.client.search_model_versions(f"name = '{self.name}'")
        return sorted(_version(version) for version in found)

    def promote(
        self, version: Version, why: str, current: Version | None, alias: str = CHAMPION
    ) -> None:
        """Make an alias name a version; DataError if it is not ``current`` any more."""
        with in_one_line(), self.lock:
            found = self.at(alias)
            if found not in (version, current):
                now = f"{alias}: version {found.number if found else 'none'} by now"
                raise DataError(f"{now}; run the command again, to compare with that")
            if found != version:
                self._move("promote", alias, version, why)

    def reject(self, version: Version, why: str) -> None:
        """Write down that a version does not become champion, and why."""
        with in_one_line(), self.lock:
            self._move("reject", CHALLENGER, version, why)

    def rollback(self, why: str, alias: str = CHAMPION) -> tuple[Version, Version]:
        """Go back by one promotion; return what the alias names now, and did before."""
        with in_one_line(), self.lock:
            named: list[int] = []
            for event in self.history():
                if event.alias == alias and event.action == "promote":
                    named.append(event.version)
                elif event.alias == alias and event.action == "rollback":
                    named.pop()
            if len(named) < 2:
                raise DataError(f"{alias}: named no version before the present one")
            version, before = self.version(named[-2]), self.version(named[-1])
            self.fetch(version)
            self._move("rollback", alias, version, why)
            return version, before

    @in_one_line()
    def history(self) -> list[Event]:
        """Return what was done, oldest first."""
        models = self.client.search_registered_models(f"name = '{self.name}'")
        tags = sorted(tag for model in models for tag in model.tags.items())
        events = [Event(**json.loads(v)) for k, v in tags if k.startswith("event.")]
        if events and events[-1].action != "reject":
            found = self.at(events[-1].alias)
            if events[-1].previous == (found and found.number):
                events.pop()  # its process was killed before it moved the alias
        return events

    def record(self, version: Version) -> Record:
        """Return the record of a version."""
        return load_record(self.fetch(version))

    @in_one_line()
    def document(self, version: Version, name: str) -> dict[str, Any] | None:
        """Return a JSON document about a version; None if there is none."""
        found = self.client.get_model_version(self.name, str(version.number))
        for file in self.client.list_artifacts(str(found.run_id), "documents"):
            if file.path == f"documents/{name}.json":
                return mlflow.artifacts.load_dict(f"runs:/{found.run_id}/{file.path}")
        return None

    def fetch(self, version: Version) -> Path:
        """Return the verified model file, its record beside it; downloaded once."""
        path = self.folder / "fetched" / version.sha256 / "model.joblib"
        with in_one_line(), self.lock, TemporaryDirectory() as folder:
            try:
                check_digest(path, load_record(path))
            except DataError:
                found = self.client.get_model_version(self.name, str(version.number))
                saved = found.tags.get("saved", found.source)  # once, it was the source
                source, name = str(saved).rsplit("/", 1)
                files = mlflow.artifacts.download_artifacts(source, dst_path=folder)
                copy_model(Path(files) / name, path)
        return path

    def _create(self, path: Path, documents: Mapping[str, Any]) -> Version:
        """Make a version of a model, kept with the run that made it or a new one."""
        pipeline, record = load_model(path)
        where = f"source_run_id = '{record.get('run_id')}'"
        found = self.client.search_logged_models([self.experiment_id], where)
        logged = [model for model in found if model.status == "READY"]
        if not logged:  # it was trained where nothing was recorded, or elsewhere
            from pandas import DataFrame

            with mlflow.start_run(None, self.experiment_id, "register"):
                logged = [log_model(pipeline, DataFrame([record["example"]]))]
        run_id, uri = str(logged[0].source_run_id), logged[0].model_uri
        self.client.log_artifacts(run_id, str(path.parent), "saved")
        tags = {key: str(record.get(key)) for key in SHOWN}
        tags["saved"] = f"runs:/{run_id}/saved/{path.name}"
        scores = documents.get("evaluation", {}).get("metrics", {})
        tags |= {f"test.{name}": str(score["value"]) for name, score in scores.items()}
        with redirect_stderr(StringIO()):  # where it tells what it does
            return _version(mlflow.register_model(uri, self.name, tags=tags))

    def _move(self, action: Action, alias: str, version: Version, why: str) -> None:
        """Write down what is done to an alias, then do it."""
        now, who = datetime.now(UTC).isoformat(timespec="seconds"), "unknown"
        with suppress(ImportError, KeyError, OSError):  # by platform: no such user
            who = getpass.getuser()
        number, why = version.number, why[:2000]  # a tag holds 5000 characters
        found = self.at(alias)
        event = Event(now, who, action, alias, number, why, found and found.number)
        text = json.dumps(event._asdict(), ensure_ascii=False)
        key = f"event.{len(self.history()):06}"  # over one that came to nothing
        self.client.set_registered_model_tag(self.name, key, text)
        if alias in (CHAMPION, CHALLENGER) and self.at(CHALLENGER) == version:
            self.client.delete_registered_model_alias(self.name, CHALLENGER)
        if action != "reject":
            self.client.set_registered_model_alias(self.name, alias, str(number))


def _version(found: ModelVersion) -> Version:
    # Without the tag, it was registered by hand, and cannot be fetched.
    return Version(int(found.version), found.tags.get("model_sha256", ""))

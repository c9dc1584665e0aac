"""The registry in MLflow: its versions, and its aliases champion and challenger.

Each event has tags of the registered model under a key of its own: its text, in parts
that MLflow takes, and how many there are. An event is first named as ``pending``, then
the aliases are set, then it enters the history; whoever comes next completes what a
killed process left pending. One process of a machine writes at a time, behind a lock;
MLflow cannot hold two machines apart, so that promotions from several must go through
one job, such as a workflow that does not run twice at once.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from src.models.artifact import Record, load_record, record_path
from src.models.directory_registry import MODEL, exclusive
from src.models.registry import (
    Event,
    ModelRegistry,
    Version,
    challenger_of,
    check_digest,
    reigns_of,
)
from src.tracking.mlflow_connection import FAILURES, connect
from src.utils.config import Settings
from src.utils.errors import ModelError, reported
from src.utils.files import read_json, write_json

PENDING = "pending"
EVENT = "history."
NUMBER = "registry_number"
SIZE = 4000  # of a part; MLflow takes 5000 characters at most


@contextmanager
def asking() -> Iterator[None]:
    """Say in one line what the store refuses.

    Raises:
        ModelError: If it refuses something, or cannot be reached.
    """
    what = "the registry in MLflow cannot be used"
    advice = (
        "see whether the server is up, its files are there and can be written; then "
        "run the command again, which completes what was begun"
    )
    with reported(FAILURES, ModelError, what, advice):
        yield


class MlflowRegistry(ModelRegistry):
    """Keeps versions in the Model Registry of MLflow."""

    def __init__(
        self, client: MlflowClient, experiment_id: str, name: str, cache: Path
    ) -> None:
        """Take where to keep what.

        Args:
            client: Of the store.
            experiment_id: Where a model without a run of its own gets one.
            name: Of the registered model.
            cache: Where fetched models go.
        """
        self.client = client
        self.experiment_id = experiment_id
        self.name = name
        self.cache = cache

    def history(self) -> list[Event]:
        """Return all events, one that is pending included; see ``ModelRegistry``.

        Raises:
            ModelError: If tags were changed by hand.
        """
        return self._events(self._tags())

    def _events(self, tags: Mapping[str, str]) -> list[Event]:
        """Return the events that the tags of the registered model hold."""
        parts = {k: n for k, n in tags.items() if k.startswith(EVENT) and "/" not in k}
        if PENDING in tags:
            key, _, count = tags[PENDING].partition(" ")
            parts[key] = count
        try:
            return [
                Event(**json.loads("".join(tags[f"{k}/{i}"] for i in range(int(n)))))
                for k, n in sorted(parts.items())
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self.name}: the tags {EVENT}* of the registered model are damaged "
                f"({error}); expected events as JSON, restore the tags"
            ) from None

    def path_of(self, number: int, sha256: str) -> Path:
        """Return where a version is once it is here; see ``ModelRegistry``."""
        # By digest: another registry that is used later never finds this one's models.
        return self.cache / sha256 / MODEL

    def fetch(self, version: Version) -> Path:
        """Download a version, unless it is here and whole; see ``ModelRegistry``."""
        self._check_known(version, self.history())
        path = self.path_of(version.number, version.sha256)
        if not _is_whole(path, version):
            self.cache.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.cache) as folder:
                model = self._download(version.number, MODEL, Path(folder))
                check_digest(model, version.record)
                write_json(record_path(path), version.record)
                model.replace(path)
        return path

    def attach(self, version: Version, name: str, content: Mapping[str, Any]) -> None:
        """Keep a JSON document with a version; see ``ModelRegistry``."""
        text = json.dumps(dict(content), allow_nan=False)
        file = f"{self._folder(version.number)}/{name}.json"
        with asking():
            self.client.log_text(self._run_of(version.number), text, file)

    def attached(self, version: Version, name: str) -> dict[str, Any] | None:
        """Return a JSON document of a version; see ``ModelRegistry``."""
        folder, file = self._folder(version.number), f"{name}.json"
        with asking():
            run_id = self._run_of(version.number)
            listed = self.client.list_artifacts(run_id, folder)
        if f"{folder}/{file}" not in {entry.path for entry in listed}:
            return None
        with TemporaryDirectory() as target:
            return dict(read_json(self._download(version.number, file, Path(target))))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self.cache.parent), asking():
            self._complete(self._tags())
            yield

    def _store(self, number: int, model_path: Path, record: Record) -> Version:
        self._ensure_model()
        tracking = record.get("tracking") or {}
        run_id = tracking.get("run_id") if tracking.get("backend") == "mlflow" else None
        if run_id is None or not self._has_run(run_id):
            run = self.client.create_run(self.experiment_id, run_name="registered")
            self.client.set_terminated(run.info.run_id)
            run_id = run.info.run_id
        folder = self._folder(number)
        with TemporaryDirectory() as copy:
            target = Path(copy) / MODEL
            target.write_bytes(model_path.read_bytes())
            check_digest(target, record)
            write_json(record_path(target), record)
            self.client.log_artifacts(run_id, copy, folder)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{folder}"
        self.client.create_model_version(
            self.name,
            source,
            run_id,
            tags=_lineage(record) | {NUMBER: str(number)},
        )
        return Version(number, record)

    def _append(self, event: Event) -> None:
        tags = self._tags()
        key = f"{EVENT}{len(self._events(tags)):06}"
        text = json.dumps(asdict(event), allow_nan=False)
        parts = [text[start : start + SIZE] for start in range(0, len(text), SIZE)]
        new = {f"{key}/{number}": part for number, part in enumerate(parts)}
        new[PENDING] = f"{key} {len(parts)}"  # last: what it names is there
        for name, value in new.items():
            self._tag(name, value)
        self._complete(tags | new)

    def _complete(self, tags: Mapping[str, str]) -> None:
        """Do what an event that is pending asks for; again if it was done in part."""
        if PENDING not in tags:
            return
        key, _, count = tags[PENDING].partition(" ")
        events = self._events(tags)
        reigns = reigns_of(events)
        aliases = {
            "champion": reigns[-1] if reigns else None,
            "challenger": challenger_of(events),
        }
        for alias, number in aliases.items():
            if number is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                theirs = self._theirs(number).version
                self.client.set_registered_model_alias(self.name, alias, theirs)
        self._tag(key, count)
        self.client.delete_registered_model_tag(self.name, PENDING)

    def _tags(self) -> dict[str, str]:
        """Return the tags of the registered model; none before the first version."""
        with asking():
            try:
                return dict(self.client.get_registered_model(self.name).tags)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return {}

    def _tag(self, key: str, text: str) -> None:
        self.client.set_registered_model_tag(self.name, key, text)

    def _ensure_model(self) -> None:
        """Make the registered model, if this is its first version."""
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _has_run(self, run_id: str) -> bool:
        """Return whether the store knows a run."""
        try:
            return bool(self.client.get_run(run_id))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def _theirs(self, number: int) -> Any:
        """Return the version of MLflow that is ours of this number.

        Of two, the later one: the first was left by a process that was killed.
        """
        which = f"name = '{self.name}' and tags.{NUMBER} = '{number}'"
        with asking():
            found = self.client.search_model_versions(which)
        if not found:
            raise ModelError(f"{self.name}: version {number} is not in MLflow any more")
        return max(found, key=lambda version: int(version.version))

    def _run_of(self, number: int) -> str:
        return str(self._theirs(number).run_id)

    def _record_of(self, number: int) -> Record:
        name = record_path(Path(MODEL)).name
        with TemporaryDirectory() as folder:
            return load_record(self._download(number, name, Path(folder)))

    def _download(self, number: int, name: str, target: Path) -> Path:
        """Bring a file of a version to a folder."""
        uri = f"runs:/{self._run_of(number)}/{self._folder(number)}/{name}"
        what, advice = f"{uri}: cannot be fetched", "see whether its files are there"
        with reported(FAILURES, ModelError, what, advice):
            path = download_artifacts(
                artifact_uri=uri,
                dst_path=str(target),
                tracking_uri=self.client.tracking_uri,
            )
        return Path(path)

    @staticmethod
    def _folder(number: int) -> str:
        return f"version-{number}"


def _is_whole(path: Path, version: Version) -> bool:
    """Return whether a model and its record are here as they were registered."""
    try:
        check_digest(path, version.record)
        return load_record(path) == version.record
    except ModelError:
        return False


def _lineage(record: Record) -> dict[str, str]:
    """Return what made a model, for those who look at MLflow's pages."""
    data = record.get("data", {})
    lineage = {
        "model_sha256": record["model_sha256"],
        "model_type": record.get("model_type"),
        "code_revision": record.get("code_revision"),
        "source_sha256": data.get("source_sha256"),
        "train_sha256": data.get("files", {}).get("train.csv", {}).get("sha256"),
    }
    return {key: str(value) for key, value in lineage.items() if value is not None}


def make_registry(settings: Settings) -> ModelRegistry:
    """Return the registry in the store that ``connect`` names."""
    client, experiment_id = connect(settings)
    cache = settings.paths.models / "registry" / "fetched"
    return MlflowRegistry(client, experiment_id, settings.registry.model, cache)

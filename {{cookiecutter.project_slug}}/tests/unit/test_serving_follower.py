"""Which models are loaded, whatever happens to the files and to the source."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from src.models.artifact import export_path, load_model, record_path, save_model
from src.models.directory_registry import DirectoryRegistry
from src.models.registry import make_registry
from src.models.registry import Version
from src.serving import follower as module
from src.serving.follower import Follower, Models
from src.serving.metrics import Metrics
from src.serving.settings import ServingSettings
from src.serving.source import Candidates, ModelSource, RegistrySource
from src.utils.config import Settings
from src.utils.errors import ModelError
from tests.fixtures.synthetic import make_settings


@dataclass(eq=False)
class Loaded:
    """Stands in for a predictor: what is saved says whether it can be loaded."""

    version: str
    record: dict[str, Any]
    engine: SimpleNamespace


class Project:
    """A registry, and a service that follows it without a thread."""

    def __init__(self, folder: Path, **serving: Any) -> None:
        self.folder = folder
        self.settings: Settings = make_settings(folder, "classification")
        self.registry = make_registry(self.settings)
        self.metrics = Metrics()
        self.loads: list[str] = []
        self.serving = ServingSettings.model_validate(serving)
        self.changes: list[Models] = []
        self.source: ModelSource = RegistrySource(self.settings)
        self.follower = self.follow(self.source)

    def follow(self, source: ModelSource) -> Follower:
        load: Any = self.load
        return Follower(source, self.serving, self.metrics, self.changes.append, load)

    def load(self, path: Path, version: str, _: ServingSettings) -> Loaded:
        self.loads.append(version)
        content, record = load_model(path)
        if content.get("broken"):
            raise ValueError("it cannot\npredict")
        return Loaded(version, record, SimpleNamespace(runtime="onnxruntime"))

    def add(self, weight: int, **content: Any) -> Version:
        path = self.folder / f"{weight}.joblib"
        record = {"weight": weight, "export": {"verified": True}}
        save_model({"weight": weight, **content}, record, path, b"compiled")
        return self.registry.register(path, "trained")

    def promote(self, weight: int, **content: Any) -> Path:
        version = self.add(weight, **content)
        self.registry.promote(version, "better")
        return self.registry.path_of(version.number, version.sha256)

    def versions(self) -> tuple[str | None, str | None]:
        """Look at the source, then say which versions are loaded."""
        self.follower.refresh()
        champion, challenger = self.follower.models
        return (
            champion.version if champion else None,
            challenger.version if challenger else None,
        )

    @property
    def refused(self) -> float | None:
        return self.metrics.registry.get_sample_value("model_refused_total")

    def in_use(self) -> set[tuple[str, str]]:
        """The versions and roles that the metrics name."""
        (family,) = [
            f for f in self.metrics.registry.collect() if f.name == "model_info"
        ]
        return {(s.labels["version"], s.labels["role"]) for s in family.samples}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def shadowed(tmp_path: Path) -> Project:
    return Project(tmp_path, challenger="shadow")


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_the_champion_is_followed_forward_and_back(project: Project) -> None:
    assert project.versions() == (None, None)
    project.promote(1)
    assert project.versions() == ("1", None)
    project.promote(2)
    assert project.versions() == ("2", None)
    assert project.in_use() == {("2", "champion")}
    project.registry.rollback("worse")
    assert project.versions() == ("1", None)
    assert project.loads == ["1", "2", "1"]


def test_a_model_that_is_loaded_is_not_loaded_again(project: Project) -> None:
    project.promote(1)
    for _ in range(3):
        project.versions()
    assert project.loads == ["1"]
    assert len(project.changes) == 1


def test_who_wants_to_know_is_told_of_every_change(project: Project) -> None:
    for weight in (1, 2):
        project.promote(weight)
        project.versions()
    assert [m.champion.version for m in project.changes if m.champion] == ["1", "2"]


def test_the_challenger_is_loaded_only_if_it_has_something_to_do(
    project: Project,
) -> None:
    project.promote(1)
    project.add(2)
    assert project.versions() == ("1", None)
    assert project.loads == ["1"]


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_a_challenger_that_becomes_champion_is_not_loaded_twice(
    tmp_path: Path, mode: str
) -> None:
    project = Project(tmp_path, challenger=mode)
    project.promote(1)
    second = project.add(2)
    assert project.versions() == ("1", "2")
    assert project.in_use() == {("1", "champion"), ("2", "challenger")}
    challenger = project.follower.models.challenger
    project.registry.promote(second, "better")
    assert project.versions() == ("2", None)
    assert project.follower.models.champion is challenger
    assert project.loads == ["1", "2"]
    assert project.in_use() == {("2", "champion")}


def test_a_challenger_that_was_rejected_is_gone(shadowed: Project) -> None:
    shadowed.promote(1)
    second = shadowed.add(2)
    assert shadowed.versions() == ("1", "2")
    shadowed.registry.reject(second, "worse")
    assert shadowed.versions() == ("1", None)


def test_a_broken_challenger_leaves_the_champion_alone(shadowed: Project) -> None:
    shadowed.promote(1)
    shadowed.add(2, broken=True)
    assert shadowed.versions() == ("1", None)
    assert shadowed.refused == 1


def damage_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_digest(path: Path) -> None:
    record = record_path(path)
    text = record.read_text(encoding="utf-8")
    start = text.index('"model_sha256": "') + len('"model_sha256": "')
    record.write_text(f"{text[:start]}{'0' * 64}{text[start + 64:]}", encoding="utf-8")


def damage_export(path: Path) -> None:
    export = export_path(path)
    export.write_bytes(export.read_bytes()[:-1])


def lose_export(path: Path) -> None:
    export_path(path).unlink()


def lose_model(path: Path) -> None:
    path.unlink()


def lose_record(path: Path) -> None:
    record_path(path).unlink()


DAMAGES = [
    damage_bytes,
    damage_digest,
    damage_export,
    lose_export,
    lose_model,
    lose_record,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_a_broken_champion_is_refused_once_and_taken_when_it_is_restored(
    project: Project,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    project.promote(1)
    project.versions()
    path = project.promote(2)
    whole = {file: file.read_bytes() for file in path.parent.iterdir()}
    damage(path)
    for _ in range(3):
        assert project.versions() == ("1", None)
    assert project.refused == 1
    (line,) = errors(caplog)
    assert "\n" not in line
    assert line.startswith("version 2 is refused, version 1 answers on: ")
    for file, content in whole.items():
        file.write_bytes(content)
    assert project.versions() == ("2", None)


def test_a_champion_that_cannot_be_loaded_is_tried_again_only_if_it_changes(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.promote(1, broken=True)
    for _ in range(3):
        assert project.versions() == (None, None)
    assert project.loads == ["1"]
    assert errors(caplog) == [
        "version 1 is refused, none answers: it cannot predict",
    ]
    os.utime(path, (0, 0))
    assert project.versions() == (None, None)
    assert project.loads == ["1", "1"]


def test_a_refused_champion_is_replaced_by_the_next(project: Project) -> None:
    project.promote(1)
    project.versions()
    project.promote(2, broken=True)
    project.versions()
    project.promote(3)
    assert project.versions() == ("3", None)
    project.registry.rollback("to the broken one")
    assert project.versions() == ("3", None)
    project.registry.rollback("further")
    assert project.versions() == ("1", None)


class Scripted(ModelSource):
    """A source that answers what a test says, or fails."""

    def __init__(self, source: ModelSource) -> None:
        self.source = source
        self.error: Exception | None = None

    def candidates(self) -> Candidates:
        if self.error is not None:
            raise self.error
        return self.source.candidates()


@pytest.mark.parametrize("error", [ModelError("no server"), OSError("no\nnetwork")])
def test_a_source_that_fails_changes_nothing_and_is_reported_once(
    project: Project, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO)
    source = Scripted(project.source)
    project.follower = project.follow(source)
    project.promote(1)
    project.versions()
    source.error = error
    for _ in range(3):
        assert project.versions() == ("1", None)
    assert len(errors(caplog)) == 1
    assert "no server" in caplog.text or "no network" in caplog.text
    assert project.refused == 0
    source.error = None
    project.promote(2)
    assert project.versions() == ("2", None)
    assert "can be seen again" in caplog.text


def test_a_model_that_could_not_be_fetched_is_tried_again_after_a_while(
    project: Project,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.promote(1)
    fetch, calls = DirectoryRegistry.fetch, []

    def fail(registry: DirectoryRegistry, version: Version) -> Path:
        calls.append(version)
        raise ModelError("no network")

    monkeypatch.setattr(DirectoryRegistry, "fetch", fail)
    assert project.versions() == (None, None) == project.versions()
    assert len(calls) == 1
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    project.follower = project.follow(project.source)
    assert project.versions() == (None, None) == project.versions()
    assert len(calls) == 3
    assert len(errors(caplog)) == 2  # one for each of the two followers
    monkeypatch.setattr(DirectoryRegistry, "fetch", fetch)
    assert project.versions() == ("1", None)


def test_a_challenger_that_is_slow_to_load_does_not_hold_up_the_champion(
    shadowed: Project,
) -> None:
    shadowed.promote(1)
    shadowed.add(2)
    seen: list[Models] = []
    load = shadowed.load

    def noting(path: Path, version: str, serving: ServingSettings) -> Loaded:
        seen.append(shadowed.follower.models)
        return load(path, version, serving)

    shadowed.load = noting  # type: ignore[method-assign]
    shadowed.follower = shadowed.follow(shadowed.source)
    assert shadowed.versions() == ("1", "2")
    assert [bool(models.champion) for models in seen] == [False, True]


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Project]:
    """A project that a thread follows."""
    project = Project(tmp_path, refresh_seconds=0.005, challenger="shadow")
    project.promote(1)
    project.follower.start()
    yield project
    project.follower.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def version_of(project: Project) -> str:
    champion = project.follower.models.champion
    assert champion is not None
    return champion.version


def test_who_asks_while_the_champion_changes_always_finds_one(
    followed: Project,
) -> None:
    followed.add(2)
    seen: set[str] = set()
    is_done = Event()
    gaps: list[Models] = []

    def ask() -> None:
        while not is_done.is_set():
            models = followed.follower.models
            if models.champion is None or models.champion is models.challenger:
                gaps.append(models)
            else:
                seen.add(models.champion.version)

    asking = Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            followed.registry.promote(followed.registry.version(2), "better")
            wait_for(lambda: version_of(followed) == "2")
            followed.registry.rollback("worse")
            wait_for(lambda: version_of(followed) == "1")
    finally:
        is_done.set()
        asking.join()
    assert gaps == []
    assert seen == {"1", "2"}


def test_the_following_outlives_a_defect(
    followed: Project, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Models) -> None:
        raise RuntimeError("a defect of the callback")

    followed.follower._on_change = fail
    followed.promote(2)
    wait_for(lambda: "a defect" in caplog.text)
    followed.promote(3)
    wait_for(lambda: version_of(followed) == "3")


def test_a_source_that_hangs_holds_up_neither_start_nor_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Event()

    class Hanging(ModelSource):
        def candidates(self) -> Candidates:
            hanging.wait(20)
            return Candidates(None, None)

    monkeypatch.setattr(module, "START_SECONDS", 0.01)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.01)
    follower = project.follow(Hanging())
    begin = time.monotonic()
    follower.start()
    assert follower.models == (None, None)
    follower.stop()
    assert time.monotonic() - begin < 5
    hanging.set()

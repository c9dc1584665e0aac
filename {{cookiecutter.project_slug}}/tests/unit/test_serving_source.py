"""Which models the sources name, and what it costs to ask them."""

import os
from pathlib import Path

import pytest

from src.models.artifact import load_record, record_path, save_model
from src.models.directory_registry import DirectoryRegistry
from src.models.registry import make_registry
from src.models.release import release, roll_back
from src.serving import source as module
from src.serving.settings import ServingSettings
from src.serving.source import (
    Candidate,
    ModelSource,
    PathSource,
    RegistrySource,
    make_source,
)
from src.utils.config import Settings
from src.utils.errors import ConfigError, ModelError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import make_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, "classification")


def save(path: Path, weight: int) -> Path:
    save_model({"weight": weight}, {"weight": weight}, path)
    return path


def champion_of(source: ModelSource) -> Candidate:
    champion = source.candidates().champion
    assert champion is not None
    return champion


def test_the_settings_name_the_source(settings: Settings, tmp_path: Path) -> None:
    assert isinstance(make_source(settings, ServingSettings()), RegistrySource)
    serving = ServingSettings(model_path=save(tmp_path / "model.joblib", 1))
    assert champion_of(make_source(settings, serving)).path == serving.model_path


def test_the_registry_names_champion_and_challenger_whatever_is_decided(
    settings: Settings, tmp_path: Path
) -> None:
    registry, source = make_registry(settings), RegistrySource(settings)
    assert source.candidates() == (None, None)

    def versions() -> list[str | None]:
        return [c.version if c else None for c in source.candidates()]

    first = registry.register(save(tmp_path / "1.joblib", 1), "first")
    assert versions() == [None, "1"]
    registry.promote(first, "best")
    assert versions() == ["1", None]
    second = registry.register(save(tmp_path / "2.joblib", 2), "second")
    assert versions() == ["1", "2"]
    registry.promote(second, "better")
    assert versions() == ["2", None]
    registry.rollback("worse")
    assert versions() == ["1", None]


def test_a_candidate_of_the_registry_brings_its_model(
    settings: Settings, tmp_path: Path
) -> None:
    registry = make_registry(settings)
    version = registry.register(save(tmp_path / "1.joblib", 1), "first")
    registry.promote(version, "best")
    champion = champion_of(RegistrySource(settings))
    assert champion.sha256 == version.sha256
    assert champion.fetch() == champion.path == registry.fetch(version)
    champion.path.write_bytes(b"other")
    with pytest.raises(ModelError, match="digest"):
        champion.fetch()


def test_a_history_that_did_not_change_is_not_read_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, source = make_registry(settings), RegistrySource(settings)
    registry.register(save(tmp_path / "1.joblib", 1), "first")
    source.candidates()
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryRegistry, "history", lambda _: pytest.fail("read"))
        assert source.candidates().challenger is not None
    registry.reject(registry.version(1), "worse")
    assert source.candidates().challenger is None


def test_both_models_of_a_registry_without_revisions_cost_one_look(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry(settings)
    registry.promote(registry.register(save(tmp_path / "1.joblib", 1), "1"), "1")
    registry.register(save(tmp_path / "2.joblib", 2), "2")
    looks = []
    history = DirectoryRegistry.history

    def counted(self: DirectoryRegistry) -> object:
        looks.append(self)
        return history(self)

    monkeypatch.setattr(DirectoryRegistry, "history", counted)
    monkeypatch.setattr(DirectoryRegistry, "revision", lambda _: None)
    source = RegistrySource(settings)
    for number in (1, 2, 3):
        assert None not in source.candidates()
        assert len(looks) == number


def test_a_registry_is_opened_when_it_is_asked(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project(rows=10, registry={"backend": "moon"})
    source = RegistrySource(settings)
    with pytest.raises(ConfigError, match="moon"):
        source.candidates()
    registry = DirectoryRegistry(settings.paths.models / "registry")
    monkeypatch.setattr(module, "make_registry", lambda _: registry)
    assert source.candidates() == (None, None)


def test_a_file_is_another_version_once_its_record_is(tmp_path: Path) -> None:
    path = save(tmp_path / "model.joblib", 1)
    source = PathSource(path)
    first = champion_of(source)
    digest = load_record(path)["model_sha256"]
    assert (first.version, first.sha256) == (digest[:12], digest)
    assert first.fetch() == path
    save(path, 2)
    second = champion_of(source)
    assert second.sha256 == load_record(path)["model_sha256"] != first.sha256
    assert source.candidates().challenger is None


def test_a_record_that_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "model.joblib", 1)
    source = PathSource(path)
    first = champion_of(source)
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_record", lambda _: pytest.fail("read"))
        assert champion_of(source).identity == first.identity


@pytest.mark.parametrize("content", [None, "{}", "{"])
def test_a_file_without_a_record_is_named_until_it_has_one(
    tmp_path: Path, content: str | None
) -> None:
    path = save(tmp_path / "model.joblib", 1)
    record = record_path(path)
    whole = record.read_text(encoding="utf-8")
    if content is None:
        record.unlink()
    else:
        record.write_text(content, encoding="utf-8")
    source = PathSource(path)
    assert champion_of(source).identity == ("unknown", "")
    record.write_text(whole, encoding="utf-8")
    assert champion_of(source).version != "unknown"


def test_a_path_with_nothing_at_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model_path: .*absent is not there, expected"):
        PathSource(tmp_path / "absent").candidates()


def test_a_model_file_is_not_needed_beside_its_record(tmp_path: Path) -> None:
    path = save(tmp_path / "model.joblib", 1)
    path.unlink()
    assert champion_of(PathSource(path)).sha256


def test_a_place_of_releases_names_the_one_in_use(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    source = PathSource(place)
    with pytest.raises(ModelError, match="nothing released here yet"):
        source.candidates()
    one, _ = release(save(tmp_path / "1.joblib", 1), place, keep=2)
    first = champion_of(source)
    assert first.version == one
    assert load_record(first.fetch())["weight"] == 1
    two, _ = release(save(tmp_path / "2.joblib", 2), place, keep=2)
    assert champion_of(source).version == two
    roll_back(place)
    assert champion_of(source).identity == first.identity


def test_a_record_replaced_by_one_of_the_same_size_and_time_is_noticed(
    tmp_path: Path,
) -> None:
    path = save(tmp_path / "model.joblib", 1)
    record = record_path(path)
    source = PathSource(path)
    before = champion_of(source)
    status = record.stat()
    other = tmp_path / "other.json"
    text = record.read_text(encoding="utf-8")
    other.write_text(text.replace(before.sha256, "0" * 64), encoding="utf-8")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(record)
    assert champion_of(source).sha256 == "0" * 64

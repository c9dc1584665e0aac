"""The registry in a folder."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from src.models import directory_registry as module
from src.models.artifact import save_model
from src.models.directory_registry import DirectoryRegistry
from src.models.registry import make_registry
from src.utils.errors import ConfigError, ModelError
from tests.conftest import ProjectMaker
from tests.fixtures.registry_suite import Opener, RegistrySuite, damage_export


class TestDirectoryRegistry(RegistrySuite):
    kills = 12
    rounds = 40

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opener:
        return partial(DirectoryRegistry, tmp_path / "registry")

    @pytest.fixture
    def steps(self) -> list[tuple[object, str]]:
        return [
            (shutil, "copyfile"),
            (module, "write_json"),
            (Path, "rename"),
            (os, "fsync"),
        ]


def one_model(tmp_path: Path) -> DirectoryRegistry:
    registry = DirectoryRegistry(tmp_path / "registry")
    save_model({"weight": 1}, {}, tmp_path / "trained.joblib")
    registry.register(tmp_path / "trained.joblib", "first")
    return registry


def test_an_event_cut_off_at_any_byte_did_not_happen(tmp_path: Path) -> None:
    registry = one_model(tmp_path)
    path = registry.folder / "history.jsonl"
    start = path.stat().st_size
    version = registry.versions()[0]
    registry.promote(version, "né")
    whole = path.read_bytes()
    for size in range(start, len(whole)):
        path.write_bytes(whole[:size])
        assert registry.champion() is None
    registry.promote(version, "again")
    assert [e.why for e in registry.history()] == ["first", "again"]


@pytest.mark.parametrize("name", ["model.joblib", "model.json"])
def test_a_damaged_version_is_refused(tmp_path: Path, name: str) -> None:
    registry = one_model(tmp_path)
    version = registry.versions()[0]
    path = registry.folder / "versions" / "1" / name
    content = path.read_bytes().replace(version.sha256.encode(), b"0" * 64)
    path.write_bytes(content if name == "model.json" else b"other")
    with pytest.raises(ModelError, match="digest"):
        registry.fetch(version)


@pytest.mark.parametrize("damage", [b"compile", None])
def test_a_version_whose_export_is_not_whole_is_refused(
    tmp_path: Path, damage: bytes | None
) -> None:
    path = tmp_path / "exported.joblib"
    save_model({"weight": 1}, {"export": {"verified": True}}, path, b"compiled")
    registry = DirectoryRegistry(tmp_path / "registry")
    version = registry.register(path, "exported")
    damage_export(registry.fetch(version), damage)
    with pytest.raises(ModelError, match=r"model\.onnx: (digest|file)") as error:
        registry.fetch(version)
    assert "\n" not in str(error.value)


def test_a_damaged_history_is_reported_with_its_line(tmp_path: Path) -> None:
    registry = one_model(tmp_path)
    (registry.folder / "history.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(ModelError, match="history.jsonl: line 1"):
        registry.history()


def test_a_registry_that_another_process_keeps_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = one_model(tmp_path)
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.01)
    with module.exclusive(registry.folder):
        with pytest.raises(ModelError, match="another process"):
            registry.reject(registry.versions()[0], "no")


def test_an_unknown_backend_is_named(make_project: ProjectMaker) -> None:
    with pytest.raises(ConfigError, match="'moon', expected one of: directory"):
        make_registry(make_project(registry={"backend": "moon"}))

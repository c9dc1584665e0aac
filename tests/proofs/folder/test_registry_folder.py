"""The registry in a folder: kills at any step, torn and damaged files, and git."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from src.models.artifact import load_model, export_path, record_path, save_model
from src.models.registry import Registry
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.proofs.killing import interrupted

STEPS = ((Path, "write_bytes"), (Path, "replace"), (os, "replace"))


@pytest.fixture
def registry(make_project: ProjectMaker) -> Registry:
    return Registry(make_project())


@pytest.fixture
def save(tmp_path: Path) -> Callable[[int], Path]:
    def save(weight: int) -> Path:
        path = tmp_path / f"trained-{weight}.joblib"
        export = {"verified": True} if weight < 0 else None
        record = {"run_id": None, "export": export}
        save_model({"weight": weight}, record, path, b"compiled" if export else None)
        return path

    return save


def test_a_promotion_that_is_killed_at_any_step_is_completed_by_repeating_it(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    first = registry.register(save(0))
    registry.promote(first, "first", None)

    def promote(path: Path) -> None:
        current = registry.at("champion")
        version = registry.register(path, {"gate": {"path": path.name}})
        registry.promote(version, "better", current)

    kills = 0
    while interrupted(partial(promote, save(-1 - kills)), STEPS, kills):
        path = save(-1 - kills)
        kills += 1
        found = registry.at("champion")
        assert found is not None
        assert load_model(registry.fetch(found))[0]["weight"] in (0, -kills)
        promote(path)
        now = registry.at("champion")
        assert now is not None and now.number == kills + 1
        assert load_model(registry.fetch(now))[0] == {"weight": -kills}
        assert registry.document(now, "gate") == {"path": path.name}
        assert registry.rollback("back") == (first, now)
    assert kills >= 20


def test_a_model_that_is_brought_back_and_killed_at_any_step_is_never_unknown(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    path = save(-1)
    version = registry.register(path)
    registry.promote(version, "better", None)
    kills = 0
    while True:
        registry.fetch(version).unlink()  # git keeps what is JSON
        was_killed = interrupted(partial(registry.register, path), STEPS, kills)
        assert registry.at("champion") == version
        assert registry.register(path) == version
        assert load_model(registry.fetch(version))[0] == {"weight": -1}
        if not was_killed:
            break
        kills += 1
    assert kills >= 8


def test_an_event_that_is_killed_at_any_step_happened_or_did_not(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    version = registry.register(save(1))
    path = registry.folder / "history.jsonl"
    before, kills = path.read_bytes(), 0
    steps = ((Path, "write_text"), (os, "replace"))
    while interrupted(partial(registry.promote, version, "né", None), steps, kills):
        kills += 1
        assert path.read_bytes().startswith(before)
        assert len(registry.history()) == (2 if kills == 4 else 1)
        path.with_name(".partial-history.jsonl").write_bytes(b'{"time": "20')
        path.write_bytes(before)
    assert kills == 4
    assert [event.why for event in registry.history()] == ["", "né"]
    assert path.read_bytes().startswith(before)


@pytest.mark.parametrize("line", [b"\xff", b"{", b"[]", b'{"action": "promote"}'])
def test_a_damaged_history_is_reported_with_its_line(
    registry: Registry, save: Callable[[int], Path], line: bytes
) -> None:
    registry.register(save(1))
    with (registry.folder / "history.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DataError, match="history.jsonl: line 2") as error:
        registry.at("champion")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [b"another", None])
@pytest.mark.parametrize("name", [Path, export_path, record_path])
def test_a_damaged_version_is_refused_and_mended_by_registering_it_again(
    registry: Registry,
    save: Callable[[int], Path],
    name: Callable[[Path], Path],
    damage: bytes | None,
) -> None:
    version = registry.register(save(-1))
    path = name(registry.fetch(version))
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(DataError) as error:
        registry.fetch(version)
    assert "\n" not in str(error.value)
    if name is not record_path:  # without a record, nothing says that it is the same
        assert registry.register(save(-1)) == version
        assert load_model(registry.fetch(version))[0] == {"weight": -1}


def test_a_rollback_to_a_damaged_version_is_refused(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    first, second = (registry.register(save(weight)) for weight in (1, 2))
    registry.promote(first, "better", None)
    registry.promote(second, "better", first)
    registry.fetch(first).write_bytes(b"another")
    with pytest.raises(DataError, match="digest"):
        registry.rollback("back")
    assert registry.at("champion") == second


def test_a_registry_from_git_knows_its_versions_and_gets_a_model_back(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    version = registry.register(save(1), {"gate": {"passed": True}})
    registry.promote(version, "better", None)
    registry.fetch(version).unlink()  # git keeps what is JSON
    assert registry.at("champion") == version
    assert registry.record(version)["model_sha256"] == version.sha256
    assert registry.document(version, "gate") == {"passed": True}
    with pytest.raises(DataError, match="model.joblib"):
        registry.fetch(version)
    assert registry.register(save(1)) == version
    assert load_model(registry.fetch(version))[0] == {"weight": 1}
    assert registry.document(version, "gate") == {"passed": True}


def test_a_registry_that_another_process_keeps_is_reported_in_one_line(
    registry: Registry, save: Callable[[int], Path]
) -> None:
    version = registry.register(save(1))
    registry.lock.timeout = 0.01
    with FileLock(registry.lock.lock_file):
        with pytest.raises(DataError, match="in use") as error:
            registry.reject(version, "no")
    assert "\n" not in str(error.value)

"""Versions of the model, the aliases that name them, and the way back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.models.artifact import load_onnx, load_record
from src.models.registry import Registry, Version
from src.utils.errors import DataError
from src.utils.files import sha256_of
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import save_stand_in

# Libraries below the registry ask each other for what they are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Adder = Callable[[int], Version]


@pytest.fixture
def registry(make_project: ProjectMaker) -> Registry:
    return Registry(make_project())


@pytest.fixture
def add(registry: Registry, tmp_path: Path) -> Adder:
    """A function that saves and registers a model."""

    def add(weight: int) -> Version:
        path = save_stand_in(tmp_path / f"trained-{weight}.joblib", b"compiled")
        return registry.register(path, {"gate": {"weight": weight}})

    return add


def test_a_registered_model_is_the_challenger(registry: Registry, add: Adder) -> None:
    first, second = add(1), add(2)
    assert registry.versions() == [first, second]
    assert registry.at("challenger") == second == registry.version(2)
    assert registry.at("champion") is None


def test_a_version_is_fetched_with_its_export(registry: Registry, add: Adder) -> None:
    version = add(1)
    path = registry.fetch(version)
    assert load_record(path) == registry.record(version)
    assert sha256_of(path) == version.sha256
    assert load_onnx(path)[0] == b"compiled"


def test_the_same_model_is_the_same_version(registry: Registry, add: Adder) -> None:
    version = add(1)
    registry.promote(version, "better", None)
    assert add(1) == version
    assert registry.versions() == [version]
    assert registry.at("challenger") is None  # it is the champion


def test_the_history_says_who_did_what_and_why(registry: Registry, add: Adder) -> None:
    first, second = add(1), add(2)
    registry.promote(first, "better, é", None)
    registry.reject(second, "worse")
    registry.promote(first, "reviewed", None, "staging")
    assert registry.at("challenger") is None  # none is left to decide about
    events = registry.history()
    assert [(e.action, e.alias, e.version, e.why) for e in events] == [
        ("register", "challenger", 1, ""),
        ("register", "challenger", 2, ""),
        ("promote", "champion", 1, "better, é"),
        ("reject", "challenger", 2, "worse"),
        ("promote", "staging", 1, "reviewed"),
    ]
    assert all(event.who and event.time.endswith("+00:00") for event in events)


def test_each_rollback_undoes_a_promotion(registry: Registry, add: Adder) -> None:
    first, second = add(1), add(2)
    registry.promote(first, "reviewed", None, "staging")
    registry.promote(first, "better", None)
    registry.promote(second, "better", first)
    registry.promote(first, "better after all", second)
    assert registry.rollback("complaints") == (second, first)
    assert registry.rollback("more complaints") == (first, second)
    for alias in ("champion", "staging"):
        assert registry.at(alias) == first
        with pytest.raises(DataError, match="no version before"):
            registry.rollback("too far", alias)

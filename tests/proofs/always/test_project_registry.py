"""The registry, in more detail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.models.artifact import save_model
from src.models.registry import Registry, Version
from src.utils.errors import DataError
from tests.conftest import ProjectMaker

# Libraries below the registry ask each other for what they are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Adder = Callable[[int], Version]


@pytest.fixture
def registry(make_project: ProjectMaker) -> Registry:
    return Registry(make_project())


@pytest.fixture
def add(registry: Registry, tmp_path: Path) -> Adder:
    """A function that saves and registers a model; any object is a model here."""

    def add(weight: int) -> Version:
        path = tmp_path / f"trained-{weight}.joblib"
        record = {"run_id": None, "export": {"verified": True}}
        save_model({"weight": weight}, record, path, b"compiled")
        return registry.register(path, {"gate": {"weight": weight}})

    return add


def test_documents_stay_with_their_version(registry: Registry, add: Adder) -> None:
    first, second = add(1), add(2)
    registry.register(registry.fetch(first), {"gate": {"passed": "é" * 50_000}})
    assert registry.document(first, "gate") == {"passed": "é" * 50_000}
    assert registry.document(second, "gate") == {"weight": 2}
    assert registry.document(first, "evaluation") is None


def test_a_stale_promotion_is_refused(registry: Registry, add: Adder) -> None:
    first, second = add(1), add(2)
    registry.promote(first, "better", None)
    with pytest.raises(DataError, match="champion: version 1 by now"):
        registry.promote(second, "better", None)
    registry.promote(second, "better", first)
    registry.promote(second, "better", first)  # once more: it is done already
    assert (registry.at("champion"), len(registry.history())) == (second, 4)

"""The card of the champion is made of what its owner wrote and what is known."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline

from scripts.model_card import card_path, check_card, write_card
from src.models.artifact import save_model
from src.models.registry import Registry
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECORD: dict[str, Any] = {
    "model_type": "linear",
    "decision_threshold": 0.4,
    "features": ["income", "a|b"],
    "run_id": None,
    "example": {"x": 1},
    "export": None,
    "search": None,
    "configuration": {
        "seed": 1,
        "model": {"params": {"C": 0.5}},
    },
    "schema": {
        "name": "people",
        "description": "<b>made up</b>",
        "sensitive": ["city"],
        "columns": {"y": {"role": "target"}},
    },
    "data": {"source": "x.csv", "removed": {"duplicates": 3}, "schema_sha256": "s"},
}
SCORE = {"value": 0.8, "low": 0.7, "high": 0.9}
PART = {"column": "city", "rows": 50, "undefined": {}}
EVALUATION: dict[str, Any] = {
    "task": "classification",
    "primary_metric": "roc_auc",
    "metrics": {"roc_auc": SCORE},
    "undefined": {},
    "baseline": {"roc_auc": SCORE | {"value": 0.5}},
    "slices": [
        PART | {"value": "O|slo", "metrics": {"roc_auc": SCORE}},
        PART | {"value": "Lima", "metrics": None},
    ],
    "audits": {},
    "intervals": {"confidence": 0.95},
    "data": dict.fromkeys(("source_sha256", "train_sha256", "test_sha256"), "d")
    | {"train_rows": 1000, "test_rows": 200},
}
GATE = {"rules": [], "notes": ["Lima was not measured."]}


@pytest.fixture
def settings(make_project: ProjectMaker, tmp_path: Path) -> Settings:
    """A project with a champion, whose card is written."""
    cards = {"cards": tmp_path}
    settings = make_project(registry=cards)
    (tmp_path / "intended_use.md").write_text("## Intended use\n\nOurs.\n", "utf-8")
    model = make_pipeline(DummyRegressor().fit([[0]], [0]))
    save_model(model, RECORD, tmp_path / "a.joblib")
    registry = Registry(settings)
    documents = {"evaluation": EVALUATION, "gate": GATE}
    version = registry.register(tmp_path / "a.joblib", documents)
    registry.promote(version, "for the spring", current=None)
    write_card(registry, settings)
    return settings


def test_the_card_says_what_there_is_to_say(settings: Settings) -> None:
    text = card_path(settings).read_text("utf-8")
    headings = ("Intended use\n\nOurs.", "Data", "How good it is", "Groups", "Limits")
    for heading in (*headings, "Lineage", "Gate"):
        assert f"## {heading}\n" in text
    for line in (
        "| Task | classification of y |",
        "| Hyperparameters | C = 0.5 |",
        "| Columns that it sees | income, a\\|b |",
        "people: \\<b\\>made up\\</b\\>",
        "| ROC AUC | 0.800 [0.700, 0.900] | 0.500 |",
        "| city | O\\|slo | 50 | 0.800 [0.700, 0.900] |",
        "| city | Lima | 50 | too few rows |",
        ": for the spring.",
        "- Lima was not measured.",
    ):
        assert line in text
    assert "\n\n\n" not in text


def test_the_card_is_checked_against_the_champion(settings: Settings) -> None:
    registry, path = Registry(settings), card_path(settings)
    assert "the card of the champion" in check_card(registry, settings)
    owner = path.with_name("intended_use.md")
    owner.write_text("## Intended use\n\nAnother.\n", "utf-8")
    with pytest.raises(DataError, match="not the card of the champion; run"):
        check_card(registry, settings)
    write_card(registry, settings)
    check_card(registry, settings)
    path.unlink()
    with pytest.raises(DataError, match="commit the card"):
        check_card(registry, settings)
    owner.unlink()
    with pytest.raises(ConfigError, match="say there what the model is for"):
        write_card(registry, settings)


def test_without_a_champion_there_is_no_card(make_project: ProjectMaker) -> None:
    settings = make_project()
    registry = Registry(settings)
    assert check_card(registry, settings) == "no champion, and no card"
    with pytest.raises(DataError, match="no champion yet"):
        write_card(registry, settings)
    card_path(settings).parent.mkdir()
    card_path(settings).write_text("left over", "utf-8")
    with pytest.raises(DataError, match="there is no champion: remove it"):
        check_card(registry, settings)

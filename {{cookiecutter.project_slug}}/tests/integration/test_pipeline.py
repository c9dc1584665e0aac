"""The pipeline from end to end: source, rows, model, report, champion, release."""

import pandas as pd
import pytest

from scripts.evaluation import evaluate_files
from src.data.ingestion import read_table
from src.data.preprocessing import preprocess
from src.evaluation.promotion import promote
from src.models.artifact import load_model
from src.models.factory import MODEL_TYPES
from src.models.registry import Registry
from src.training.train import train
from src.utils.config import Task, load_settings
from src.utils.files import read_json
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, bring

SMALL = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_source_becomes_a_champion_that_predicts_raw_rows(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(load_settings().task)
    cards = settings.registry.cards
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.\n", "utf-8")
    path = settings.paths.models / "latest_model.joblib"

    schema = bring(settings)
    preprocess(settings)
    train(settings)
    said = evaluate_files(path, settings.paths.processed / "test.csv", settings)
    outcome = promote(path, settings, "a test")
    registry = Registry(settings)
    assert outcome.promoted and outcome.version == registry.at("champion")
    registry.promote(outcome.version, "a test", registry.at("prod"), "prod")

    pipeline, record = load_model(registry.fetch(registry.version(1)))
    raw = read_table(settings.paths.raw / "source.csv").drop(columns=TARGET)
    assert len(pipeline.predict(raw)) == len(raw)
    assert record["schema"] == schema.model_dump(mode="json")
    assert "the model is better than the baseline" in said
    report = read_json(settings.paths.reports / "evaluation.json")
    assert report["model"]["sha256"] == record["model_sha256"]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_trains_the_same_model_again_and_predicts_strange_rows(
    make_project: ProjectMaker, model_type: str, task: Task
) -> None:
    params = SMALL.get(model_type, {})
    settings = make_project(task, model={"type": model_type, "params": params})
    bring(settings)
    preprocess(settings)
    path = settings.paths.models / "latest_model.joblib"
    train(settings)
    pipeline, record = load_model(path)
    train(settings)
    again = load_model(path)[1]
    assert record["model_sha256"] == again["model_sha256"]
    assert record["metrics"] == again["metrics"]
    assert record["export"] == again["export"]

    strange = {
        "income": ["not a number", None, 1e9],
        "age": [None, "33", -5],
        "city": ["Atlantis", None, 7],
        "member": ["perhaps", None, True],
        "signed up": ["soon", None, "2031-05-06"],
    }
    predicted = pd.Series(pipeline.predict(pd.DataFrame(strange, dtype="object")))
    assert predicted.isin(["yes", "no"]).all() or predicted.astype(float).notna().all()

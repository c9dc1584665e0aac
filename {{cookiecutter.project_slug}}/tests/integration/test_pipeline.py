"""The pipeline from end to end: source, rows, model, report, champion, release."""

import pandas as pd
import pytest

from scripts.evaluation import evaluate_files
from src.data.columns import to_schema_types
from src.data.ingestion import read_table
from src.evaluation.promotion import promote
from src.models.artifact import load_model
from src.models.factory import MODEL_TYPES
from src.models.registry import Registry
from src.training.train import ModelTrainer
from src.utils.config import load_settings
from src.utils.files import read_json
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, make_frame, make_schema, train_model

SMALL = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}
STRANGE = {
    "income": ["not a number", None, 1e9],
    "age": [None, "33", -5],
    "city": ["Atlantis", None, 7],
    "member": ["perhaps", None, True],
    "signed up": ["soon", None, "2031-05-06"],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_source_becomes_a_champion_that_predicts_raw_rows(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(load_settings().task)
    cards = settings.registry.cards
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.\n", "utf-8")

    path = train_model(settings)
    said = evaluate_files(path, settings.paths.processed / "test.csv", settings)
    outcome = promote(path, settings, "a test")
    registry = Registry(settings)
    assert outcome.promoted and outcome.version == registry.at("champion")
    registry.promote(outcome.version, "a test", registry.at("prod"), "prod")

    pipeline, record = load_model(registry.fetch(registry.version(1)))
    raw = read_table(settings.paths.data / "raw" / "source.csv").drop(columns=TARGET)
    assert len(pipeline.predict(raw)) == len(raw)
    assert record["schema"] == make_schema(settings.task).model_dump(mode="json")
    assert "the model is better than the baseline" in said
    report = read_json(settings.paths.reports / "evaluation.json")
    assert report["model"]["sha256"] == record["model_sha256"]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_predicts_strange_rows(
    make_project: ProjectMaker, model_type: str
) -> None:
    task = load_settings().task
    model = {"type": model_type, "params": SMALL.get(model_type, {})}
    schema = make_schema(task)
    trainer = ModelTrainer(make_project(task, model=model), schema)
    data = trainer.preprocess(to_schema_types(make_frame(task), schema))
    trained = trainer.train(trainer.build_model(), data)

    rows = pd.DataFrame(STRANGE, dtype="object")
    predicted = pd.Series(trained.pipeline.predict(rows))
    assert predicted.isin(["yes", "no"]).all() or predicted.astype(float).notna().all()

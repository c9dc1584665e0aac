"""What a training reads, tunes and saves."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from src.data.ingestion import read_table
from src.data.preprocessing import load_processed, preprocess
from src.features.creation import create_features, feature_columns
from src.models.artifact import load_model
from src.training.train import ModelTrainer, train
from src.training.validation import make_folds
from src.utils.config import Settings
from src.utils.errors import ConfigError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, bring, make_schema
from tests.integration.test_correctness import WAYS


def split(make_project: ProjectMaker, *task: Any, **sections: Any) -> Settings:
    settings = make_project(*task, **sections)
    bring(settings)
    preprocess(settings)
    return settings


@pytest.mark.parametrize("way", WAYS)
def test_the_test_set_plays_no_part_in_a_training(
    make_project: ProjectMaker, way: str
) -> None:
    settings = split(make_project, **WAYS[way])
    model = settings.paths.models / "latest_model.joblib"
    train(settings)
    digest = load_model(model)[1]["model_sha256"]
    (settings.paths.models / "search.db").unlink(missing_ok=True)
    (settings.paths.processed / "test.csv").unlink()

    train(settings)

    assert load_model(model)[1]["model_sha256"] == digest


def test_a_tuned_threshold_is_chosen_between_the_folds_and_used(
    make_project: ProjectMaker,
) -> None:
    training = {"decision_threshold": "tuned", "folds": 3}
    forest = {"n_estimators": 20, "min_samples_leaf": 1}
    model = {"type": "random_forest", "params": forest}
    settings = split(make_project, training=training, model=model)
    rows = load_processed(settings, "train")
    rare = rows[(rows[TARGET] == "no") | (np.arange(len(rows)) % 4 == 0)]

    trainer = ModelTrainer(settings, make_schema("classification"))
    trained = trainer.run_pipeline(rare)

    pipeline, record = load_model(settings.paths.models / "latest_model.joblib")
    threshold = record["decision_threshold"]
    test = load_processed(settings, "test")
    probabilities = pipeline.predict_proba(test)[:, 1]
    assert (
        pipeline.predict(test) == np.where(probabilities >= threshold, "yes", "no")
    ).all()
    assert record["hyperparameters"]["n_estimators"] == 20
    assert trained.classes == ("no", "yes")
    # On its own rows the forest is nearly always right: any threshold seems good.
    own = pipeline.predict_proba(rare)[:, 1]
    assert balanced_accuracy_score(rare[TARGET] == "yes", own >= 0.5) > 0.95
    assert threshold < 0.45
    truth = test[TARGET] == "yes"
    tuned, plain = (
        balanced_accuracy_score(truth, probabilities >= t) for t in (threshold, 0.5)
    )
    assert tuned > plain


def test_the_feature_set_is_what_the_saved_pipeline_makes_of_raw_rows(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(model={"type": "dummy"})
    schema = bring(settings)
    preprocess(settings)
    train(settings)

    stored = pd.read_parquet(settings.paths.data / "features" / "train.parquet")
    rows = read_table(settings.paths.processed / "train.csv")
    pipeline, _ = load_model(settings.paths.models / "latest_model.joblib")
    created = pipeline.named_steps["creation"].transform(rows)
    pd.testing.assert_frame_equal(
        stored.drop(columns=TARGET).reset_index(drop=True), created
    )
    pd.testing.assert_frame_equal(
        created, create_features(rows, feature_columns(schema))
    )


@pytest.mark.parametrize("strategy", ["standard", "cross_validation"])
def test_the_positive_class_is_the_chosen_one_or_the_rarer_and_not_the_last(
    make_project: ProjectMaker, strategy: str
) -> None:
    training = {"decision_threshold": "tuned", "folds": 3, "strategy": strategy}
    settings = split(make_project, training=training)
    rows = load_processed(settings, "train")
    rare = rows[(rows[TARGET] == "yes") | (np.arange(len(rows)) % 4 == 0)]
    schema = make_schema("classification")

    trainer = ModelTrainer(settings, schema)
    trained = trainer.run_pipeline(rare)

    path = settings.paths.models / "latest_model.joblib"
    pipeline, record = load_model(path)
    assert record["positive_class"] == trained.positive == "no"
    probability = pipeline.predict_proba(rare)[:, 0]  # of the first by the alphabet
    threshold = record["decision_threshold"]
    said = np.where(probability >= threshold, "no", "yes")
    assert (pipeline.predict(rare) == said).all()
    y = rare[TARGET] == "no"
    shown = record["metrics"]["train"]
    assert shown["average_precision"] == pytest.approx(
        average_precision_score(y, probability)
    )
    assert shown["balanced_accuracy"] == balanced_accuracy_score(y, said == "no")
    if strategy == "cross_validation":  # scores of the folds are at the threshold, too
        folds = make_folds(settings, rare[TARGET], trainer.strategy.keys)
        scores = []
        for fit, rest in folds:
            X = create_features(rare[schema.features], feature_columns(schema))
            model = trainer.build_model().fit(X.iloc[fit], rare[TARGET].iloc[fit])
            of = model.pipeline.predict_proba(X.iloc[rest])[:, 0] >= threshold
            scores.append(balanced_accuracy_score(y.iloc[rest], of))
        found = record["metrics"]["cross_validation"]["balanced_accuracy"]["mean"]
        assert found == pytest.approx(np.mean(scores))

    chosen = schema.model_copy(update={"positive_class": "yes"})
    trained = ModelTrainer(settings, chosen).run_pipeline(rare)
    assert load_model(path)[1]["positive_class"] == trained.positive == "yes"
    wrong = schema.model_copy(update={"positive_class": "maybe"})
    with pytest.raises(ConfigError, match="positive_class: found 'maybe', expected"):
        ModelTrainer(settings, wrong).run_pipeline(rare)

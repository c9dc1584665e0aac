"""The configured model on the configured data: what must hold before it is used."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from src.data.preprocessing import load_processed
from src.data.schema import load_schema
from src.evaluation.metrics import METRICS, PRIMARY, compute_metrics
from src.features.transformation import fitted_steps
from src.models.artifact import load_model
from src.models.factory import ModelFactory
from src.training.train import train
from src.utils.config import Settings

# Balanced accuracy, or R²: so good on data of the real world, it has seen the answer.
TOO_GOOD = 0.995


def test_neither_a_feature_nor_a_sum_of_them_determines_the_target(
    configured: Settings,
) -> None:
    target = load_schema(configured.data.schema_path, configured).target
    stored = pd.read_parquet(configured.paths.data / "features" / "train.parquet")
    X, y = stored.drop(columns=target), stored[target].to_numpy(dtype=object)
    tree, linear, scoring = (
        DecisionTreeClassifier,
        LogisticRegression,
        "balanced_accuracy",
    )
    if configured.task == "regression":
        tree, linear, scoring = DecisionTreeRegressor, Ridge, "r2"
        y = y.astype(float)
    _, (_, transformer) = fitted_steps(configured.features, imputed=True, scaled=True)
    tries = [([name], tree(max_depth=6, random_state=0)) for name in X]
    for columns, estimator in [*tries, (list(X), linear())]:
        numbers = transformer.fit_transform(X[columns])
        found = cross_val_score(estimator, numbers, y, scoring=scoring, cv=3).mean()
        assert found < TOO_GOOD, f"{columns} tell the target: leakage?"


def test_the_model_beats_the_dummy_on_the_test_set(configured: Settings) -> None:
    target = load_schema(configured.data.schema_path, configured).target
    model = ModelFactory.get_model("dummy", task=configured.task)
    rows, test = (load_processed(configured, part) for part in ("train", "test"))
    name = PRIMARY[configured.task]
    model.fit(rows, rows[target])
    theirs = compute_metrics(model.predictions(test, test[target]))[name]

    model.pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")

    ours = compute_metrics(model.predictions(test, test[target]))[name]
    assert METRICS[name].gain(ours, theirs) > 0, f"{name}: {ours}, dummy {theirs}"


def test_two_trainings_make_the_same_file(configured: Settings) -> None:
    path = configured.paths.models / "latest_model.joblib"
    first = path.read_bytes()

    train(configured)

    assert path.read_bytes() == first


def test_a_row_from_outside_gets_the_features_that_the_model_was_trained_on(
    configured: Settings,
) -> None:
    pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")
    stored = pd.read_parquet(configured.paths.data / "features" / "train.parquet")
    rows = load_processed(configured, "train")
    for position in np.linspace(0, len(rows) - 1, 20, dtype=int):
        text = rows.iloc[[position]].to_json(orient="records", date_format="iso")
        request = pd.DataFrame(json.loads(text))
        made = pipeline.named_steps["creation"].transform(request)
        expected = stored[list(made)].iloc[[position]].reset_index(drop=True)
        pd.testing.assert_frame_equal(made, expected, check_dtype=True)


@pytest.mark.parametrize("change", ["an unknown category", "nothing but gaps"])
def test_a_strange_row_gets_a_prediction(configured: Settings, change: str) -> None:
    pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")
    schema = load_schema(configured.data.schema_path, configured)
    row = load_processed(configured, "test").head(1)[schema.features]
    for name in row:
        if change == "nothing but gaps":
            row[name] = None
        elif schema.columns[name].type == "category":
            row[name] = "never seen before"
    assert len(pipeline.predict(row)) == 1

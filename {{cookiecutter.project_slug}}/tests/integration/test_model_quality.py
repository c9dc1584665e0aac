"""The configured model on the configured data: what must hold before it is used."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from src.data.processed import load_processed
from src.data.schema import load_schema
from src.evaluation.metrics import compute_metrics, primary_metric
from src.features.transformation import build_transformer
from src.models.artifact import load_model
from src.models.factory import ModelFactory
from src.training.train import train
from src.training.validation import measure
from src.utils.config import Settings

# A model this good on data of the real world has seen the answer.
TOO_GOOD = {"classification": 0.995, "regression": 0.995}


def features_and_target(settings: Settings) -> tuple[pd.DataFrame, pd.Series]:
    """Return the feature set of the training rows, and their target."""
    target = load_schema(settings.data.schema_path, settings).target
    stored = pd.read_parquet(settings.paths.features / "train.parquet")
    return stored.drop(columns=target), stored[target]


def score(settings: Settings, estimator: object, X: object, y: pd.Series) -> float:
    """Return balanced accuracy or R² between folds, scaled so that 1 is perfect."""
    labels = y.to_numpy(dtype=object if settings.task == "classification" else float)
    predicted = cross_val_predict(estimator, X, labels, cv=3)
    if settings.task == "classification":
        return compute_metrics(settings.task, labels, predicted)["balanced_accuracy"]
    return compute_metrics(settings.task, labels, predicted)["r2"]


def test_no_single_feature_determines_the_target(configured: Settings) -> None:
    X, y = features_and_target(configured)
    if configured.task == "classification":
        tree = DecisionTreeClassifier(max_depth=6, random_state=0)
    else:
        tree = DecisionTreeRegressor(max_depth=6, random_state=0)
    for name in X:
        numbers = build_transformer(10, scaled=False).fit_transform(X[[name]])
        found = score(configured, tree, numbers, y)
        assert found < TOO_GOOD[configured.task], f"{name!r} tells the target: leakage?"


def test_no_sum_of_features_determines_the_target(configured: Settings) -> None:
    X, y = features_and_target(configured)
    linear = Ridge() if configured.task == "regression" else LogisticRegression()
    numbers = build_transformer(10, scaled=True).fit_transform(X)
    found = score(configured, linear, numbers, y)
    assert found < TOO_GOOD[configured.task], "a sum of features tells the target"


def test_the_model_beats_the_dummy_on_the_test_set(configured: Settings) -> None:
    pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")
    train_rows = load_processed(configured, "train")
    test_rows = load_processed(configured, "test")
    target = load_schema(configured.data.schema_path, configured).target
    dummy = ModelFactory.get_model("dummy", task=configured.task)
    dummy.fit(train_rows.drop(columns=target), train_rows[target])
    model = ModelFactory.get_model("dummy", task=configured.task)
    model.pipeline = pipeline
    name, higher_is_better = primary_metric(configured.task)
    ours = measure(model, test_rows, test_rows[target])[name]
    theirs = measure(dummy, test_rows.drop(columns=target), test_rows[target])[name]
    better = ours > theirs if higher_is_better else ours < theirs
    assert better, f"{name}: {ours}, dummy {theirs}"


def test_two_trainings_agree(configured: Settings, tmp_path: Path) -> None:
    first = configured.paths.models / "latest_model.joblib"
    again = configured.model_copy(
        update={"paths": configured.paths.model_copy(update={"models": tmp_path})}
    )
    train(again)
    rows = load_processed(configured, "test")
    (one, record), (two, record_again) = (
        load_model(first),
        load_model(tmp_path / first.name),
    )
    assert record["metrics"] == record_again["metrics"]
    assert (one.predict(rows) == two.predict(rows)).all()


def test_a_row_from_outside_gets_the_features_that_the_model_was_trained_on(
    configured: Settings,
) -> None:
    pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")
    X, _ = features_and_target(configured)
    rows = load_processed(configured, "train")
    for position in np.linspace(0, len(rows) - 1, 20, dtype=int):
        text = rows.iloc[[position]].to_json(orient="records", date_format="iso")
        request = pd.DataFrame(json.loads(text))
        made = pipeline.named_steps["creation"].transform(request)
        expected = X.iloc[[position]].reset_index(drop=True)
        pd.testing.assert_frame_equal(made, expected, check_dtype=True)


@pytest.mark.parametrize("change", ["an unknown category", "nothing but gaps"])
def test_a_strange_row_gets_a_prediction(configured: Settings, change: str) -> None:
    pipeline, _ = load_model(configured.paths.models / "latest_model.joblib")
    schema = load_schema(configured.data.schema_path, configured)
    row = load_processed(configured, "test").head(1).drop(columns=schema.target)
    for name in row:
        if change == "nothing but gaps":
            row[name] = None
        elif schema.columns[name].type == "category":
            row[name] = "never seen before"
    assert len(pipeline.predict(row)) == 1

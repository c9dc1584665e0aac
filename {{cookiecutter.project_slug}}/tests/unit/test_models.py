"""Kinds of models, and models that are saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from src.models.artifact import load_model, save_model
from src.models.factory import MODEL_TYPES, ModelFactory
from src.utils.errors import ConfigError, DataError
from src.utils.files import sha256_of

ROWS = 120
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 3)), columns=list("abc"))
LABELS = pd.Series(np.where(X["a"] + X["b"] > 0, "yes", "no"))
NUMBERS = X["a"] * 2 + X["b"]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_learns_labels_and_numbers(model_type: str) -> None:
    labels = LABELS.where(X["c"] < 0.5, "perhaps")
    model = ModelFactory.get_model(model_type, task="classification").fit(X, labels)
    probabilities, predicted = model.pipeline.predict_proba(X), model.predict(X)
    assert model.classes == ("no", "perhaps", "yes")
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(ROWS))
    assert (np.array(model.classes)[probabilities.argmax(axis=1)] == predicted).all()
    assert isinstance(predicted[0], str)

    numeric = ModelFactory.get_model(model_type, task="regression").fit(X, NUMBERS)
    assert numeric.predictions(X, NUMBERS).probabilities is None
    assert numeric.classes == ()
    if model_type != "dummy":
        assert (predicted == labels).mean() > 0.7
        assert r2_score(NUMBERS, numeric.predict(X)) > 0.7


@pytest.mark.parametrize(
    ("model_type", "params", "said"),
    [
        ("xgb", {}, "'xgb', expected one of: dummy, linear, random_forest"),
        ("linear", {"depth": 3}, "model.params: .*'depth' for .* are: .*'alpha'"),
        ("linear", {"alpha": "much"}, "model.params: .*'alpha' .* Got 'much' instead"),
    ],
)
def test_what_is_not_possible_is_found_before_fitting(
    model_type: str, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        ModelFactory.get_model(model_type, task="regression", **params)

    assert "\n" not in str(error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved model."""
    path = tmp_path / "models" / "latest_model.joblib"
    save_model(Ridge().fit(X, NUMBERS), {"metrics": {"rmse": 1.5}}, path)
    return path


def test_a_saved_model_comes_back_with_its_record(path: Path) -> None:
    pipeline, record = load_model(path)

    assert (pipeline.predict(X) == Ridge().fit(X, NUMBERS).predict(X)).all()
    assert record["metrics"] == {"rmse": 1.5}
    assert record["model_sha256"] == sha256_of(path)
    assert record["libraries"]["scikit-learn"] == sklearn.__version__
    assert {file.name for file in path.parent.iterdir()} == {
        "latest_model.joblib",
        "latest_model.json",
    }


def test_a_changed_file_is_refused_before_it_is_opened(path: Path) -> None:
    path.write_bytes(b"no pickle")

    with pytest.raises(DataError, match="digest is .*, its record expects"):
        load_model(path)

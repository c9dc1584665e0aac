"""Correct by construction: what is fitted where, and who looks at the test set."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_curve

from src.data.preprocessing import preprocess
from src.features.selection import FeatureSelector
from src.features.transformation import fitted_steps
from src.models.artifact import load_model
from src.models.base import BaseModel
from src.models.factory import ModelFactory
from src.training.threshold import choose_threshold
from src.training.train import train
from src.training.validation import cross_predict, make_folds
from src.utils.config import FeatureSettings, Settings
from src.utils.errors import ModelError
from tests.fixtures.synthetic import TARGET, bring, make_settings

MakeProject = Callable[..., Settings]
Spied = list[tuple[str, pd.Index]]

SEARCH = {"trials": 2, "space": {"linear": {"C": {"low": 0.1, "high": 1.0}}}}
WAYS: dict[str, dict[str, Any]] = {
    "standard": {},
    "cross_validation": {"training": {"strategy": "cross_validation", "folds": 3}},
    "search": {
        "training": {"strategy": "hyperparameter_search", "folds": 3},
        "search": SEARCH,
    },
    "tuned threshold": {"training": {"decision_threshold": "tuned", "folds": 3}},
}


def split(make_project: MakeProject, **sections: Any) -> Settings:
    settings = make_project(rows=240, **sections)
    bring(settings)
    preprocess(settings)
    return settings


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spied]:
    """Which rows fitted steps are fitted to, and models predict, in their order."""
    seen: Spied = []
    fit, predict_proba = FeatureSelector.fit, BaseModel.predict_proba

    def spy_fit(self: Any, X: pd.DataFrame, y: object = None) -> Any:
        seen.append(("fit", X.index))
        return fit(self, X, y)

    def spy_predict(self: Any, X: pd.DataFrame) -> Any:
        seen.append(("predict", X.index))
        return predict_proba(self, X)

    monkeypatch.setattr(FeatureSelector, "fit", spy_fit)
    monkeypatch.setattr(BaseModel, "predict_proba", spy_predict)
    yield seen


@pytest.mark.parametrize("way", ["cross_validation", "search", "tuned threshold"])
def test_steps_are_fitted_without_the_rows_that_the_fold_predicts(
    make_project: MakeProject, spied: Spied, way: str
) -> None:
    settings = split(make_project, **WAYS[way])

    train(settings)

    whole = max(len(index) for _, index in spied)
    folds = 0
    for (what, fitted), (then, predicted) in zip(spied, spied[1:], strict=False):
        if what == "fit" and then == "predict" and len(fitted) < whole:
            assert not set(fitted) & set(predicted)
            folds += 1
    assert folds >= 3
    assert sum(what == "fit" for what, _ in spied) >= folds + 1, "and one on all rows"


@pytest.mark.parametrize("way", WAYS)
def test_the_test_set_changes_nothing_of_a_training(
    make_project: MakeProject, way: str
) -> None:
    settings = split(make_project, **WAYS[way])
    model = settings.paths.models / "latest_model.joblib"
    train(settings)
    digest = load_model(model)[1]["model_sha256"]
    (settings.paths.models / "search.db").unlink(missing_ok=True)

    test = settings.paths.processed / "test.csv"
    test.write_text(f"{TARGET}\npoison\n", encoding="utf-8")
    train(settings)
    poisoned = load_model(model)[1]["model_sha256"]
    (settings.paths.models / "search.db").unlink(missing_ok=True)
    test.unlink()
    train(settings)

    assert poisoned == digest == load_model(model)[1]["model_sha256"]


def overfitted() -> tuple[BaseModel, pd.DataFrame, pd.Series]:
    """Return a model that knows its rows by heart, and noisy, unbalanced rows."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    chance = 1 / (1 + np.exp(2 - 1.5 * X["a"]))
    y = pd.Series(np.where(rng.random(300) < chance, "yes", "no"))
    model = ModelFactory.get_model(
        "random_forest", task="classification", n_estimators=30, min_samples_leaf=1
    )
    return model.after(fitted_steps(FeatureSettings(), model.scaled)), X, y


def test_the_threshold_is_chosen_on_rows_that_the_model_was_not_fitted_to() -> None:
    model, X, y = overfitted()
    folds = make_folds(make_settings(Path(), "classification"), y)

    chosen = choose_threshold(cross_predict(model, X, y, folds))

    inner = model.clone().fit(X, y).predict_proba(X)
    assert inner is not None
    false_alarms, found, thresholds = roc_curve(y == "yes", inner[:, 1])
    by_heart = thresholds[1:][np.argmax((found - false_alarms)[1:])]
    assert abs(chosen - by_heart) > 0.05


def test_a_tuned_threshold_is_better_between_the_folds_than_one_half() -> None:
    model, X, y = overfitted()
    folds = make_folds(make_settings(Path(), "classification"), y)

    chosen = choose_threshold(cross_predict(model, X, y, folds))

    scores = pd.Series(0.0, index=X.index)
    for fit, predict in folds:
        shares = (
            model.clone().fit(X.iloc[fit], y.iloc[fit]).predict_proba(X.iloc[predict])
        )
        assert shares is not None
        scores.iloc[predict] = shares[:, 1]
    tuned, plain = (
        balanced_accuracy_score(y == "yes", scores >= t) for t in (chosen, 0.5)
    )
    assert tuned > plain


def test_the_saved_model_predicts_by_its_threshold(make_project: MakeProject) -> None:
    settings = split(make_project, **WAYS["tuned threshold"])

    train(settings)

    pipeline, record = load_model(settings.paths.models / "latest_model.joblib")
    rows = pd.read_csv(settings.paths.processed / "test.csv")
    positive = pipeline.predict_proba(rows)[:, 1] >= record["decision_threshold"]
    assert (pipeline.predict(rows) == np.where(positive, "yes", "no")).all()
    assert record["decision_threshold"] != 0.5
    assert record["hyperparameters"]["C"] == 1.0
    assert record["classes"] == ["no", "yes"]


def test_a_threshold_for_a_number_is_refused(make_project: MakeProject) -> None:
    settings = split(make_project, task="regression", **WAYS["tuned threshold"])

    with pytest.raises(ModelError, match="decision_threshold: found 'tuned'"):
        train(settings)

"""The ways to train, their folds, the search for hyperparameters, and the record."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.preprocessing import preprocess
from src.data.splitting import Keys
from src.models.artifact import load_model
from src.models.factory import ModelFactory
from src.training import train as train_module
from src.training.strategies import make_strategy
from src.training.train import main
from src.training.validation import Folds, make_folds
from src.utils.files import sha256_of
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_settings

ROWS = 90
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(np.arange(ROWS) % 3 == 0, "rare", "usual"))
NOISE = np.random.default_rng(1).normal(0, 3, ROWS)
NUMBERS = X["a"] + X["b"] + NOISE
SPACE = {"linear": {"alpha": {"low": 0.001, "high": 1000, "log": True}}}


def folds_of(y: pd.Series, folds: int, keys: Keys = Keys(), **split: Any) -> Folds:
    sections = {"training": {"folds": folds}, "preprocessing": {"split": split}}
    return make_folds(make_settings(Path(), "classification", **sections), y, keys)


def test_every_row_is_predicted_once_and_never_by_a_model_that_knows_it() -> None:
    folds = folds_of(LABELS, 5)

    assert sorted(np.concatenate([p for _, p in folds])) == list(range(ROWS))
    assert not any(set(fit) & set(predicted) for fit, predicted in folds)
    shares = [(LABELS.iloc[part] == "rare").mean() for _, part in folds]
    assert shares == pytest.approx([1 / 3] * 5), "of a rare label, too"


def test_in_order_of_time_later_moments_are_predicted_from_earlier_ones() -> None:
    day = np.arange(ROWS) // 4
    times = pd.DataFrame({"day": day})
    for gap in (0, 2):
        folds = folds_of(LABELS, 4, Keys(times["day"], times), gap=gap)
        assert all(day[fit].max() + gap < day[rows].min() for fit, rows in folds)


def test_a_group_is_in_one_fold_alone() -> None:
    groups = pd.Series(np.arange(ROWS) // 4)
    for fit, rows in folds_of(LABELS, 4, Keys(groups)):
        assert not set(groups[fit]) & set(groups[rows])


@pytest.mark.parametrize(
    ("strategy", "scores"), [("standard", 0), ("cross_validation", 3)]
)
def test_a_strategy_fits_to_all_rows_with_what_else_is_given(
    strategy: str, scores: int
) -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    weights = np.where(np.arange(ROWS) < 45, 1.0, 1e-12)
    training = {"strategy": strategy, "folds": 3}
    chosen = make_strategy(make_settings(Path(), "regression", training=training))

    trained = chosen.train(model, X, NUMBERS, sample_weight=weights)

    assert trained.predict(X)[0] == pytest.approx(NUMBERS[:45].mean())
    assert len(chosen.fold_scores) == scores


def test_a_search_fits_with_the_best_of_its_trials(tmp_path: Path) -> None:
    sections = {
        "training": {"strategy": "hyperparameter_search", "folds": 3},
        "search": {"trials": 8, "space": SPACE},
    }
    strategy = make_strategy(make_settings(tmp_path, "regression", **sections))
    model = ModelFactory.get_model("linear", task="regression")

    trained = strategy.train(model, X, NUMBERS)

    search = strategy.search
    assert search is not None
    values = [trial["value"] for trial in search["trials"]]
    assert search["best"]["value"] == min(values) and len(values) == 8
    assert search["best"]["params"] == {"alpha": trained.estimator.alpha}
    rmse = [fold["rmse"] for fold in strategy.fold_scores]
    assert np.mean(rmse) == pytest.approx(search["best"]["value"])


def test_the_record_says_what_the_model_was_made_from(
    make_project: ProjectMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    training = {"strategy": "cross_validation", "folds": 3}
    model = {"type": "linear", "params": {"C": 0.5}}
    settings = make_project(model=model, training=training)
    schema = bring(settings)
    preprocess(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "settings_from", lambda arguments: settings)
        patch.setattr(sys, "argv", ["train.py", "--model-config", "m.yaml"])
        main()

    path = settings.paths.models / "latest_model.joblib"
    record = load_model(path)[1]
    train_csv = settings.paths.processed / "train.csv"
    assert record["data"]["files"]["train.csv"]["sha256"] == sha256_of(train_csv)
    assert record["configuration"]["model"]["params"] == {"C": 0.5}
    assert record["hyperparameters"]["C"] == 0.5
    assert record["schema"] == schema.model_dump(mode="json")
    assert record["classes"] == ["no", "yes"]
    assert record["left_out"]["comment"] == "98% of its values are missing"
    assert set(record["example"]) == set(schema.features)
    assert 0.5 < record["metrics"]["train"]["roc_auc"] <= 1
    assert set(record["metrics"]["cross_validation"]["roc_auc"]) == {"mean", "std"}
    assert str(settings.paths.models) not in path.with_suffix(".json").read_text()
    assert f"{path}: trained linear" in capsys.readouterr().out

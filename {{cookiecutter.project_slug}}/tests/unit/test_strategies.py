"""The ways to train, and cross-validation."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.models.factory import ModelFactory
from src.training import strategies
from src.training.strategies import (
    CrossValidationStrategy,
    StandardTrainingStrategy,
    make_strategy,
)
from src.training.validation import Folds, cross_validate, make_folds, summarise
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.fixtures.synthetic import make_settings

ROWS = 90
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(np.arange(ROWS) % 3 == 0, "rare", "usual"))
NUMBERS = X["a"] + X["b"]


IN_TIME = {"split": {"method": "time", "time_columns": ["signed up"]}}


def folds_of(y: pd.Series, folds: int, **sections: Any) -> Folds:
    return make_folds(settings_of(y, folds, **sections), y)


def settings_of(y: pd.Series, folds: int, **sections: Any) -> Settings:
    task = "regression" if y is NUMBERS else "classification"
    training = {"strategy": "cross_validation", "folds": folds}
    return make_settings(Path(), task, training=training, **sections)


def parts(folds: Folds) -> list[list[int]]:
    return [predicted.tolist() for _, predicted in folds]


def test_the_standard_strategy_fits_once_to_all_rows() -> None:
    strategy = StandardTrainingStrategy()
    model = ModelFactory.get_model("dummy", task="regression")

    trained = strategy.train(model, X, NUMBERS)

    assert trained.predict(X)[0] == pytest.approx(NUMBERS.mean())
    assert strategy.fold_scores == []


def test_cross_validation_fits_to_all_rows_too_and_has_a_score_for_each_fold() -> None:
    strategy = CrossValidationStrategy(settings_of(LABELS, 4))
    model = ModelFactory.get_model("linear", task="classification")

    trained = strategy.train(model, X, LABELS)

    alone = ModelFactory.get_model("linear", task="classification").fit(X, LABELS)
    assert (trained.predict_proba(X) == alone.predict_proba(X)).all()
    assert len(strategy.fold_scores) == 4
    assert all("roc_auc" in scores for scores in strategy.fold_scores)


@pytest.mark.parametrize(
    "strategy",
    [StandardTrainingStrategy(), CrossValidationStrategy(settings_of(NUMBERS, 3))],
)
def test_row_weights_reach_the_fit(strategy: strategies.TrainingStrategy) -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    weights = np.where(np.arange(ROWS) < 45, 1.0, 1e-12)

    trained = strategy.train(model, X, NUMBERS, sample_weight=weights)

    assert trained.predict(X)[0] == pytest.approx(NUMBERS[:45].mean())


def test_every_row_is_predicted_once_and_never_by_a_model_that_knows_it() -> None:
    folds = folds_of(LABELS, 4)

    assert sorted(sum(parts(folds), [])) == list(range(ROWS))
    assert not any(set(fit) & set(predicted) for fit, predicted in folds)


def test_each_fold_has_its_share_of_a_rare_label() -> None:
    folds = folds_of(LABELS, 5)

    shares = [(LABELS.iloc[part] == "rare").mean() for part in parts(folds)]

    assert shares == pytest.approx([1 / 3] * 5)


def test_a_label_with_fewer_rows_than_folds_is_no_obstacle() -> None:
    labels = LABELS.where(X.index != 7, "alone")
    folds = folds_of(labels, 5)
    model = ModelFactory.get_model("linear", task="classification")

    assert len(cross_validate(model, X, labels, folds)) == 5


def test_in_order_of_time_later_rows_are_predicted_from_earlier_ones() -> None:
    folds = folds_of(LABELS, 4, preprocessing=IN_TIME)

    assert all(fit.max() < predicted.min() for fit, predicted in folds)
    assert len(folds) == 4


def test_the_seed_decides_the_folds() -> None:
    first, again, other = (parts(folds_of(NUMBERS, 3, seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


# In order of time, the first part is fitted to and never predicted.
@pytest.mark.parametrize(("rows", "preprocessing"), [(4, {}), (5, IN_TIME)])
def test_fewer_rows_than_folds_are_refused(
    rows: int, preprocessing: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=f"{rows} training rows are .*folds 5; .* "):
        folds_of(LABELS.head(rows), 5, preprocessing=preprocessing)
    assert folds_of(LABELS.head(rows + 1), 5, preprocessing=preprocessing)


def test_cross_validation_leaves_the_model_unfitted() -> None:
    model = ModelFactory.get_model("linear", task="regression")
    folds = folds_of(NUMBERS, 3)

    cross_validate(model, X, NUMBERS, folds)

    assert not hasattr(model.estimator, "coef_")


def test_the_summary_has_mean_and_deviation_of_each_metric() -> None:
    summary = summarise([{"rmse": 1.0, "r2": 0.5}, {"rmse": 3.0, "r2": 0.5}])

    assert summary == {
        "rmse": {"mean": 2.0, "std": 1.0},
        "r2": {"mean": 0.5, "std": 0.0},
    }


def test_the_configuration_names_the_strategy() -> None:
    standard = make_strategy(make_settings(Path(), "regression"))
    crossed = make_strategy(settings_of(NUMBERS, 3))

    assert isinstance(standard, StandardTrainingStrategy)
    assert isinstance(crossed, CrossValidationStrategy)

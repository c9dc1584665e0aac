"""The ways to train, and cross-validation."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from src.models.factory import ModelFactory
from src.training import strategies
from src.training.strategies import (
    CrossValidationStrategy,
    StandardTrainingStrategy,
    make_strategy,
)
from src.training.validation import cross_validate, make_folds, summarise
from src.utils.config import Settings
from src.utils.errors import DataError

ROWS = 90
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(np.arange(ROWS) % 3 == 0, "rare", "usual"))
NUMBERS = X["a"] + X["b"]


def parts(folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> list[list[int]]:
    return [predicted.tolist() for _, predicted in folds]


def test_the_standard_strategy_fits_once_to_all_rows() -> None:
    strategy = StandardTrainingStrategy()
    model = ModelFactory.get_model("dummy", task="regression")

    trained = strategy.train(model, X, NUMBERS)

    assert trained.predict(X)[0] == pytest.approx(NUMBERS.mean())
    assert strategy.fold_scores == []


def test_cross_validation_fits_to_all_rows_too_and_has_a_score_for_each_fold() -> None:
    strategy = CrossValidationStrategy(folds=4, seed=1)
    model = ModelFactory.get_model("linear", task="classification")

    trained = strategy.train(model, X, LABELS)

    alone = ModelFactory.get_model("linear", task="classification").fit(X, LABELS)
    assert (trained.predict_proba(X) == alone.predict_proba(X)).all()
    assert len(strategy.fold_scores) == 4
    assert all("roc_auc" in scores for scores in strategy.fold_scores)


@pytest.mark.parametrize(
    "strategy", [StandardTrainingStrategy(), CrossValidationStrategy(3, seed=1)]
)
def test_row_weights_reach_the_fit(strategy: strategies.TrainingStrategy) -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    weights = np.where(np.arange(ROWS) < 45, 1.0, 1e-12)

    trained = strategy.train(model, X, NUMBERS, sample_weight=weights)

    assert trained.predict(X)[0] == pytest.approx(NUMBERS[:45].mean())


def test_every_row_is_predicted_once_and_never_by_a_model_that_knows_it() -> None:
    folds = make_folds("classification", LABELS, 4, seed=1, in_order=False)

    assert sorted(sum(parts(folds), [])) == list(range(ROWS))
    assert not any(set(fit) & set(predicted) for fit, predicted in folds)


def test_each_fold_has_its_share_of_a_rare_label() -> None:
    folds = make_folds("classification", LABELS, 5, seed=1, in_order=False)

    shares = [(LABELS.iloc[part] == "rare").mean() for part in parts(folds)]

    assert shares == pytest.approx([1 / 3] * 5)


def test_a_label_with_fewer_rows_than_folds_is_no_obstacle() -> None:
    labels = LABELS.where(X.index != 7, "alone")
    folds = make_folds("classification", labels, 5, seed=1, in_order=False)
    model = ModelFactory.get_model("linear", task="classification")

    assert len(cross_validate(model, X, labels, folds)) == 5


def test_in_order_of_time_later_rows_are_predicted_from_earlier_ones() -> None:
    folds = make_folds("classification", LABELS, 4, seed=1, in_order=True)

    assert all(fit.max() < predicted.min() for fit, predicted in folds)
    assert len(folds) == 4


def test_the_seed_decides_the_folds() -> None:
    first, again, other = (
        parts(make_folds("regression", NUMBERS, 3, seed, in_order=False))
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


@pytest.mark.parametrize("in_order", [False, True])
def test_fewer_rows_than_folds_are_refused(in_order: bool) -> None:
    with pytest.raises(DataError, match="4 training rows are too few .*folds 5"):
        make_folds("regression", NUMBERS.head(4), 5, seed=1, in_order=in_order)


def test_cross_validation_leaves_the_model_unfitted() -> None:
    model = ModelFactory.get_model("linear", task="regression")
    folds = make_folds("regression", NUMBERS, 3, seed=1, in_order=False)

    cross_validate(model, X, NUMBERS, folds)

    assert not hasattr(model.estimator, "coef_")


def test_the_summary_has_mean_and_deviation_of_each_metric() -> None:
    summary = summarise([{"rmse": 1.0, "r2": 0.5}, {"rmse": 3.0, "r2": 0.5}])

    assert summary == {
        "rmse": {"mean": 2.0, "std": 1.0},
        "r2": {"mean": 0.5, "std": 0.0},
    }


def test_the_configuration_names_the_strategy(
    make_project: Callable[..., Settings],
) -> None:
    standard = make_project(training={"strategy": "standard"})
    folds = {"strategy": "cross_validation", "folds": 3}
    in_time = {"split": {"method": "time", "time_columns": ["signed up"]}}
    crossed = make_project(training=folds, preprocessing=in_time, seed=9)

    strategy = make_strategy(crossed)

    assert isinstance(make_strategy(standard), StandardTrainingStrategy)
    assert isinstance(strategy, CrossValidationStrategy)
    assert (strategy.folds, strategy.seed, strategy.in_order) == (3, 9, True)
    shuffled = make_strategy(make_project(training=folds))
    assert isinstance(shuffled, CrossValidationStrategy)
    assert not shuffled.in_order

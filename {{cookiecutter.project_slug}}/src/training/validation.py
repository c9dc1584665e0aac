"""Cross-validation: how well a kind of model does on rows it was not fitted to.

All steps are fitted anew for each fold, so that nothing is learned from the rows that
the fold predicts. The test set plays no part in it.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

from src.evaluation.metrics import Predictions, compute_metrics
from src.models.base import BaseModel
from src.utils.config import Settings
from src.utils.errors import DataError

Scores: TypeAlias = dict[str, float]
# For each fold the positions of the rows to fit to, and of those to predict.
Folds: TypeAlias = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


def make_folds(settings: Settings, y: Series) -> Folds:
    """Divide the training rows into folds.

    Rows that were split by time are in its order, and each fold predicts rows that are
    later than those it is fitted to. Otherwise the seed decides which row goes into
    which fold, and for a classification each fold gets its share of every label that
    has enough rows for it.

    Args:
        settings: The task, the seed, the split, and how many folds.
        y: The target, one value per row.

    Raises:
        DataError: If there are too few rows.
    """
    folds, seed = settings.training.folds, settings.seed
    in_order = settings.preprocessing.split.method == "time"
    needed = folds + 1 if in_order else folds
    if len(y) < needed:
        raise DataError(
            f"{len(y)} training rows are too few for training.folds {folds}; "
            f"expected at least {needed}, or the strategy standard"
        )
    splitter: Any = KFold(folds, shuffle=True, random_state=seed)
    if in_order:
        splitter = TimeSeriesSplit(folds)
    elif settings.task == "classification" and y.value_counts().min() >= folds:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(y)), y.to_numpy(dtype=object)))


def cross_predict(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds, **kwargs: ArrayLike
) -> list[Predictions]:
    """Fit a copy of ``model`` in each fold; it stays as it is.

    Args:
        model: What to fit.
        X: The features, one row per example.
        y: The target, one value per row.
        folds: What ``make_folds`` returns.
        **kwargs: What else ``model.fit`` takes, one value per row.

    Returns:
        What each fold says of the rows that it was not fitted to.
    """
    predictions = []
    for fit, predict in folds:
        per_row = {name: np.asarray(v)[fit] for name, v in kwargs.items()}
        fold_model = model.clone().fit(X.iloc[fit], y.iloc[fit], **per_row)
        predictions.append(_predict(fold_model, X.iloc[predict], y.iloc[predict]))
    return predictions


def cross_validate(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds, **kwargs: ArrayLike
) -> list[Scores]:
    """Return the metrics of each fold; see ``cross_predict``."""
    return [score(p) for p in cross_predict(model, X, y, folds, **kwargs)]


def measure(model: BaseModel, X: DataFrame, y: Series) -> Scores:
    """Return the metrics of a fitted model on rows ``X`` with the target ``y``."""
    return score(_predict(model, X, y))


def score(predictions: Predictions) -> Scores:
    """Return the metrics of predictions, without those that are not defined."""
    found = predictions
    return compute_metrics(
        found.task, found.y_true, found.y_pred, found.probabilities, found.classes
    )


def summarise(scores: Sequence[Scores]) -> dict[str, Scores]:
    """Return the mean and the standard deviation over the folds of each metric."""
    table = DataFrame(list(scores))
    return {
        str(name): {"mean": float(column.mean()), "std": float(column.std(ddof=0))}
        for name, column in table.items()
    }


def _predict(model: BaseModel, X: DataFrame, y: Series) -> Predictions:
    """Return what a fitted model says of rows ``X``, beside their target ``y``."""
    return Predictions(
        model.task,
        y.to_numpy(),
        model.predict(X),
        model.predict_proba(X),
        model.classes,
    )

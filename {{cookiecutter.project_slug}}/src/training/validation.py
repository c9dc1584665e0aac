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

from src.evaluation.metrics import compute_metrics
from src.models.base import BaseModel
from src.utils.config import Task
from src.utils.errors import DataError

Scores: TypeAlias = dict[str, float]
Rows: TypeAlias = NDArray[np.intp]


def make_folds(
    task: Task, y: Series, folds: int, seed: int, in_order: bool
) -> list[tuple[Rows, Rows]]:
    """Divide rows into folds.

    Args:
        task: For a classification each fold gets its share of every label that has
            enough rows for it.
        y: The target, one value per row.
        folds: How many folds.
        seed: Fixes which row goes into which fold.
        in_order: The rows are in order of time; each fold then predicts rows that are
            later than those it is fitted to.

    Returns:
        For each fold the positions of the rows to fit to, and of those to predict.

    Raises:
        DataError: If there are too few rows.
    """
    needed = folds + 1 if in_order else folds
    if len(y) < needed:
        raise DataError(
            f"{len(y)} training rows are too few for training.folds {folds}; "
            f"expected at least {needed}, or the strategy standard"
        )
    splitter: Any = KFold(folds, shuffle=True, random_state=seed)
    if in_order:
        splitter = TimeSeriesSplit(folds)
    elif task == "classification" and y.value_counts().min() >= folds:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(y)), y.to_numpy(dtype=object)))


def cross_validate(
    model: BaseModel,
    X: DataFrame,
    y: Series,
    folds: Sequence[tuple[Rows, Rows]],
    **kwargs: ArrayLike,
) -> list[Scores]:
    """Fit and measure copies of ``model``; it stays as it is.

    Args:
        model: What to measure.
        X: The features, one row per example.
        y: The target, one value per row.
        folds: What ``make_folds`` returns.
        **kwargs: What else ``model.fit`` takes, one value per row.

    Returns:
        The metrics of each fold, on the rows that it was not fitted to.
    """
    scores = []
    for fit, predict in folds:
        per_row = {name: np.asarray(v)[fit] for name, v in kwargs.items()}
        fold_model = model.clone().fit(X.iloc[fit], y.iloc[fit], **per_row)
        scores.append(measure(fold_model, X.iloc[predict], y.iloc[predict]))
    return scores


def measure(model: BaseModel, X: DataFrame, y: Series) -> Scores:
    """Return the metrics of a fitted model on rows ``X`` with the target ``y``."""
    return compute_metrics(
        model.task,
        y.to_numpy(),
        model.predict(X),
        model.predict_proba(X),
        model.classes,
    )


def summarise(scores: Sequence[Scores]) -> dict[str, Scores]:
    """Return the mean and the standard deviation over the folds of each metric."""
    table = DataFrame(list(scores))
    return {
        str(name): {"mean": float(column.mean()), "std": float(column.std(ddof=0))}
        for name, column in table.items()
    }

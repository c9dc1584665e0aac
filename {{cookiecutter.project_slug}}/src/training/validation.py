"""Cross-validation: all steps are fitted anew for each fold, without its rows."""

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
    """Divide the training rows, whose target is ``y``, into folds.

    If they were split by time, each fold predicts rows later than those it is fitted
    to; else the seed decides, and each fold gets its share of every label, if it can.
    """
    folds, seed = settings.training.folds, settings.seed
    in_order = settings.preprocessing.split.method == "time"
    needed = folds + 1 if in_order else folds
    if len(y) < needed:
        problem = f"{len(y)} training rows are too few for training.folds {folds}"
        advice = f"expected at least {needed}, or the strategy standard"
        raise DataError(f"{problem}; {advice}")
    splitter: Any = KFold(folds, shuffle=True, random_state=seed)
    if in_order:
        splitter = TimeSeriesSplit(folds)
    elif settings.task == "classification" and y.value_counts().min() >= folds:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(y)), y.to_numpy(dtype=object)))


def cross_validate(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds, **kwargs: ArrayLike
) -> list[Scores]:
    """Return the metrics of each fold, by a copy of ``model`` fitted without it."""
    scores = []
    for fit, predict in folds:
        per_row = {name: np.asarray(v)[fit] for name, v in kwargs.items()}
        fold_model = model.clone().fit(X.iloc[fit], y.iloc[fit], **per_row)
        scores.append(measure(fold_model, X.iloc[predict], y.iloc[predict]))
    return scores


def measure(model: BaseModel, X: DataFrame, y: Series) -> Scores:
    """Return the metrics of a fitted model on rows ``X`` with the target ``y``."""
    said, probabilities = model.predict(X), model.predict_proba(X)
    return compute_metrics(
        Predictions(model.task, y.to_numpy(), said, probabilities, model.classes)
    )


def summarise(scores: Sequence[Scores]) -> dict[str, Scores]:
    """Return the mean and the standard deviation over the folds of each metric."""
    return {
        str(name): {"mean": float(column.mean()), "std": float(column.std(ddof=0))}
        for name, column in DataFrame(list(scores)).items()
    }

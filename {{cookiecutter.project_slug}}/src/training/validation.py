"""Cross-validation: all steps are fitted anew for each fold, without its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from sklearn.metrics import roc_curve
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit

from src.data.splitting import CONFIG_KEY, Keys, train_end
from src.evaluation.metrics import Predictions, compute_metrics
from src.models.base import BaseModel
from src.utils.config import Settings
from src.utils.errors import DataError

Scores: TypeAlias = dict[str, float]
# For each fold the positions of the rows to fit to, and of those to predict.
Folds: TypeAlias = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


def make_folds(settings: Settings, y: Series, keys: Keys = Keys()) -> Folds:
    """Divide the training rows, whose target is ``y``, into folds. In order of time,
    each fold predicts later moments than it is fitted to; else the seed decides, groups
    stay whole, and each fold gets its share of every label, if it can."""
    folds, seed = settings.training.folds, settings.seed
    found, needed, what = len(y), folds, "rows"
    if keys.times is not None:
        found, needed, what = len(keys.times.drop_duplicates()), folds + 1, "moments"
    elif keys.blocks is not None:
        found, what = len(np.unique(keys.blocks)), "groups"
    if found < needed:
        problem = f"{found} training {what} are too few for training.folds {folds}"
        advice = f"expected at least {needed}, or the strategy standard"
        raise DataError(f"{problem}; {advice}")
    if keys.times is not None:
        return _folds_in_time(keys.times, settings)
    kind: Any = KFold if keys.blocks is None else GroupKFold
    if settings.task == "classification" and y.value_counts().min() >= folds:
        kind = StratifiedKFold if keys.blocks is None else StratifiedGroupKFold
    splitter, labels = kind(folds, shuffle=True, random_state=seed), y.to_numpy(object)
    return list(splitter.split(np.zeros(len(y)), labels, keys.blocks))


def _folds_in_time(times: DataFrame, settings: Settings) -> Folds:
    """Return folds of whole moments, each with all rows before it to be fitted to."""
    starts = np.flatnonzero(~times.duplicated())  # of each moment
    ends, gap, folds = [*starts[1:], len(times)], settings.preprocessing.split.gap, []
    for _, predict in TimeSeriesSplit(settings.training.folds).split(starts):
        start, stop = starts[predict[0]], ends[predict[-1]]
        if (end := train_end(times, start, gap)) == 0:
            problem = f"{gap:g} leaves a fold no rows to be fitted to"
            raise DataError(f"{CONFIG_KEY}.gap: {problem}; make it smaller")
        folds.append((np.arange(end), np.arange(start, stop)))
    return folds


def cross_validate(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds, **kwargs: ArrayLike
) -> list[Scores]:
    """Return the metrics of each fold, by a copy of ``model`` fitted without it."""
    return [compute_metrics(p) for p in out_of_fold(model, X, y, folds, **kwargs)]


def out_of_fold(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds, **kwargs: ArrayLike
) -> Iterator[Predictions]:
    """Yield what a copy of ``model`` that was fitted without a fold says about it."""
    for fit, rest in folds:
        per_row = {name: np.asarray(v)[fit] for name, v in kwargs.items()}
        fitted = model.clone().fit(X.iloc[fit], y.iloc[fit], **per_row)
        yield fitted.predictions(X.iloc[rest], y.iloc[rest])


def tune_threshold(
    model: BaseModel, X: DataFrame, y: Series, folds: Folds
) -> tuple[float, list[Scores]]:
    """Return the probability of the positive class from which on predicting it gives
    the best balanced accuracy between the folds (Youden, "Index for rating diagnostic
    tests", 1950), and their metrics with it; ValueError if none beats chance."""
    told = [p for p in out_of_fold(model, X, y, folds) if len(p.classes) == 2]
    truth = np.concatenate([p.y_true == p.classes[1] for p in told])
    scores = [np.asarray(p.probabilities)[:, 1] for p in told]
    false, true, thresholds = roc_curve(truth, np.concatenate(scores))
    best = np.argmax(true - false)
    if not true[best] > false[best]:
        raise ValueError("no threshold tells the classes apart")
    at = float(thresholds[best])
    tuned = [
        replace(p, y_pred=np.where(score >= at, p.classes[1], p.classes[0]))
        for p, score in zip(told, scores, strict=True)
    ]
    return at, list(map(compute_metrics, tuned))


def summarise(scores: Sequence[Scores]) -> dict[str, Scores]:
    """Return the mean and the standard deviation over the folds of each metric."""
    return {
        str(name): {"mean": float(column.mean()), "std": float(column.std(ddof=0))}
        for name, column in DataFrame(list(scores)).items()
    }

"""Evaluation metrics.

Each metric is computed from row weights, for many sets of weights at once: weights of
one give the metric itself, and the counts of a bootstrap sample give the metric of that
sample (see ``bootstrap.py``). So a confidence interval costs a few array operations,
not hundreds of calls. The values are those of ``sklearn.metrics``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.utils.config import Task

Floats = NDArray[np.float64]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


class MetricInfo(NamedTuple):
    """What a report says about a metric."""

    label: str
    higher_is_better: bool
    meaning: str


METRICS: Mapping[str, MetricInfo] = {
    "roc_auc": MetricInfo(
        "ROC AUC", True, "chance that a row of a class is ranked above one that is not"
    ),
    "average_precision": MetricInfo(
        "Average precision", True, "precision, averaged over the levels of recall"
    ),
    "accuracy": MetricInfo("Accuracy", True, "share of rows predicted correctly"),
    "balanced_accuracy": MetricInfo(
        "Balanced accuracy", True, "recall, averaged over the classes"
    ),
    "f1_macro": MetricInfo(
        "F1 (macro)", True, "harmonic mean of precision and recall, over the classes"
    ),
    "precision_macro": MetricInfo(
        "Precision (macro)", True, "share of predictions that are correct, by class"
    ),
    "log_loss": MetricInfo(
        "Log loss", False, "mean surprise at the true class, in nats"
    ),
    "brier": MetricInfo("Brier score", False, "mean squared error of the probability"),
    "rmse": MetricInfo(
        "RMSE", False, "root of the mean squared error, in units of the target"
    ),
    "mae": MetricInfo("MAE", False, "mean absolute error, in units of the target"),
    "median_absolute_error": MetricInfo(
        "Median absolute error", False, "half of the rows have a smaller error"
    ),
    "r2": MetricInfo("R²", True, "share of the target's variance that is explained"),
}


@dataclass(frozen=True)
class Predictions:
    """What a model said about rows whose target is known.

    Attributes:
        task: What the target is: a label or a number.
        y_true: The target, one value per row.
        y_pred: The prediction, one value per row.
        probabilities: One row per row, one column per entry of ``classes``; None for
            a regression, or a classifier that has no probabilities.
        classes: The labels that the model knows, in the order of the columns. Of two,
            the second is the positive one.
    """

    task: Task
    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    probabilities: Floats | None = None
    classes: tuple[str, ...] = ()

    def select(self, rows: NDArray[np.bool_]) -> "Predictions":
        """Return the predictions for ``rows`` (a mask) only."""
        chosen = None if self.probabilities is None else self.probabilities[rows]
        y_true, y_pred = self.y_true[rows], self.y_pred[rows]
        return Predictions(self.task, y_true, y_pred, chosen, self.classes)


def primary_metric(task: Task) -> tuple[str, bool]:
    """Return the metric that models are compared by, and whether higher is better."""
    name = "roc_auc" if task == "classification" else "rmse"
    return name, METRICS[name].higher_is_better


def compute_metrics(
    task: Task,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    probabilities: ArrayLike | None = None,
    classes: Sequence[str] = (),
) -> dict[str, float]:
    """Return the metrics of predictions, without those that are not defined.

    Args:
        task: What the target is.
        y_true: The target, one value per row; at least one row.
        y_pred: The prediction, one value per row.
        probabilities: Shape (rows, classes), for a classifier that has them.
        classes: The labels of the columns of ``probabilities``.

    Returns:
        The value of each metric by its name; all are finite.
    """
    chosen = None if probabilities is None else np.asarray(probabilities, np.float64)
    predictions = Predictions(
        task, np.asarray(y_true), np.asarray(y_pred), chosen, tuple(classes)
    )
    values = weighted_metrics(predictions, np.ones((len(predictions.y_true), 1)))
    return {name: float(v[0]) for name, v in values.items() if np.isfinite(v[0])}


def weighted_metrics(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    """Return each metric for each column of ``weights``; NaN where not defined."""
    if predictions.task == "regression":
        return _regression(predictions, weights)
    # Labels that only the rows or only the model know count as classes as well.
    known = list(predictions.classes)
    seen = np.union1d(predictions.y_true, predictions.y_pred)
    labels = np.array([*known, *sorted(set(seen.tolist()) - set(known))])
    order = np.argsort(labels)
    y_true = order[np.searchsorted(labels, predictions.y_true, sorter=order)]
    y_pred = order[np.searchsorted(labels, predictions.y_pred, sorter=order)]
    metrics = _labels(y_true, y_pred, len(labels), weights)
    if predictions.probabilities is not None:
        shape = (len(y_true), len(labels))
        probabilities = np.zeros(shape)
        probabilities[:, : len(known)] = predictions.probabilities
        metrics = _ranking(y_true, probabilities, weights) | metrics
        metrics |= _probabilities(y_true, probabilities, weights)
    return metrics


def _labels(
    y_true: NDArray[np.intp], y_pred: NDArray[np.intp], classes: int, weights: Floats
) -> dict[str, Floats]:
    """Return the metrics of predicted labels, given as positions among ``classes``."""
    eye = np.eye(classes)
    hit = (y_true == y_pred).astype(np.float64)
    actual, predicted = eye[y_true].T @ weights, eye[y_pred].T @ weights
    correct = (eye[y_true] * hit[:, None]).T @ weights
    recall, precision = _ratio(correct, actual), _ratio(correct, predicted)
    f1 = _ratio(2 * correct, actual + predicted)
    present = actual + predicted > 0
    return {
        "accuracy": correct.sum(0) / weights.sum(0),
        "balanced_accuracy": _mean(recall, actual > 0),
        "f1_macro": _mean(f1, present),
        "precision_macro": _mean(precision, present),
    }


def _ranking(
    y_true: NDArray[np.intp], probabilities: Floats, weights: Floats
) -> dict[str, Floats]:
    """Return ROC AUC and average precision: of the second of two classes, else the
    mean over the classes, each against all others, that have rows on both sides."""
    classes = range(probabilities.shape[1])
    if len(classes) == 2:
        classes = range(1, 2)
    aucs, precisions = [], []
    for k in classes:
        auc, precision = _rank_one(y_true == k, probabilities[:, k], weights)
        aucs.append(auc)
        precisions.append(precision)
    auc, precision = np.array(aucs), np.array(precisions)
    return {
        "roc_auc": _mean(auc, np.isfinite(auc)),
        "average_precision": _mean(precision, np.isfinite(precision)),
    }


def _rank_one(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Return ROC AUC and average precision of one class; NaN with rows on one side."""
    ranks, group = np.unique(score, return_inverse=True)
    order = np.argsort(group)
    starts = np.searchsorted(group[order], np.arange(len(ranks)))  # of equal scores
    passed = np.add.reduceat(weights[order], starts)
    seen = np.cumsum(passed, axis=0)
    # All that follows is about the scores that rows of the class have: much fewer.
    order = order[positive[order]]
    chosen_ranks, starts = np.unique(group[order], return_index=True)
    gained = np.add.reduceat(weights[order], starts)
    passed, total, seen = passed[chosen_ranks], seen[-1], seen[chosen_ranks]
    positives = gained.sum(0)
    negatives = total - positives
    so_far = np.cumsum(gained, axis=0)
    below = seen - so_far - (passed - gained) / 2  # a tie counts one half
    auc = _ratio((gained * below).sum(0), positives * negatives)
    found, chosen = positives - so_far + gained, total - seen + passed
    precision = _ratio((gained * _ratio(found, chosen)).sum(0), positives)
    undefined = (positives == 0) | (negatives == 0)
    auc[undefined] = precision[undefined] = np.nan
    return auc, precision


def _probabilities(
    y_true: NDArray[np.intp], probabilities: Floats, weights: Floats
) -> dict[str, Floats]:
    """Return the metrics of the probabilities themselves."""
    total = weights.sum(0)
    of_truth = probabilities[np.arange(len(y_true)), y_true]
    surprise = -np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1))
    metrics = {"log_loss": surprise @ weights / total}
    if probabilities.shape[1] == 2:
        metrics["brier"] = (1 - of_truth) ** 2 @ weights / total
    return metrics


def _regression(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    """Return the metrics of predicted numbers."""
    y_true = predictions.y_true.astype(np.float64)
    error = np.abs(y_true - predictions.y_pred.astype(np.float64))
    total = weights.sum(0)
    squares = error**2 @ weights
    # Centred first: the variance of large numbers would drown in rounding.
    centred = y_true - y_true.mean()
    spread = centred**2 @ weights - (centred @ weights) ** 2 / total
    constant = spread <= np.finfo(np.float64).eps * (centred**2).max() * total
    return {
        "rmse": np.sqrt(squares / total),
        "mae": error @ weights / total,
        "median_absolute_error": _median(error, weights),
        "r2": np.where(constant, np.nan, 1 - _ratio(squares, spread)),
    }


def _median(values: Floats, weights: Floats) -> Floats:
    """Return the median of ``values``, each counted as often as its weight says."""
    order = np.argsort(values)
    seen = np.cumsum(weights[order], axis=0)
    lower, upper = (seen < seen[-1] / 2).sum(0), (seen <= seen[-1] / 2).sum(0)
    ranked = values[order]
    middle: Floats = (ranked[lower] + ranked[upper]) / 2
    return middle


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Return ``top / bottom``, 0 where ``bottom`` is 0."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def _mean(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Return the mean of the chosen values over the first axis; NaN without any."""
    count = chosen.sum(0)
    total = np.where(chosen, values, 0.0).sum(0)
    return np.where(count > 0, _ratio(total, count.astype(np.float64)), np.nan)

"""Evaluation metrics.

Each metric is computed from row weights, for many sets of weights at once: weights of
one give the metric itself, and the counts of a bootstrap sample give the metric of that
sample (see ``bootstrap.py``). So a confidence interval costs a few array operations,
not hundreds of calls. The values are those of ``sklearn.metrics``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from src.utils.config import Task

Floats = NDArray[np.float64]
# Row weights, one column per sample -> each metric, one value per sample.
Weighted: TypeAlias = Callable[[Floats], dict[str, Floats]]

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
    values = prepare(encode(predictions))(np.ones((len(predictions.y_true), 1)))
    return {name: float(v[0]) for name, v in values.items() if np.isfinite(v[0])}


@dataclass(frozen=True)
class Coded:
    """Predictions as numbers only, which are cheap to take samples of.

    Attributes:
        y_true: The target; of a classification, its position among the labels.
        y_pred: The prediction, likewise.
        probabilities: One column per label; None where there are none.
        labels: What the positions stand for; none for a regression.
    """

    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    probabilities: Floats | None
    labels: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> "Coded":
        """Return the predictions for ``rows`` (positions, which may repeat)."""
        chosen = None if self.probabilities is None else self.probabilities[rows]
        return Coded(self.y_true[rows], self.y_pred[rows], chosen, self.labels)


def encode(predictions: Predictions) -> Coded:
    """Return predictions as numbers.

    Labels that only the rows or only the model know count as classes as well.
    """
    if predictions.task == "regression":
        truth, guess = predictions.y_true, predictions.y_pred
        return Coded(truth.astype(np.float64), guess.astype(np.float64), None, ())
    known = predictions.classes
    seen = {*pd.unique(predictions.y_true), *pd.unique(predictions.y_pred)}
    labels = pd.Index([*known, *sorted(seen - {*known})], dtype=object)
    probabilities = None
    if predictions.probabilities is not None:
        probabilities = np.zeros((len(predictions.y_true), len(labels)))
        probabilities[:, : len(known)] = predictions.probabilities
    return Coded(
        labels.get_indexer(pd.Index(predictions.y_true, dtype=object)),
        labels.get_indexer(pd.Index(predictions.y_pred, dtype=object)),
        probabilities,
        tuple(labels),
    )


def prepare(coded: Coded) -> Weighted:
    """Return the metrics as a function of row weights.

    All that does not depend on the weights, such as the order of the scores, is
    computed here, once for many samples.

    Returns:
        A function that takes weights of shape (rows, samples) and returns each metric
        for each sample; NaN where it is not defined.
    """
    if not coded.labels:
        return _regression(coded.y_true, coded.y_pred)
    parts = [_labels(coded.y_true, coded.y_pred, len(coded.labels))]
    if coded.probabilities is not None:
        parts.insert(0, _ranking(coded.y_true, coded.probabilities))
        parts.append(_probabilities(coded.y_true, coded.probabilities))
    return lambda weights: {
        name: values for part in parts for name, values in part(weights).items()
    }


def _labels(
    y_true: NDArray[np.intp], y_pred: NDArray[np.intp], labels: int
) -> Weighted:
    """Return the metrics of predicted labels, given as positions among ``labels``."""
    eye = np.eye(labels)
    of_truth, of_guess = eye[y_true].T, eye[y_pred].T
    of_hit = of_truth * (y_true == y_pred)

    def metrics(weights: Floats) -> dict[str, Floats]:
        actual, predicted = of_truth @ weights, of_guess @ weights
        correct = of_hit @ weights
        recall, precision = _ratio(correct, actual), _ratio(correct, predicted)
        f1 = _ratio(2 * correct, actual + predicted)
        present = actual + predicted > 0
        return {
            "accuracy": correct.sum(0) / weights.sum(0),
            "balanced_accuracy": _mean(recall, actual > 0),
            "f1_macro": _mean(f1, present),
            "precision_macro": _mean(precision, present),
        }

    return metrics


def _ranking(y_true: NDArray[np.intp], probabilities: Floats) -> Weighted:
    """Return ROC AUC and average precision: of the second of two classes, else the
    mean over the classes, each against all others, that have rows on both sides."""
    classes = range(probabilities.shape[1])
    if len(classes) == 2:
        classes = range(1, 2)
    ranked = [_rank_one(y_true == k, probabilities[:, k]) for k in classes]

    def metrics(weights: Floats) -> dict[str, Floats]:
        found = np.array([ranks(weights) for ranks in ranked])
        auc, precision = found[:, 0], found[:, 1]
        return {
            "roc_auc": _mean(auc, np.isfinite(auc)),
            "average_precision": _mean(precision, np.isfinite(precision)),
        }

    return metrics


def _rank_one(
    positive: NDArray[np.bool_], score: Floats
) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return ROC AUC and average precision of one class; NaN with rows on one side."""
    order = np.argsort(score, kind="stable")
    starts = _starts(score[order])  # of equal scores
    # The curves only turn at the scores that rows of the class have: much fewer.
    chosen = order[positive[order]]
    chosen_starts = _starts(score[chosen])
    ranks = np.searchsorted(score[order][starts], score[chosen][chosen_starts])

    def metrics(weights: Floats) -> tuple[Floats, Floats]:
        passed = np.add.reduceat(weights[order], starts)
        seen = np.cumsum(passed, axis=0)
        gained = np.add.reduceat(weights[chosen], chosen_starts)
        passed, total, seen = passed[ranks], seen[-1], seen[ranks]
        positives = gained.sum(0)
        negatives = total - positives
        so_far = np.cumsum(gained, axis=0)
        below = seen - so_far - (passed - gained) / 2  # a tie counts one half
        auc = _ratio((gained * below).sum(0), positives * negatives)
        found, alarms = positives - so_far + gained, total - seen + passed
        precision = _ratio((gained * _ratio(found, alarms)).sum(0), positives)
        undefined = (positives == 0) | (negatives == 0)
        auc[undefined] = precision[undefined] = np.nan
        return auc, precision

    return metrics


def _starts(ordered: Floats) -> NDArray[np.intp]:
    """Return where each run of equal values begins."""
    return np.flatnonzero(np.diff(ordered, prepend=np.nan) != 0)


def _probabilities(y_true: NDArray[np.intp], probabilities: Floats) -> Weighted:
    """Return the metrics of the probabilities themselves."""
    of_truth = probabilities[np.arange(len(y_true)), y_true]
    losses = {"log_loss": -np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1))}
    if probabilities.shape[1] == 2:
        losses["brier"] = (1 - of_truth) ** 2
    return lambda weights: {
        name: loss @ weights / weights.sum(0) for name, loss in losses.items()
    }


def _regression(y_true: Floats, y_pred: Floats) -> Weighted:
    """Return the metrics of predicted numbers."""
    error = np.abs(y_true - y_pred)
    squared = error**2
    # Centred first: the variance of large numbers would drown in rounding.
    centred = y_true - y_true.mean()
    noise = np.finfo(np.float64).eps * (centred**2).max()
    median = _median(error)

    def metrics(weights: Floats) -> dict[str, Floats]:
        total, squares = weights.sum(0), squared @ weights
        spread = centred**2 @ weights - (centred @ weights) ** 2 / total
        explained = 1 - _ratio(squares, spread)
        return {
            "rmse": np.sqrt(squares / total),
            "mae": error @ weights / total,
            "median_absolute_error": median(weights),
            "r2": np.where(spread <= noise * total, np.nan, explained),
        }

    return metrics


def _median(values: Floats) -> Callable[[Floats], Floats]:
    """Return the median of ``values``, each counted as often as its weight says."""
    order = np.argsort(values)
    ranked = values[order]

    def median(weights: Floats) -> Floats:
        seen = np.cumsum(weights[order], axis=0)
        lower, upper = (seen < seen[-1] / 2).sum(0), (seen <= seen[-1] / 2).sum(0)
        middle: Floats = (ranked[lower] + ranked[upper]) / 2
        return middle

    return median


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Return ``top / bottom``, 0 where ``bottom`` is 0."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def _mean(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Return the mean of the chosen values over the first axis; NaN without any."""
    count = chosen.sum(0)
    total = np.where(chosen, values, 0.0).sum(0)
    return np.where(count > 0, _ratio(total, count.astype(np.float64)), np.nan)

"""Metrics of predictions, with bootstrap confidence intervals for those that decide."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics

from src.data.columns import Column
from src.utils.config import Settings, Task

Floats = NDArray[np.float64]

SAMPLE_ROWS = 20_000  # of a bootstrap sample, at most
MAX_DRAWN = 8_000_000  # rows in all samples, from which on there are fewer of these
MIN_BLOCKS = 10  # with fewer groups or days, samples of them tell little
HEAVY_TAIL = 0.2  # of the squared error in 1 % of the rows; normal errors have 0.08
SAME = "the target is the same in all rows"


@dataclass(frozen=True)
class Predictions:
    """What a model said about rows whose target is known. Probabilities have shape
    (rows, classes); of two classes, the second is positive. Blocks number the groups or
    days, whose rows are alike: what varies is those."""

    task: Task
    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    probabilities: Floats | None = None
    classes: tuple[str, ...] = ()
    blocks: NDArray[np.intp] | None = None

    def take(self, rows: NDArray[Any]) -> "Predictions":
        """Return the predictions for ``rows``: a mask, or positions."""
        arrays = {k: v for k, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **{name: array[rows] for name, array in arrays.items()})


def predict(
    pipeline: Any, X: pd.DataFrame, y: Column, task: Task, positive: str | None = None
) -> Predictions:
    """Return what a fitted pipeline says about rows ``X`` with the target ``y``."""
    said = np.asarray(pipeline.predict(X))
    if task == "regression":
        return Predictions(task, y.to_numpy(np.float64), said)
    classes, probabilities = tuple(map(str, pipeline.classes_)), None
    if hasattr(pipeline, "predict_proba"):
        probabilities = np.asarray(pipeline.predict_proba(X), dtype=np.float64)
    if len(classes) == 2 and classes[0] == positive:
        classes = classes[::-1]
        probabilities = None if probabilities is None else probabilities[:, ::-1]
    both = y.to_numpy(dtype=object), said.astype(object)
    return Predictions(task, *both, probabilities, classes)


class Metric(NamedTuple):
    """What a report says about a metric."""

    label: str
    higher_is_better: bool

    def gain(self, value: Any, other: Any) -> Any:
        """Return how much better a value is than another one."""
        return value - other if self.higher_is_better else other - value


# No threshold and no rare class makes these worse than the baseline's.
PROPER = {"log_loss", "brier", "mae"}
METRICS = {
    "roc_auc": Metric("ROC AUC", True),
    "average_precision": Metric("Average precision", True),
    "log_loss": Metric("Log loss", False),
    "brier": Metric("Brier score", False),
    "accuracy": Metric("Accuracy", True),
    "balanced_accuracy": Metric("Balanced accuracy", True),
    "f1_macro": Metric("F1 (macro)", True),
    "precision_macro": Metric("Precision (macro)", True),
    "rmse": Metric("RMSE", False),
    "mae": Metric("MAE", False),
    "median_absolute_error": Metric("Median absolute error", False),
    "r2": Metric("R²", True),
}
PRIMARY = {"classification": "roc_auc", "regression": "rmse"}  # models go by it


def _functions(p: Predictions) -> dict[str, Callable[[], float]]:
    """Return what computes each metric of encoded predictions, NaN if not defined."""
    y, said, scores = p.y_true, p.y_pred, p.probabilities
    if p.task == "regression":
        return {
            "rmse": lambda: metrics.root_mean_squared_error(y, said),
            "mae": lambda: metrics.mean_absolute_error(y, said),
            "median_absolute_error": lambda: metrics.median_absolute_error(y, said),
            "r2": lambda: metrics.r2_score(y, said) if np.ptp(y) > 0 else np.nan,
        }
    own, macro = np.unique(y), dict[str, Any](average="macro", zero_division=0)
    functions: dict[str, Callable[[], float]] = {
        "accuracy": lambda: metrics.accuracy_score(y, said),
        "balanced_accuracy": lambda: metrics.recall_score(y, said, labels=own, **macro),
        "f1_macro": lambda: metrics.f1_score(y, said, **macro),
        "precision_macro": lambda: metrics.precision_score(y, said, **macro),
    }
    if scores is None:
        return functions
    classes = range(len(p.classes))
    two = len(classes) == 2
    sides = [(y == k, scores[:, k]) for k in (classes[1:] if two else classes)]

    def mean(one_class: Callable[[Any, Any], float]) -> float:
        """Of the positive one of two classes, else of all with rows on both sides."""
        found = [one_class(of, s) for of, s in sides if 0 < of.sum() < len(of)]
        return float(np.mean(found)) if found else np.nan

    ranking: dict[str, Callable[[], float]] = {
        "roc_auc": lambda: mean(_roc_auc),
        "average_precision": lambda: mean(metrics.average_precision_score),
        "log_loss": lambda: metrics.log_loss(y, scores, labels=classes),
    }
    if two:
        ranking["brier"] = lambda: float(np.mean((scores[:, 1] - y) ** 2))
    return ranking | functions


def _roc_auc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Return scikit-learn's value, from ranks: each sample of the bootstrap needs one,
    and this takes a quarter of the time."""
    count = positive.sum()
    above = rankdata(score)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(positive) - count)))


class Score(NamedTuple):
    """A metric and its confidence interval, which may be missing."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measurement:
    """The metrics of one model on some rows, and why the others are not defined."""

    rows: int
    scores: dict[str, Score] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    # Metrics in each bootstrap sample; those of two models on the same rows are paired.
    samples: dict[str, Floats] = field(default_factory=dict)
    few: str = ""  # what there is too little of for intervals


def compute_metrics(predictions: Predictions) -> dict[str, float]:
    """Return the metrics of at least one row, without those that are not defined."""
    functions = _functions(encode(predictions))
    values = {name: float(function()) for name, function in functions.items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def measure(
    predictions: Predictions, settings: Settings, also: Collection[str] = ()
) -> Measurement:
    """Return the metrics, with intervals for the primary metric and those in ``also``:
    how far it would vary with other test rows, not with another training. There is none
    of too few rows, or if it is undefined in more than half of the samples."""
    coded = encode(predictions)
    found = Measurement(len(coded.y_true), few=too_few(predictions, settings))
    for name, function in _functions(coded).items():
        value = float(function())
        if not np.isfinite(value):
            found.undefined[name] = SAME
            continue
        found.scores[name] = Score(value)
        if name in (PRIMARY[coded.task], *also):
            sampled = found.samples[name] = _bootstrap(name, coded, settings)
            if not found.few:
                found.scores[name] = Score(value, *interval(sampled, settings))
    return found


def too_few(p: Predictions, settings: Settings) -> str:
    """Say how few the rows are, if figures of them would be chance."""
    limits, few = settings.evaluation, f"{len(p.y_true)} rows"
    if len(p.y_true) < limits.min_slice_rows:
        return few
    if p.task == "classification":
        counts = pd.Series(p.y_true).value_counts()
        if len(p.classes) == 2:
            counts = counts.reindex(p.classes, fill_value=0)
        if counts.min() < limits.min_class_rows:
            return f"{few}, {counts.min()} of {counts.idxmin()!r}"
    return ""


def heavy_tail(p: Predictions) -> str:
    """Say that few rows make the error, if they do: then samples tell too little."""
    if p.task == "classification":
        return ""
    errors = np.sort((p.y_true.astype(float) - p.y_pred) ** 2)[::-1]
    rows = ceil(len(errors) / 100)
    share = errors[:rows].sum() / (errors.sum() or 1)
    told = f"{share:.0%} of the squared error is of {rows} rows (heavy tails)"
    return f"{told}: intervals may be too narrow" if share >= HEAVY_TAIL else ""


def interval(sampled: Floats, settings: Settings) -> tuple[float | None, float | None]:
    """Return the middle part of values in bootstrap samples (percentile interval; Efron
    and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13)."""
    defined = sampled[np.isfinite(sampled)]
    if 2 * len(defined) < len(sampled):
        return None, None
    tail = (1 - settings.evaluation.confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def _bootstrap(name: str, coded: Predictions, settings: Settings) -> Floats:
    """Return a metric in samples of all rows, or of blocks of them
    (Davison and Hinkley, "Bootstrap Methods", 1997, section 3.8); NaN if those are few.
    Of more than ``SAMPLE_ROWS`` rows so many are drawn, and the deviations scaled: the
    m out of n bootstrap (Bickel, Götze and van Zwet, "Resampling fewer than n
    observations", 1997). Many rows need fewer samples."""
    rows, random = np.arange(len(coded.y_true)), np.random.default_rng(settings.seed)
    blocks = rows if coded.blocks is None else coded.blocks
    names, block = np.unique(blocks, return_inverse=True)
    if (count := len(names)) < MIN_BLOCKS and blocks is not rows:
        return np.array([np.nan])
    size = ceil(min(1, SAMPLE_ROWS / len(rows)) * count)
    samples = min(settings.evaluation.bootstrap_samples, MAX_DRAWN // len(rows) + 200)
    drawn = (random.integers(count, size=size) for _ in range(samples))
    times = (np.bincount(chosen, minlength=count)[block] for chosen in drawn)
    parts = (coded.take(np.repeat(rows, often)) for often in times)
    sampled = np.array([_functions(part)[name]() for part in parts])
    value = _functions(coded)[name]()
    return np.asarray(value + np.sqrt(size / count) * (sampled - value))


def encode(p: Predictions) -> Predictions:
    """Return predictions with labels as positions; unknown ones follow the classes."""
    if p.task == "regression":
        return replace(p, y_true=p.y_true.astype(float), y_pred=p.y_pred.astype(float))
    unknown = {*pd.unique(p.y_true), *pd.unique(p.y_pred)} - {*p.classes}
    classes, given = (*p.classes, *sorted(unknown)), p.probabilities
    if given is not None:
        given = np.pad(given, ((0, 0), (0, len(unknown))))
    position: Any = pd.Index(classes, dtype=object).get_indexer
    both = position(p.y_true), position(p.y_pred)
    return Predictions(p.task, *both, given, classes, p.blocks)

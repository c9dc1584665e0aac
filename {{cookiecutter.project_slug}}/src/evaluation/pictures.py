"""Which pictures a report shows, and what they say to those who cannot see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics

from src.evaluation.metrics import METRICS, Floats, Predictions, primary_metric
from src.evaluation.performance import Evaluation
from src.utils import visualization as draw

MAX_CLASSES = 20
MAX_CURVE_POINTS = 500
CALIBRATION_BINS = 10
MIN_BIN_ROWS = 10
OTHERS = "(all others)"

Curves = dict[str, tuple[Floats, Floats, float]]


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in words, how to read it, and the name of its file."""

    figure: Figure
    alt: str
    caption: str
    name: str

    @cached_property
    def svg(self) -> str:
        """The figure as text, drawn once."""
        return draw.to_svg(self.figure)


def make_pictures(evaluation: Evaluation, confidence: float) -> list[Picture]:
    """Return the pictures for the task, without those that need what is not there.

    Args:
        evaluation: What is drawn.
        confidence: The coverage of intervals, between 0 and 1.
    """
    predictions = evaluation.predictions
    if predictions.task == "regression":
        return _regression(predictions)
    pictures = [_confusion(predictions)]
    if predictions.probabilities is not None:
        pictures += _rankings(predictions, predictions.probabilities)
        pictures.append(
            _calibration(predictions, predictions.probabilities, confidence)
        )
    return pictures


def slice_picture(evaluation: Evaluation, column: str) -> Picture | None:
    """Return the primary metric of the slices of ``column``; None if they have none."""
    name, _ = primary_metric(evaluation.predictions.task)
    rows = [
        (s.value, *s.measurement.scores[name])
        for s in evaluation.slices
        if s.column == column and s.measurement and name in s.measurement.scores
    ]
    if name not in evaluation.model.scores or not rows:
        return None
    label, whole = METRICS[name].label, evaluation.model.scores[name].value
    parts = ", ".join(f"{value} {score:.3g}" for value, score, _, _ in rows)
    return Picture(
        draw.interval_chart(rows, whole, label),
        f"{label} by {column}: {parts}; all test rows {whole:.3g}.",
        f"{label} with its interval. Where two intervals overlap, the difference "
        "between the groups may be chance.",
        "slices",
    )


def search_pictures(record: Mapping[str, Any]) -> list[Picture]:
    """Return how a search went and what mattered in it; none without a search."""
    search = record.get("search")
    if not search:
        return []
    label = METRICS[search["metric"]].label
    higher = METRICS[search["metric"]].higher_is_better
    values = [trial["value"] for trial in search["trials"]]
    states = [trial["state"] for trial in search["trials"]]
    named = {"complete": "complete", "pruned": "pruned", "fail": "failed"}
    counts = ", ".join(f"{states.count(s)} {name}" for s, name in named.items())
    pictures = [
        Picture(
            draw.search_history(values, states, higher, label),
            f"Trials of the search: {counts}; the best has {label} "
            f"{search['best']['value']:.4g}.",
            "Each point is a trial; a hollow one was given up after its first folds. "
            "Where the line, the best so far, has long been level, more trials would "
            "hardly help.",
            "search_history",
        )
    ]
    if search["importances"]:
        shares = search["importances"]
        told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        pictures.append(
            Picture(
                draw.bar_chart(
                    shares, "Importance in the search", "share of variation"
                ),
                f"Importance of hyperparameters: {told}.",
                "How much of the variation between the trials each hyperparameter "
                "explains (functional analysis of variance).",
                "search_importances",
            )
        )
    return pictures


def _confusion(predictions: Predictions) -> Picture:
    """Return the confusion matrix; of many classes, the rarest share one line."""
    seen, counts = np.unique(predictions.y_true, return_counts=True)
    labels = sorted({*seen, *predictions.y_pred, *predictions.classes})
    y_true, y_pred = predictions.y_true, predictions.y_pred
    if len(labels) > MAX_CLASSES:
        frequent = sorted(seen[np.argsort(-counts, kind="stable")][: MAX_CLASSES - 1])
        labels = [*frequent, OTHERS]
        y_true, y_pred = (
            np.where(np.isin(y, frequent), y, OTHERS) for y in (y_true, y_pred)
        )
    cells = metrics.confusion_matrix(y_true, y_pred, labels=labels)
    hits, rows = int(np.trace(cells)), int(cells.sum())
    return Picture(
        draw.confusion_matrix(cells, labels),
        f"Confusion matrix of {len(labels)} classes: {hits} of {rows} rows are on the "
        "diagonal.",
        "Rows of each actual class (line) by predicted class (column); the darker, the "
        "larger the share of the line. Right predictions are on the diagonal.",
        "confusion_matrix",
    )


def _rankings(predictions: Predictions, probabilities: Floats) -> list[Picture]:
    """Return the ROC and precision–recall curves; none without rows on two sides."""
    masks = _drawn_classes(predictions)
    if not masks:
        return []
    columns = [probabilities[:, predictions.classes.index(name)] for name in masks]
    roc: Curves = {}
    recall: Curves = {}
    for (name, mask), score in zip(masks.items(), columns, strict=True):
        fpr, tpr, _ = metrics.roc_curve(mask, score)
        area = float(metrics.roc_auc_score(mask, score))
        roc[name] = (*_thin(fpr, tpr), area)
        precision, found, _ = metrics.precision_recall_curve(mask, score)
        area = float(metrics.average_precision_score(mask, score))
        recall[name] = (*_thin(found[::-1], precision[::-1]), area)
    single = next(iter(masks.values())).mean() if len(masks) == 1 else None
    which = "" if single else " of the most frequent classes, each against all others"
    return [
        Picture(
            draw.roc_curve(roc),
            f"ROC curve{which}; area {_areas(roc)}.",
            "What share of the class is found, at each share of false alarms. The "
            "further above the diagonal, the better.",
            "roc_curve",
        ),
        Picture(
            draw.precision_recall_curve(recall, single),
            f"Precision–recall curve{which}; average precision {_areas(recall)}.",
            "What share of the alarms is right, at each share of the class that is "
            "found. Of more use than ROC where the class is rare.",
            "precision_recall_curve",
        ),
    ]


def _drawn_classes(predictions: Predictions) -> Mapping[str, NDArray[np.bool_]]:
    """Return which rows are of a class: the positive one of two, else the frequent."""
    classes = predictions.classes[1:] if len(predictions.classes) == 2 else None
    names = np.array(classes or predictions.classes, dtype=object)
    masks = predictions.y_true[:, None] == names
    counts = masks.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[: draw.MAX_CURVES]
    usable = [i for i in order if 0 < counts[i] < len(masks)]
    return {str(names[i]): masks[:, i] for i in usable}


def _calibration(
    predictions: Predictions, probabilities: Floats, confidence: float
) -> Picture:
    """Return the calibration of the positive class, or of the predicted one."""
    classes = np.array(predictions.classes, dtype=object)
    if len(classes) == 2:
        subject = f"probability of {classes[1]}"
        probability, outcome = probabilities[:, 1], predictions.y_true == classes[1]
    else:
        subject = "probability of the predicted class"
        best = probabilities.argmax(axis=1)
        probability = probabilities[np.arange(len(best)), best]
        outcome = predictions.y_true == classes[best]
    count = int(np.clip(len(outcome) // MIN_BIN_ROWS, 1, CALIBRATION_BINS))
    bins = np.array_split(np.argsort(probability, kind="stable"), count)
    rows = np.array([len(b) for b in bins])
    happened = np.array([outcome[b].sum() for b in bins])
    predicted = np.array([probability[b].mean() for b in bins])
    observed = happened / rows
    low, high = _share_interval(observed, rows, confidence)
    gap = float(np.average(np.abs(predicted - observed), weights=rows))
    return Picture(
        draw.calibration_curve(predicted, observed, low, high, subject),
        f"Calibration of the {subject}: on average {gap:.3f} from the diagonal.",
        "How often it happens, by how probable the model says it is. Below the "
        "diagonal the model is too sure, above it not sure enough.",
        "calibration",
    )


def _share_interval(
    share: Floats, rows: NDArray[np.int_], confidence: float
) -> tuple[Floats, Floats]:
    """Return the interval of Wilson (1927) for shares that were seen in some rows."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    spread = np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    half = spread * z / (1 + z**2 / rows)
    return middle - half, middle + half


def _regression(predictions: Predictions) -> list[Picture]:
    """Return the pictures of the residuals."""
    actual, predicted = predictions.y_true, predictions.y_pred
    residual = actual - predicted
    bias, spread = residual.mean(), residual.std()
    low, high = np.quantile(residual, [0.05, 0.95])
    return [
        Picture(
            draw.predicted_against_actual(actual, predicted),
            f"Predicted against actual value of {len(actual)} rows, with the line of "
            "no error.",
            "Each point is a row; on the dashed line the prediction is right.",
            "predicted_against_actual",
        ),
        Picture(
            draw.residuals_against_predicted(actual, predicted),
            f"Residuals against predictions: mean {bias:.3g}, standard deviation "
            f"{spread:.3g}.",
            "What is left over. A trend or a fan says what the model has not learned.",
            "residuals",
        ),
        Picture(
            draw.residual_histogram(actual, predicted),
            f"Histogram of residuals: nine of ten lie between {low:.3g} and "
            f"{high:.3g}.",
            "How large the errors are, and whether they lean to one side.",
            "residual_histogram",
        ),
    ]


def _thin(x: Any, y: Any) -> tuple[Floats, Floats]:
    """Keep as many points of a curve as can be seen."""
    count = min(len(x), MAX_CURVE_POINTS)
    kept = np.linspace(0, len(x) - 1, count).round().astype(int)
    return np.asarray(x)[kept], np.asarray(y)[kept]


def _areas(curves: Curves) -> str:
    """Write the area under each curve."""
    return ", ".join(f"{area:.3f} ({name})" for name, (_, _, area) in curves.items())

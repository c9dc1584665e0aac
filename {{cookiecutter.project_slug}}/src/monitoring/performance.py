"""How good the answers are: measured where labels have arrived, else estimated from
how sure the model was, of classes alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import notna
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from src.evaluation.metrics import METRICS, PRIMARY, Floats, Predictions
from src.evaluation.metrics import encode, measure, too_few
from src.monitoring.drift import Check
from src.monitoring.settings import MonitoringSettings
from src.utils.config import Settings

SAMPLES = 100  # of a bootstrap, for the spread of an estimate


class Figure(NamedTuple):
    """A value of the metric, and its standard error."""

    value: float
    error: float


def check_performance(
    reference: Predictions,
    window: Predictions,
    settings: Settings,
    chosen: MonitoringSettings,
) -> tuple[list[Check], str]:
    """Return the check of the primary metric, and how it was come by, or why not."""
    known = window.take(np.asarray(notna(window.y_true)))
    count, metric = len(known.y_true), PRIMARY[settings.task]
    needed = chosen.window.min_labels
    few = too_few(known, settings) if count >= needed else f"{count} labels of {needed}"
    kind, told = "performance", f"measured on {count} labels"
    if not few:
        figures = [_measured(part, metric, settings) for part in (reference, known)]
    elif reference.probabilities is not None and metric == "roc_auc":
        kind, told = "estimated performance", f"estimated, as there are {few}"
        figures = estimated(reference, window, settings.seed)
    else:
        return [], f"not known, as there are {few}"
    old, new = figures
    if not np.isfinite([*old, *new]).all() or not old.value:
        return [], "not defined on these rows"
    loss = METRICS[metric].gain(old.value, new.value)
    error = float(np.hypot(old.error, new.error)) or np.inf
    before, now = (f"{METRICS[metric].label} {it.value:.4g}" for it in figures)
    effect, limit = max(0.0, loss / abs(old.value)), chosen.alarm.min_loss
    p_value = float(stats.norm.sf(loss / error))
    return [Check(kind, metric, before, now, effect, limit, p_value)], told


def estimated(reference: Predictions, window: Predictions, seed: int) -> list[Figure]:
    """Return the ROC AUC to be expected of both parts if a probability means what it
    meant in the reference: each row counts as each class, by how probable that is
    (confidence-based performance estimation). It knows of no change in how
    the target depends on the features."""
    old, new = (np.asarray(p.probabilities) for p in (reference, window))
    truth, random = encode(reference).y_true, np.random.default_rng(seed)
    classes = range(len(reference.classes))
    calibrations = {
        k: IsotonicRegression(out_of_bounds="clip").fit(old[:, k], truth == k)
        for k in (classes[1:] if len(classes) == 2 else classes)
    }
    found = []
    for given in (old, new):
        sides = []
        for k, calibration in calibrations.items():
            ranks = np.unique(given[:, k], return_inverse=True)[1]
            sides.append((ranks, calibration.predict(given[:, k])))
        rows = len(given)
        drawn = (random.integers(rows, size=rows) for _ in range(SAMPLES))
        often = (np.bincount(chosen, minlength=rows) for chosen in drawn)
        spread = float(np.std([_expected(sides, times) for times in often]))
        found.append(Figure(_expected(sides, np.ones(rows)), spread))
    return found


def _expected(sides: Sequence[tuple[Any, Floats]], times: NDArray[Any]) -> float:
    """Return the mean over classes of the ROC AUC of rows that count so many times, of
    which the ranks by probability are known, and what share of each is of the class."""
    values = []
    for ranks, share in sides:
        of, others = (np.bincount(ranks, times * part) for part in (share, 1 - share))
        below = np.cumsum(others) - others / 2  # of rows with the same rank, half
        pairs = of.sum() * others.sum()
        if pairs > 0:
            values.append(float((of * below).sum() / pairs))
    return float(np.mean(values)) if values else np.nan


def _measured(part: Predictions, metric: str, settings: Settings) -> Figure:
    found = measure(part, settings)
    if metric not in found.scores:
        return Figure(np.nan, np.nan)
    return Figure(found.scores[metric].value, float(np.nanstd(found.samples[metric])))

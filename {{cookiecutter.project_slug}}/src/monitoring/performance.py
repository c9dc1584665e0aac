"""How good the answers are: measured where labels have arrived, else estimated from
how sure the model was, of classes alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

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
    labelled: np.ndarray,
    settings: Settings,
    chosen: MonitoringSettings,
) -> tuple[list[Check], str]:
    """Return the check of the primary metric, and how it was come by, or why not."""
    known = window.take(labelled)
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
    (confidence-based performance estimation, NannyML). It knows of no change in how
    the target depends on the features."""
    classes, truth = reference.classes, encode(reference).y_true
    sides = range(1, 2) if len(classes) == 2 else range(len(classes))
    parts = [np.asarray(p.probabilities) for p in (reference, window)]
    random, found = np.random.default_rng(seed), []
    calibrations = {
        k: IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
            parts[0][:, k], truth == k
        )
        for k in sides
    }
    for given in parts:
        scores = [(given[:, k], calibrations[k].predict(given[:, k])) for k in sides]
        rows = len(given)
        drawn = (random.integers(rows, size=rows) for _ in range(SAMPLES))
        often = [np.bincount(chosen, minlength=rows) for chosen in drawn]
        spread = float(np.std([_expected(scores, times) for times in often]))
        found.append(Figure(_expected(scores, np.ones(rows)), spread))
    return found


def _expected(scores: Sequence[tuple[Floats, Floats]], times: np.ndarray) -> float:
    """Return the mean over classes of the ROC AUC to be expected of rows that count so
    many times."""
    values = []
    for score, share in scores:
        outcome = np.repeat([1, 0], len(score))
        weight = np.concatenate([times * share, times * (1 - share)])
        if min(weight[outcome == 1].sum(), weight[outcome == 0].sum()) > 0:
            both = np.tile(score, 2)
            values.append(roc_auc_score(outcome, both, sample_weight=weight))
    return float(np.mean(values)) if values else np.nan


def _measured(part: Predictions, metric: str, settings: Settings) -> Figure:
    found = measure(part, settings)
    if metric not in found.scores:
        return Figure(np.nan, np.nan)
    return Figure(found.scores[metric].value, float(np.nanstd(found.samples[metric])))

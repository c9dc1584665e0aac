"""How differently the model treats the groups of each sensitive column.

Rates by group and their differences are measured with Fairlearn, with confidence
intervals by its bootstrap. A difference is a question to people, not a verdict: the
groups may differ in what is predicted, too.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, mean_absolute_error

from src.audits.audit import Audit, AuditContext, Check, Table
from src.audits.settings import FairnessSettings, load_audit_settings
from src.evaluation.metrics import Predictions
from src.evaluation.report import format_number
from src.evaluation.slices import slice_masks
from src.utils.config import Settings
from src.utils.errors import ConfigError

Metrics = dict[str, Callable[..., float]]


def audit(context: AuditContext, settings: Settings) -> Audit:
    """Compare the groups of the sensitive columns on the test rows.

    Raises:
        ConfigError: If the settings of the audits are not valid.
    """
    chosen = load_audit_settings().fairness
    tables: list[Table] = []
    checks: list[Check] = []
    content: dict[str, Any] = {}
    metrics, truth, predicted = _measured(context.predictions)
    _check_limits(chosen, metrics)
    for name in (c for c in context.schema.sensitive if c in context.test):
        groups = _groups(context, name, settings.evaluation.min_slice_rows)
        used = groups.notna().to_numpy()
        if groups[used].nunique() < 2:
            continue  # nothing to compare with
        result = compare(
            metrics, truth[used], predicted[used], groups[used], chosen, settings
        )
        content[name] = result
        tables.append(_table(name, result, metrics))
        checks += _checks(name, result, chosen)
    return Audit(
        "fairness",
        "Fairness",
        (
            _intro(context, settings)
            if content
            else "No sensitive column has two groups "
            "that are large enough to be compared."
        ),
        tables,
        checks=checks,
        content={"columns": content},
    )


def compare(
    metrics: Metrics,
    truth: Any,
    predicted: Any,
    groups: "pd.Series[Any]",
    chosen: FairnessSettings,
    settings: Settings,
) -> dict[str, Any]:
    """Return each metric by group, and its largest difference between two groups.

    Args:
        metrics: Functions of the truth and the prediction.
        truth: The target, one value per row.
        predicted: The prediction, one value per row.
        groups: The group, one value per row.
        chosen: How many bootstrap samples are drawn.
        settings: The coverage of the intervals, and the seed.

    Returns:
        ``groups``: rows, and each metric as value, low and high, by group;
        ``differences``: the same for the difference of each metric.
    """
    from fairlearn.metrics import MetricFrame

    tail = (1 - settings.evaluation.confidence) / 2
    with warnings.catch_warnings():
        # Of a rate that is defined in no sample: it has no interval, as is shown.
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        frame = MetricFrame(
            metrics=metrics,
            y_true=truth,
            y_pred=predicted,
            sensitive_features=groups.to_numpy(dtype=object),
            n_boot=chosen.bootstrap_samples,
            ci_quantiles=[tail, 1 - tail],
            random_state=settings.seed,
        )
    low, high = frame.by_group_ci
    least, most = frame.difference_ci()
    # A group alone differs from no other one.
    difference = frame.difference().where(frame.by_group.count() > 1)
    counts = groups.value_counts()
    return {
        "groups": {
            str(group): {"rows": int(counts[group])}
            | {
                name: _interval(
                    frame.by_group.loc[group, name],
                    low.loc[group, name],
                    high.loc[group, name],
                )
                for name in metrics
            }
            for group in frame.by_group.index
        },
        "differences": {
            name: _interval(difference[name], least[name], most[name])
            for name in metrics
        },
    }


def _measured(predictions: Predictions) -> tuple[Metrics, Any, Any]:
    """Return what is compared, with truth and prediction as the functions take them."""
    from fairlearn.metrics import (
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    truth, predicted = predictions.y_true, predictions.y_pred
    if predictions.task == "regression":
        errors: Metrics = {
            "mean_absolute_error": mean_absolute_error,
            "mean_error": _mean_error,
        }
        return errors, truth, predicted.astype(np.float64)
    if len(predictions.classes) != 2:
        return {"accuracy": accuracy_score}, truth.astype(str), predicted.astype(str)
    positive = predictions.classes[1]
    rates: Metrics = {
        "selection_rate": selection_rate,
        "true_positive_rate": _defined(true_positive_rate, 1),
        "false_positive_rate": _defined(false_positive_rate, 0),
        "accuracy": accuracy_score,
    }
    return rates, (truth == positive).astype(int), (predicted == positive).astype(int)


def _defined(rate: Callable[..., float], actual: int) -> Callable[..., float]:
    """Return ``rate``, not a number without rows of the ``actual`` class.

    It would be 0 there, and make a difference that nobody has seen.
    """

    def measure(truth: Any, predicted: Any) -> float:
        if not (np.asarray(truth) == actual).any():
            return float("nan")
        return rate(truth, predicted, pos_label=1)

    return measure


def _mean_error(truth: Any, predicted: Any) -> float:
    """Return by how much predictions are too high on average."""
    return float(np.mean(np.asarray(predicted) - np.asarray(truth)))


def _check_limits(chosen: FairnessSettings, metrics: Metrics) -> None:
    """Refuse limits for what is not measured.

    Raises:
        ConfigError: If there are such limits.
    """
    for name in chosen.limits:
        if name not in metrics:
            raise ConfigError(
                f"config/responsible_ai_config.yaml: fairness.limits: found {name!r}, "
                f"expected one of: {', '.join(metrics)}"
            )


def _groups(context: AuditContext, name: str, min_rows: int) -> "pd.Series[Any]":
    """Return the group of each test row; None where the group is too small."""
    column = context.test[name]
    groups = pd.Series(None, index=column.index, dtype=object)
    for label, mask in slice_masks(column, context.schema.columns[name].type).items():
        if mask.sum() >= min_rows:
            groups[mask] = label
    return groups


def _interval(value: Any, low: Any, high: Any) -> dict[str, float | None]:
    """Return a value with the ends of its interval; None for what is not defined."""
    numbers = {"value": value, "low": low, "high": high}
    return {k: float(v) if np.isfinite(v) else None for k, v in numbers.items()}


def _table(name: str, result: dict[str, Any], metrics: Metrics) -> Table:
    """Return the groups, and their largest differences as the last line."""
    columns = ["group", "rows", *(metric.replace("_", " ") for metric in metrics)]
    lines = [
        [group, f"{found['rows']:,}", *(_shown(found[metric]) for metric in metrics)]
        for group, found in result["groups"].items()
    ]
    differences = [_shown(result["differences"][metric]) for metric in metrics]
    return Table(name, columns, [*lines, ["largest difference", "", *differences]])


def _shown(found: dict[str, float | None]) -> str:
    """Return a value with its interval."""
    text = format_number(found["value"])
    if found["low"] is None:
        return text
    return f"{text} [{format_number(found['low'])}, {format_number(found['high'])}]"


def _checks(name: str, result: dict[str, Any], chosen: FairnessSettings) -> list[Check]:
    """Return the limits on differences, and whether they hold."""
    checks = []
    for metric, limit in chosen.limits.items():
        value = result["differences"][metric]["value"]
        label = f"difference of {metric.replace('_', ' ')} by {name}"
        # What is not defined cannot be shown to hold.
        held = value is not None and value <= limit
        text = "at most" if value is not None else "not defined, expected at most"
        checks.append(Check(label, value or 0.0, limit, held, text))
    return checks


def _intro(context: AuditContext, settings: Settings) -> str:
    """Say how to read the tables."""
    text = (
        "Each sensitive column, group by group, with "
        f"{settings.evaluation.confidence:.0%} confidence intervals. Groups of fewer "
        f"than {settings.evaluation.min_slice_rows} test rows are left out. "
    )
    classes = context.predictions.classes
    if len(classes) == 2:
        text += (
            f"The selection rate is the share predicted {classes[1]}; the larger "
            "difference of the true and the false positive rate is what is called the "
            "equalized odds difference, that of the selection rate demographic parity."
        )
    return text.strip()

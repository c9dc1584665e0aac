"""How differently the model treats the groups of each sensitive column.

Measures and their differences are those of Fairlearn, with bootstrap intervals. A
difference is a question to people, not a verdict: the groups may differ in what is
predicted, too.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, mean_absolute_error

from src.audits.audit import Audit, AuditContext, Check, Table
from src.audits.settings import FairnessSettings, load_audit_settings
from src.evaluation.bootstrap import interval
from src.evaluation.metrics import Floats, Predictions
from src.evaluation.report import format_number
from src.evaluation.slices import slice_masks
from src.utils.config import Settings
from src.utils.errors import ConfigError

Metrics = dict[str, Callable[..., float]]

# The differences that have names of their own, as in Fairlearn: each is the largest of
# the differences of these rates.
NAMED = {
    "demographic_parity_difference": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}


class Gap(NamedTuple):
    """The largest difference between two groups.

    Attributes:
        value: In all rows; not a number where no two groups can be compared.
        samples: Between the same two groups in each bootstrap sample.
        most: The group that has the most.
        least: The group that has the least.
    """

    value: float
    samples: Floats
    most: str | None
    least: str | None


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
        tables += [_group_table(name, result, metrics), _difference_table(name, result)]
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
    truth: NDArray[Any],
    predicted: NDArray[Any],
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
        ``differences``: the same for the difference of each metric, with the groups
        that have the most and the least. Those two are held while the samples are
        drawn: the interval holds zero where the difference may be chance.
    """
    labels, codes = np.unique(groups.to_numpy(dtype=object), return_inverse=True)

    def by_group(rows: NDArray[np.intp]) -> list[list[float]]:
        parts = [rows[codes[rows] == code] for code in range(len(labels))]
        return [
            [
                metric(truth[part], predicted[part]) if len(part) else np.nan
                for metric in metrics.values()
            ]
            for part in parts
        ]

    count, random = len(truth), np.random.default_rng(settings.seed)
    values = np.array(by_group(np.arange(count)))
    samples = np.array(
        [
            by_group(random.integers(count, size=count))
            for _ in range(chosen.bootstrap_samples)
        ]
    )
    confidence = settings.evaluation.confidence
    found: dict[str, Any] = {"groups": {}, "differences": {}}
    for code, label in enumerate(labels):
        found["groups"][str(label)] = {"rows": int((codes == code).sum())} | {
            name: _score(values[code, k], samples[:, code, k], confidence)
            for k, name in enumerate(metrics)
        }
    gaps = {
        name: _gap(labels, values[:, k], samples[:, :, k])
        for k, name in enumerate(metrics)
    }
    for name in _named(metrics):
        gaps[name] = _largest([gaps[part] for part in NAMED[name]])
    for name, gap in gaps.items():
        found["differences"][name] = _score(gap.value, gap.samples, confidence) | {
            "most": gap.most,
            "least": gap.least,
        }
    return found


def _gap(labels: NDArray[Any], values: Floats, samples: Floats) -> Gap:
    """Return the difference between the groups with the most and the least."""
    order = [k for k in np.argsort(values, kind="stable") if np.isfinite(values[k])]
    if len(order) < 2:
        return Gap(np.nan, samples[:, 0], None, None)  # nothing to compare with
    most, least = order[-1], order[0]
    return Gap(
        values[most] - values[least],
        samples[:, most] - samples[:, least],
        str(labels[most]),
        str(labels[least]),
    )


def _largest(gaps: list[Gap]) -> Gap:
    """Return the largest difference, in each sample too; undefined if one is."""
    chosen = max(gaps, key=lambda gap: (np.isnan(gap.value), gap.value))
    return chosen._replace(samples=np.maximum.reduce([gap.samples for gap in gaps]))


def _score(value: float, samples: Floats, confidence: float) -> dict[str, Any]:
    """Return a value with the ends of its interval; None for what is not defined."""
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    low, high = interval(samples, confidence)
    return {"value": float(value), "low": low, "high": high}


def _named(metrics: Iterable[str]) -> list[str]:
    """Return the named differences of these metrics."""
    known = set(metrics)
    return [name for name, parts in NAMED.items() if known.issuperset(parts)]


def _measured(predictions: Predictions) -> tuple[Metrics, Any, Any]:
    """Return what is compared, with truth and prediction as the functions take them."""
    from fairlearn.metrics import selection_rate

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
        "true_positive_rate": _among(1, selection_rate),
        "false_positive_rate": _among(0, selection_rate),
        "accuracy": accuracy_score,
    }
    return rates, (truth == positive).astype(int), (predicted == positive).astype(int)


def _among(actual: int, rate: Callable[..., float]) -> Callable[..., float]:
    """Return ``rate`` of the rows that are ``actual``; not a number without any."""

    def measure(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
        rows = truth == actual
        return rate(truth[rows], predicted[rows]) if rows.any() else np.nan

    return measure


def _mean_error(truth: Any, predicted: Any) -> float:
    """Return by how much predictions are too high on average."""
    return float(np.mean(np.asarray(predicted) - np.asarray(truth)))


def _check_limits(chosen: FairnessSettings, metrics: Metrics) -> None:
    """Refuse limits for what is not measured.

    Raises:
        ConfigError: If there are such limits.
    """
    known = [*metrics, *_named(metrics)]
    for name in chosen.limits:
        if name not in known:
            raise ConfigError(
                f"config/responsible_ai_config.yaml: fairness.limits: found {name!r}, "
                f"expected one of: {', '.join(known)}"
            )


def _groups(context: AuditContext, name: str, min_rows: int) -> "pd.Series[Any]":
    """Return the group of each test row; None where the group is too small."""
    column = context.test[name]
    groups = pd.Series(None, index=column.index, dtype=object)
    for label, mask in slice_masks(column, context.schema.columns[name].type).items():
        if mask.sum() >= min_rows:
            groups[mask] = label
    return groups


def _group_table(name: str, result: dict[str, Any], metrics: Metrics) -> Table:
    """Return the metrics of each group."""
    columns = ["group", "rows", *(_words(metric) for metric in metrics)]
    lines = [
        [group, f"{found['rows']:,}", *(_shown(found[metric]) for metric in metrics)]
        for group, found in result["groups"].items()
    ]
    return Table(name, columns, lines)


def _difference_table(name: str, result: dict[str, Any]) -> Table:
    """Return the largest differences, and the two groups of each."""
    lines = [
        [
            _words(metric),
            _shown(found),
            f"{found['most']} above {found['least']}" if found["most"] else "–",
        ]
        for metric, found in result["differences"].items()
    ]
    columns = ["measure", "largest difference", "between"]
    return Table(f"{name}: differences", columns, lines)


def _words(metric: str) -> str:
    """Return the name of a metric as people read it."""
    return metric.replace("_", " ")


def _shown(found: dict[str, Any]) -> str:
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
        what = _words(metric) if metric in NAMED else f"difference of {_words(metric)}"
        # What is not defined cannot be shown to hold.
        held = value is not None and value <= limit
        text = "at most" if value is not None else "not defined, expected at most"
        checks.append(Check(f"{what} by {name}", value or 0.0, limit, held, text))
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
            f"The selection rate is the share predicted {classes[1]}; its difference "
            "is the demographic parity difference. The equalized odds difference is "
            "the larger one of the true and the false positive rate. "
        )
    return text + "A difference whose interval holds zero may be chance."

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
from src.evaluation.bootstrap import as_of_all, draw, interval
from src.evaluation.metrics import Floats, Predictions
from src.evaluation.report import format_number
from src.evaluation.slices import slice_masks
from src.utils.config import Settings
from src.utils.errors import ConfigError

# The differences that have names of their own, as in Fairlearn: each is the largest of
# the differences of these rates.
NAMED = {
    "demographic_parity_difference": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}


class Measure(NamedTuple):
    """Something that groups are compared by: a mean over some of their rows.

    Attributes:
        metric: The function of truth and prediction that measures it.
        counted: What each row adds to it.
        among: 1 for the rows that it is the mean over, else 0.
    """

    metric: Callable[..., float]
    counted: Floats
    among: Floats

    def select(self, rows: NDArray[np.bool_]) -> "Measure":
        """Return it for ``rows`` (a mask) only."""
        return Measure(self.metric, self.counted[rows], self.among[rows])


Measures = dict[str, Measure]


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
    measures, truth, predicted = _measured(context.predictions)
    _check_limits(chosen, measures)
    for name in (c for c in context.schema.sensitive if c in context.test):
        groups = _groups(context, name, settings.evaluation.min_slice_rows)
        used = groups.notna().to_numpy()
        if groups[used].nunique() < 2:
            continue  # nothing to compare with
        those = {key: measure.select(used) for key, measure in measures.items()}
        result = compare(
            those, truth[used], predicted[used], groups[used], chosen, settings
        )
        content[name] = result
        tables += [_group_table(name, result), _difference_table(name, result)]
        checks += _checks(name, result, chosen)
    return Audit(
        "fairness",
        "Fairness",
        _intro(context, settings, bool(content)),
        tables,
        checks=checks,
        content={"columns": content},
    )


def compare(
    measures: Measures,
    truth: NDArray[Any],
    predicted: NDArray[Any],
    groups: "pd.Series[Any]",
    chosen: FairnessSettings,
    settings: Settings,
) -> dict[str, Any]:
    """Return each measure by group, and its largest difference between two groups.

    Args:
        measures: What is compared, of these rows.
        truth: The target, one value per row.
        predicted: The prediction, one value per row.
        groups: The group, one value per row.
        chosen: How many bootstrap samples are drawn.
        settings: The coverage of the intervals, and the seed.

    Returns:
        ``groups``: rows, and each measure as value, low and high, by group;
        ``differences``: the same for the difference of each measure, with the groups
        that have the most and the least. Those two are held while the samples are
        drawn: the interval holds zero where the difference may be chance.
    """
    from fairlearn.metrics import MetricFrame

    labels, codes = np.unique(groups.to_numpy(dtype=object), return_inverse=True)
    frame = MetricFrame(
        metrics={name: measure.metric for name, measure in measures.items()},
        y_true=truth,
        y_pred=predicted,
        sensitive_features=groups.to_numpy(dtype=object),
    )
    values = frame.by_group.loc[labels, list(measures)].to_numpy(dtype=np.float64)
    drawn = [
        _by_group(measures, codes, rows)
        for rows in draw(len(codes), chosen.bootstrap_samples, settings.seed)
    ]
    samples = as_of_all(np.array(drawn), values, len(codes))
    confidence = settings.evaluation.confidence
    found: dict[str, Any] = {"groups": {}, "differences": {}}
    for code, label in enumerate(labels):
        found["groups"][str(label)] = {"rows": int((codes == code).sum())} | {
            name: _score(values[code, k], samples[:, code, k], confidence)
            for k, name in enumerate(measures)
        }
    gaps = {
        name: _gap(labels, values[:, k], samples[:, :, k])
        for k, name in enumerate(measures)
    }
    for name in _named(measures):
        gaps[name] = _largest([gaps[part] for part in NAMED[name]])
    for name, gap in gaps.items():
        found["differences"][name] = _score(gap.value, gap.samples, confidence) | {
            "most": gap.most,
            "least": gap.least,
        }
    return found


def _by_group(
    measures: Measures, codes: NDArray[np.intp], rows: NDArray[np.intp]
) -> Floats:
    """Return each measure (column) of each group (line) of the rows at ``rows``.

    The functions of the libraries give the same, but take seconds for all samples.
    """
    of, count = codes[rows], int(codes.max()) + 1
    sums = [
        (
            np.bincount(of, measure.counted[rows], count),
            np.bincount(of, measure.among[rows], count),
        )
        for measure in measures.values()
    ]
    with np.errstate(invalid="ignore"):  # a rate among no rows is not a number
        return np.stack([counted / among for counted, among in sums], axis=1)


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


def _named(measures: Iterable[str]) -> list[str]:
    """Return the named differences of these measures."""
    known = set(measures)
    return [name for name, parts in NAMED.items() if known.issuperset(parts)]


def _measured(predictions: Predictions) -> tuple[Measures, Any, Any]:
    """Return what is compared, with truth and prediction as the functions take them."""
    from fairlearn.metrics import selection_rate

    truth, predicted = predictions.y_true, predictions.y_pred
    whole = np.ones(len(truth))
    if predictions.task == "regression":
        error = predicted.astype(np.float64) - truth.astype(np.float64)
        errors = {
            "mean_absolute_error": Measure(mean_absolute_error, np.abs(error), whole),
            "mean_error": Measure(_mean_error, error, whole),
        }
        return errors, truth, predicted.astype(np.float64)
    hit = (truth == predicted).astype(np.float64)
    accuracy = {"accuracy": Measure(accuracy_score, hit, whole)}
    if len(predictions.classes) != 2:
        return accuracy, truth.astype(str), predicted.astype(str)
    positive = predictions.classes[1]
    is_positive, chosen = (
        (labels == positive).astype(np.float64) for labels in (truth, predicted)
    )
    rates = {"selection_rate": Measure(selection_rate, chosen, whole)}
    for name, actual in ("true_positive_rate", 1), ("false_positive_rate", 0):
        among = (is_positive == actual).astype(np.float64)
        rates[name] = Measure(_among(actual, selection_rate), chosen * among, among)
    return rates | accuracy, is_positive, chosen


def _among(actual: int, rate: Callable[..., float]) -> Callable[..., float]:
    """Return ``rate`` of the rows that are ``actual``; not a number without any."""

    def measure(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
        rows = truth == actual
        return rate(truth[rows], predicted[rows]) if rows.any() else np.nan

    return measure


def _mean_error(truth: Any, predicted: Any) -> float:
    """Return by how much predictions are too high on average."""
    return float(np.mean(np.asarray(predicted) - np.asarray(truth)))


def _check_limits(chosen: FairnessSettings, measures: Iterable[str]) -> None:
    """Refuse limits for what is not measured.

    Raises:
        ConfigError: If there are such limits.
    """
    known = [*measures, *_named(measures)]
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


def _group_table(name: str, result: dict[str, Any]) -> Table:
    """Return the rows and the measures of each group."""
    columns, lines = ["group"], []
    for group, found in result["groups"].items():
        columns = ["group", *map(_words, found)]
        rows, *scores = found.values()
        lines.append([group, f"{rows:,}", *map(_shown, scores)])
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


def _intro(context: AuditContext, settings: Settings, compared: bool) -> str:
    """Say how to read the tables, or why there are none."""
    if not context.schema.sensitive:
        return (
            "No column is listed as sensitive in config/data_schema.yaml: groups of "
            "people are not compared."
        )
    if not compared:
        return "No sensitive column has two groups that are large enough to compare."
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

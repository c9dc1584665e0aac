"""How differently the model treats groups, by Fairlearn: a question to people, not a
verdict, as the groups may differ in what is predicted, too."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from pandas import Series
from scipy import stats

from src.evaluation.metrics import Predictions, encode, too_few
from src.evaluation.performance import Audit, Inputs, Rule, Table, slice_names
from src.evaluation.report import format_number, format_score
from src.utils.config import Section, Settings
from src.utils.errors import ConfigError

Figures: TypeAlias = dict[str, Any]
# Of truth and prediction: the values whose mean is compared. The positive class is 1.
Measure: TypeAlias = Callable[[Any, Any], Any]
NUMBERS: dict[str, Measure] = {
    "mean_absolute_error": lambda truth, said: abs(said - truth),
    "mean_error": lambda truth, said: said - truth,
}
CLASSES: dict[str, Measure] = {"accuracy": lambda truth, said: said == truth}
TWO_CLASSES: dict[str, Measure] = {
    "selection_rate": lambda truth, said: said == 1,
    "true_positive_rate": lambda truth, said: said[truth == 1] == 1,
    "false_positive_rate": lambda truth, said: said[truth != 1] == 1,
    **CLASSES,
}
# Differences with names of their own in Fairlearn: each the largest one of these rates.
NAMED = {
    "demographic_parity_difference": ["selection_rate"],
    "equalized_odds_difference": ["true_positive_rate", "false_positive_rate"],
}


class FairnessSettings(Section):
    limits: dict[str, float] = {}  # by how much two groups may differ, by measure


def audit_fairness(
    inputs: Inputs, said: Predictions, settings: Settings, chosen: FairnessSettings
) -> Audit:
    """Compare groups on the test rows; ConfigError if a limit names no measure."""
    test, two = inputs.test, len(said.classes) == 2
    confidence = settings.evaluation.confidence
    known = [*_measures(said), *(NAMED if two else ())]
    if unknown := [name for name in chosen.limits if name not in known]:
        problem = f"found {unknown[0]!r}, expected one of: {', '.join(known)}"
        where = "config/responsible_ai_config.yaml: fairness.limits"
        raise ConfigError(f"{where}: {problem}")
    columns: Figures = {}
    tables, rules = [], []
    for name in inputs.schema.sensitive:
        groups = slice_names(test[name], inputs.schema.columns[name].type)
        few = {g: too_few(said.take(groups == g), settings) for g in groups.unique()}
        used = groups.isin([group for group in few if not few[group]])
        gaps: Figures = {}
        if groups[used].nunique() > 1:  # else there is nothing to compare with
            part = said.take(used.to_numpy())
            found = columns[name] = compare(part, groups[used], confidence)
            tables += _tables(name, found)
            gaps = found["differences"]
        for metric, limit in chosen.limits.items():
            words = metric.replace("_", " ")
            what = words if metric in NAMED else f"difference of {words}"
            value = gaps[metric]["value"] if gaps else np.nan
            shown = f"{value:.4g}" if gaps else "fewer than two groups of enough rows"
            rule = f"{what} by {name}", shown, f"at most {limit:g}"
            rules.append(Rule(*rule, bool(value <= limit)))
    return Audit("fairness", tables, {}, rules, {"columns": columns})


def compare(p: Predictions, groups: "Series[Any]", confidence: float) -> Figures:
    """Return each measure by group (one value per row) with its interval, and its
    largest difference between two groups with the names of these two."""
    from fairlearn.metrics import MetricFrame, count  # takes long to load

    def scored(measure: Measure) -> Callable[[Any, Any], Figures]:
        return lambda truth, said: _score(measure(truth, said), confidence)

    measures, coded = _measures(p), encode(p)
    frame = MetricFrame(
        metrics={"rows": count} | {name: scored(of) for name, of in measures.items()},
        y_true=coded.y_true,
        y_pred=coded.y_pred,
        sensitive_features=groups.to_numpy(dtype=object),
    )
    by_group = {str(k): v for k, v in frame.by_group.to_dict("index").items()}
    gaps: Figures = {}
    for name in measures:
        order = sorted((of[name]["value"], group) for group, of in by_group.items())
        (low, least), *_, (high, most) = order
        gaps[name] = {"value": high - low, "most": most, "least": least}
    if measures is TWO_CLASSES:
        for name, rates in NAMED.items():
            gaps[name] = max((gaps[rate] for rate in rates), key=lambda g: g["value"])
    return {"groups": by_group, "differences": gaps}


def _measures(p: Predictions) -> dict[str, Measure]:
    of_classes = TWO_CLASSES if len(p.classes) == 2 else CLASSES
    return NUMBERS if p.task == "regression" else of_classes


def _score(values: Any, confidence: float) -> Figures:
    """Return a mean with its interval: for a share that of Wilson (1927), else of t."""
    value = float(np.mean(values))
    if values.dtype == bool:
        test = stats.binomtest(int(values.sum()), len(values))
        low, high = test.proportion_ci(confidence, method="wilson")
    else:
        half = stats.sem(values) * stats.t.ppf((1 + confidence) / 2, len(values) - 1)
        low, high = value - half, value + half
    return {"value": value, "low": float(low), "high": float(high)}


def _tables(name: str, found: Figures) -> list[Table]:
    groups, gaps = [], []
    for group, of in found["groups"].items():
        rows, *scores = of.values()
        groups.append([group, f"{rows:,}", *map(format_score, scores)])
    for metric, gap in found["differences"].items():
        between = f"{gap['most']} above {gap['least']}"
        gaps.append([metric.replace("_", " "), format_number(gap["value"]), between])
    heads = ["group", *(name.replace("_", " ") for name in of)]
    titles = ["measure", "largest difference", "between"]
    return [Table(name, heads, groups), Table(f"{name}: differences", titles, gaps)]

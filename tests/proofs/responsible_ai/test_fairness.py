"""Measures and differences are Fairlearn's; their intervals cover what they say."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as reference
from sklearn.metrics import accuracy_score

from src.evaluation.fairness import audit_fairness, compare
from src.evaluation.fairness import FairnessSettings
from src.evaluation.metrics import Predictions
from tests.conftest import ProjectMaker
from tests.unit.test_responsible_ai import NAMES, inputs_of


def drawn(seed: int, rows: int = 400, groups: int = 3) -> tuple[Predictions, Any]:
    """Return labels, predictions that are often right, and groups, at random."""
    rng = np.random.default_rng(seed)
    truth, group = rng.integers(2, size=rows), rng.integers(groups, size=rows)
    said = np.where(rng.random(rows) < 0.6 + 0.1 * group, truth, 1 - truth)
    p = Predictions("classification", NAMES[truth], NAMES[said], None, ("no", "yes"))
    return p, pd.Series([f"group {g}" for g in group])


@pytest.mark.parametrize("seed", range(5))
def test_rates_and_named_differences_are_those_of_fairlearn(seed: int) -> None:
    p, groups = drawn(seed)
    truth, said = (y == "yes" for y in (p.y_true, p.y_pred))
    arguments = {"y_true": truth, "y_pred": said, "sensitive_features": groups}
    functions = {
        "selection_rate": reference.selection_rate,
        "true_positive_rate": reference.true_positive_rate,
        "false_positive_rate": reference.false_positive_rate,
        "accuracy": accuracy_score,
    }
    frame = reference.MetricFrame(metrics=functions, **arguments)
    found = compare(p, groups, 0.95)
    for group, row in frame.by_group.iterrows():
        for name, value in row.items():
            assert found["groups"][group][name]["value"] == pytest.approx(value)
    differences = {n: gap["value"] for n, gap in found["differences"].items()}
    expected = dict(frame.difference()) | {
        name: getattr(reference, name)(**arguments)
        for name in ("demographic_parity_difference", "equalized_odds_difference")
    }
    assert differences == pytest.approx(expected)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng, rate, gap, error = np.random.default_rng(1), 0, 0, 0
    groups, tries = pd.Series(["a"] * 40 + ["b"] * 60), 60
    for _ in range(tries):
        said = rng.random(100) < np.where(groups == "a", 0.9, 0.6)
        labels = NAMES[said.astype(int)]
        p = Predictions("classification", NAMES[[1] * 100], labels, None, ("no", "yes"))
        found = compare(p, groups, 0.9)
        of_a = found["groups"]["a"]["selection_rate"]
        between = found["differences"]["selection_rate"]
        rate += of_a["low"] <= 0.9 <= of_a["high"]
        gap += between["low"] <= 0.3 <= between["high"]
        shift = np.where(groups == "a", 2.0, 0.0) + rng.normal(0, 1, 100)
        found = compare(Predictions("regression", np.zeros(100), shift), groups, 0.9)
        means = found["differences"]["mean_error"]
        error += means["low"] <= 2 <= means["high"]
    for hits in (rate, gap, error):
        assert 0.8 < hits / tries < 0.99


def test_the_interval_of_a_difference_holds_zero_where_it_is_chance() -> None:
    halves = pd.Series(["a", "b"] * 200)
    found = [compare(drawn(seed)[0], halves, 0.95) for seed in range(30)]
    gaps = [of["differences"]["accuracy"] for of in found]
    assert all(gap["low"] < gap["value"] < gap["high"] for gap in gaps)
    assert sum(gap["low"] > 0 for gap in gaps) <= 5


def test_a_rate_without_rows_to_count_makes_no_difference() -> None:
    p, _ = drawn(0, rows=100)
    groups = pd.Series(np.where(p.y_true == "yes", "all yes", "all no"))
    found = compare(p, groups, 0.95)
    assert found["groups"]["all no"]["true_positive_rate"]["value"] is None
    gap = found["differences"]["equalized_odds_difference"]
    assert gap == dict.fromkeys(("value", "low", "high", "most", "least"))


def test_accuracy_of_many_classes_is_compared() -> None:
    truth = np.array(["x", "y", "z", "y"] * 20, dtype=object)
    said = np.where(np.arange(80) < 40, truth, "y")
    p = Predictions("classification", truth, said, None, ("x", "y", "z"))
    gap = compare(p, pd.Series(["a"] * 40 + ["b"] * 40), 0.95)["differences"]
    assert gap["accuracy"]["value"] == pytest.approx(0.5)


def test_missing_is_a_group_and_one_group_is_compared_with_nothing(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(evaluation={"min_slice_rows": 3})
    inputs, chosen = inputs_of(settings), FairnessSettings()
    p = drawn(0, rows=100)[0]
    found = audit_fairness(inputs, p, settings, chosen).content["columns"]["city"]
    assert "(missing)" in found["groups"]
    few = make_project(evaluation={"min_slice_rows": 45})
    audit = audit_fairness(inputs, p, few, chosen)
    assert audit.content == {"columns": {}} and "No sensitive column" in audit.intro


def test_what_is_not_defined_does_not_hold_a_limit(make_project: ProjectMaker) -> None:
    settings = make_project(evaluation={"min_slice_rows": 3})
    p = drawn(0, rows=100)[0]
    one = Predictions(p.task, np.full(100, "no", object), p.y_pred, None, p.classes)
    chosen = FairnessSettings(limits={"equalized_odds_difference": 0.9})
    (check,) = audit_fairness(inputs_of(settings), one, settings, chosen).checks
    assert not check.passed and check.value is None


def test_errors_of_numbers_are_compared() -> None:
    truth, shift = np.arange(60.0), np.where(np.arange(60) < 30, 1.0, -3.0)
    noise = np.tile([-0.1, 0.1], 30)
    p = Predictions("regression", truth, truth + shift + noise)
    found = compare(p, pd.Series(["a"] * 30 + ["b"] * 30), 0.95)["differences"]
    assert found["mean_error"]["value"] == pytest.approx(4)
    assert found["mean_absolute_error"]["value"] == pytest.approx(2)
    assert 3.9 < found["mean_error"]["low"] < 4 < found["mean_error"]["high"] < 4.1

"""Measures and differences are Fairlearn's; their intervals cover what they say."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as reference
from sklearn.metrics import accuracy_score

from src.evaluation.fairness import FairnessSettings, _score, audit_fairness, compare
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
    rng, rate, error = np.random.default_rng(1), 0, 0
    groups, tries = pd.Series(["a"] * 40 + ["b"] * 60), 60
    truth = NAMES[np.arange(100) % 2]
    for _ in range(tries):
        said = rng.random(100) < np.where(groups == "a", 0.9, 0.6)
        labels = NAMES[said.astype(int)]
        p = Predictions("classification", truth, labels, None, ("no", "yes"))
        of_a = compare(p, groups, 0.9)["groups"]["a"]["selection_rate"]
        rate += of_a["low"] <= 0.9 <= of_a["high"]
        shift = np.where(groups == "a", 2.0, 0.0) + rng.normal(0, 1, 100)
        p = Predictions("regression", np.zeros(100), shift)
        of_a = compare(p, groups, 0.9)["groups"]["a"]["mean_error"]
        error += of_a["low"] <= 2 <= of_a["high"]
    for hits in (rate, error):
        assert 0.8 < hits / tries < 0.99


def test_accuracy_of_many_classes_is_compared() -> None:
    truth = np.array(["x", "y", "z", "y"] * 20, dtype=object)
    said = np.where(np.arange(80) < 40, truth, "y")
    p = Predictions("classification", truth, said, None, ("x", "y", "z"))
    gap = compare(p, pd.Series(["a"] * 40 + ["b"] * 40), 0.95)["differences"]
    assert gap["accuracy"]["value"] == pytest.approx(0.5)


def test_missing_is_a_group_and_one_group_is_compared_with_nothing(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(evaluation={"min_slice_rows": 3, "min_class_rows": 1})
    inputs, chosen = inputs_of(settings), FairnessSettings()
    p = drawn(0, rows=100)[0]
    found = audit_fairness(inputs, p, settings, chosen).content["columns"]["city"]
    assert "(missing)" in found["groups"]
    few = make_project(evaluation={"min_slice_rows": 45})
    audit = audit_fairness(inputs, p, few, chosen)
    assert audit.content == {"columns": {}}


def test_groups_that_hold_one_class_are_left_out(make_project: ProjectMaker) -> None:
    settings = make_project(evaluation={"min_slice_rows": 3})
    inputs, p = inputs_of(settings), drawn(0, rows=100)[0]
    one = np.where(inputs.test["city"] == "Oslo", p.y_true, "no")
    one = Predictions(p.task, one, p.y_pred, None, p.classes)
    assert set(one.y_true) == {"no", "yes"}
    chosen = FairnessSettings(limits={"equalized_odds_difference": 0.9})
    audit = audit_fairness(inputs, one, settings, chosen)
    assert audit.content == {"columns": {}}
    (rule,) = audit.rules
    assert not rule.passed and rule.found == "fewer than two groups of enough rows"


def test_errors_of_numbers_are_compared() -> None:
    truth, shift = np.arange(60.0), np.where(np.arange(60) < 30, 1.0, -3.0)
    noise = np.tile([-0.1, 0.1], 30)
    p = Predictions("regression", truth, truth + shift + noise)
    found = compare(p, pd.Series(["a"] * 30 + ["b"] * 30), 0.95)
    assert found["differences"]["mean_error"]["value"] == pytest.approx(4)
    assert found["differences"]["mean_absolute_error"]["value"] == pytest.approx(2)
    of_a = found["groups"]["a"]["mean_error"]
    assert 0.9 < of_a["low"] < 1 < of_a["high"] < 1.1


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_intervals_of_a_group_hold_the_truth(kind: str) -> None:
    rng, hits, rounds = np.random.default_rng(8), 0, 400
    for _ in range(rounds):
        of = rng.random(40) < 0.2 if kind == "share" else np.abs(rng.normal(size=40))
        found, truth = _score(of, 0.95), 0.2 if kind == "share" else (2 / np.pi) ** 0.5
        hits += found["low"] <= truth <= found["high"]
    print(f"{kind} of a group of 40: {hits} of {rounds} intervals hold the truth")
    assert 0.89 * rounds <= hits <= 0.98 * rounds  # Wilson: 0.928 here, exactly

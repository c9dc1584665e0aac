"""The metrics are scikit-learn's, and their intervals cover what they say."""

import time
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from src.evaluation import metrics
from src.evaluation.metrics import (
    METRICS,
    SAME,
    Predictions,
    Score,
    compute_metrics,
    interval,
    measure,
)
from src.utils.config import Settings
from tests.conftest import ProjectMaker


def labelled(classes: int, rows: int = 200, seed: int = 0) -> Predictions:
    """Return predictions of ``classes`` classes with many equal probabilities."""
    rng = np.random.default_rng(seed)
    names = np.array([f"class {i:02}" for i in range(classes)], dtype=object)
    truth = rng.integers(classes, size=rows)
    scores = rng.integers(1, 6, size=(rows, classes)) + 3.0 * np.eye(classes)[truth]
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    guess = probabilities.argmax(axis=1)
    return Predictions(
        "classification", names[truth], names[guess], probabilities, tuple(names)
    )


def numeric(rows: int = 100, seed: int = 1) -> Predictions:
    """Return predictions of large numbers with small errors."""
    rng = np.random.default_rng(seed)
    truth = 1e6 + rng.normal(0, 5, rows)
    return Predictions("regression", truth, truth + rng.normal(0.5, 1, rows))


def expected(p: Predictions) -> dict[str, float]:
    """Return what scikit-learn says of the same predictions."""
    if p.task == "regression":
        return {
            "rmse": reference.root_mean_squared_error(p.y_true, p.y_pred),
            "mae": reference.mean_absolute_error(p.y_true, p.y_pred),
            "median_absolute_error": reference.median_absolute_error(
                p.y_true, p.y_pred
            ),
            "r2": reference.r2_score(p.y_true, p.y_pred),
        }
    assert p.probabilities is not None
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    values = {
        "accuracy": reference.accuracy_score(p.y_true, p.y_pred),
        "balanced_accuracy": reference.balanced_accuracy_score(p.y_true, p.y_pred),
        "f1_macro": reference.f1_score(p.y_true, p.y_pred, **macro),
        "precision_macro": reference.precision_score(p.y_true, p.y_pred, **macro),
        "log_loss": reference.log_loss(p.y_true, p.probabilities, labels=p.classes),
    }
    sides = p.y_true[:, None] == np.array(p.classes, dtype=object)
    scores = p.probabilities
    if len(p.classes) == 2:
        sides, scores = sides[:, 1], p.probabilities[:, 1]
        values["brier"] = reference.brier_score_loss(sides, scores)
    values["roc_auc"] = reference.roc_auc_score(sides, scores)
    values["average_precision"] = reference.average_precision_score(sides, scores)
    return values


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [0, 2, 3, 12])
def test_metrics_equal_those_of_scikit_learn(classes: int, seed: int) -> None:
    p = labelled(classes, seed=seed) if classes else numeric(seed=seed)
    found = compute_metrics(p)
    assert found == pytest.approx(expected(p), rel=1e-9)


@pytest.mark.parametrize("p", [labelled(2), labelled(3), numeric()])
def test_each_sample_has_the_metrics_of_its_rows(
    make_project: ProjectMaker, p: Predictions
) -> None:
    chosen = {"bootstrap_samples": 10, "confidence": 0.9}
    settings = make_project(p.task, seed=3, evaluation=chosen)
    found = measure(p, settings, also=expected(p))
    random = np.random.default_rng(3)
    for k in range(10):
        rows = random.integers(len(p.y_true), size=len(p.y_true))
        for name, value in expected(p.take(rows)).items():
            assert found.samples[name][k] == pytest.approx(value, rel=1e-9)


def settings_of(settings: Settings, seed: int, **evaluation: Any) -> Settings:
    chosen = settings.evaluation.model_copy(update=evaluation)
    return settings.model_copy(update={"evaluation": chosen, "seed": seed})


def test_intervals_cover_the_truth_as_often_as_they_say(
    make_project: ProjectMaker,
) -> None:
    settings, rng, hits = make_project("regression"), np.random.default_rng(5), 0
    for seed in range(100):
        errors = rng.normal(0, 1, 60)
        chosen = settings_of(settings, seed, confidence=0.8, bootstrap_samples=100)
        p = Predictions("regression", errors, np.zeros(60))
        score: Score = measure(p, chosen).scores["rmse"]
        assert score.low is not None and score.high is not None
        hits += score.low < 1 < score.high
    assert 0.7 < hits / 100 < 0.88


def test_intervals_of_differences_are_paired(make_project: ProjectMaker) -> None:
    settings = make_project("regression")
    p = numeric(300)
    other = Predictions("regression", p.y_true, p.y_pred + 0.001)
    one, two = measure(p, settings), measure(other, settings)
    gains = one.samples["rmse"] - two.samples["rmse"]
    assert gains.std() < 0.05 * one.samples["rmse"].std()


@pytest.mark.parametrize("p", [labelled(2, rows=3000), numeric(3000)])
def test_samples_of_a_part_of_many_rows_give_the_intervals_of_all(
    monkeypatch: pytest.MonkeyPatch, make_project: ProjectMaker, p: Predictions
) -> None:
    settings = make_project(p.task)
    names = ("accuracy", "f1_macro", "mae", "r2")
    chosen = settings_of(settings, 0, bootstrap_samples=300)
    whole = measure(p, chosen, also=names)
    monkeypatch.setattr(metrics, "SAMPLE_ROWS", 300)
    part = measure(p, settings_of(chosen, 1), also=names)
    for name, sampled in part.samples.items():
        spread, value = whole.samples[name].std(), whole.scores[name].value
        assert part.scores[name].value == value
        assert sampled.std() == pytest.approx(spread, rel=0.25)
        assert sampled.mean() == pytest.approx(value, abs=spread)


def test_a_million_rows_cost_seconds(make_project: ProjectMaker) -> None:
    settings = settings_of(make_project(), 0, bootstrap_samples=200)
    p = labelled(2, rows=1_000_000)
    started = time.process_time()
    found = measure(p, settings)
    assert found.scores["roc_auc"].low is not None
    assert time.process_time() - started < 20


def test_no_interval_where_most_samples_leave_the_metric_undefined(
    make_project: ProjectMaker,
) -> None:
    settings = make_project()
    assert interval(np.array([np.nan, np.nan, 1.0]), settings) == (None, None)
    assert interval(np.array([np.nan, 1.0, 1.0]), settings) == (1.0, 1.0)


def test_a_classifier_without_probabilities_has_the_metrics_of_its_labels() -> None:
    truth, said = np.array(["a", "b"]), np.array(["a", "a"])
    found = compute_metrics(Predictions("classification", truth, said, None, ()))
    labels = {"accuracy", "balanced_accuracy", "f1_macro", "precision_macro"}
    assert found.keys() == labels


def test_a_label_that_the_model_never_saw_counts_as_an_error() -> None:
    truth, said = np.array(["a", "new"]), np.array(["a", "b"])
    both = np.array([[0.9, 0.1], [0.2, 0.8]])
    p = Predictions("classification", truth, said, both, ("a", "b"))
    found = compute_metrics(p)
    assert found["accuracy"] == 0.5 and found["log_loss"] > 10
    assert np.isfinite(list(found.values())).all()


def test_every_metric_is_described() -> None:
    p = labelled(2)
    labels = compute_metrics(p)
    numbers = compute_metrics(numeric())
    assert {*labels, *numbers} == {*METRICS}


def test_what_is_not_defined_is_left_out_with_the_reason(
    make_project: ProjectMaker,
) -> None:
    p = labelled(2)
    found = measure(p.take(p.y_true == "class 01"), make_project())
    assert found.undefined == {"roc_auc": SAME, "average_precision": SAME}
    assert "accuracy" in found.scores
    constant = Predictions("regression", np.full(2, 1e9), np.array([1e9, 1e9 + 4]))
    assert "r2" not in compute_metrics(constant)


def test_the_metrics_that_decide_have_intervals_that_hold_them(
    make_project: ProjectMaker,
) -> None:
    settings = make_project()
    found = measure(labelled(2), settings, also=["accuracy"]).scores
    for name in ("roc_auc", "accuracy"):
        value, low, high = found[name]
        assert low is not None and high is not None and low < value < high
    assert found["f1_macro"].low is None
    one = measure(Predictions("regression", np.ones(1), np.zeros(1)), settings)
    assert one.scores["rmse"] == (1.0, None, None)  # a row alone says nothing of others

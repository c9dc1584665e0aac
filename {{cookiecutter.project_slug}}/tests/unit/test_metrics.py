"""The metrics are those of scikit-learn, and so are those of every bootstrap sample."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from src.evaluation.bootstrap import ONE_CLASS, interval, measure
from src.evaluation.metrics import (
    METRICS,
    Predictions,
    compute_metrics,
    primary_metric,
)


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


def numeric(rows: int = 100) -> Predictions:
    """Return predictions of large numbers with small errors."""
    rng = np.random.default_rng(1)
    truth = 1e6 + rng.normal(0, 5, rows)
    return Predictions("regression", truth, truth + rng.normal(0.5, 1, rows))


def compute(p: Predictions) -> dict[str, float]:
    return compute_metrics(p.task, p.y_true, p.y_pred, p.probabilities, p.classes)


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
    if len(p.classes) == 2:
        sides, scores = sides[:, 1], p.probabilities[:, 1]
        values["brier"] = reference.brier_score_loss(sides, scores)
    else:
        scores = p.probabilities
    values["roc_auc"] = reference.roc_auc_score(sides, scores)
    values["average_precision"] = reference.average_precision_score(sides, scores)
    return values


@pytest.mark.parametrize(
    "predictions", [labelled(2), labelled(3), labelled(12), numeric()]
)
def test_metrics_equal_those_of_scikit_learn(predictions: Predictions) -> None:
    assert compute(predictions) == pytest.approx(expected(predictions), rel=1e-9)


@pytest.mark.parametrize("predictions", [labelled(2), labelled(3), numeric()])
def test_each_replicate_is_the_metric_of_a_sample_of_the_rows(
    predictions: Predictions,
) -> None:
    rows = len(predictions.y_true)
    result = measure(predictions, confidence=0.9, samples=7, seed=3)
    drawn = np.random.default_rng(3).integers(rows, size=(rows, 7))
    for sample in range(7):
        chosen = drawn[:, sample]
        resampled = Predictions(
            predictions.task,
            predictions.y_true[chosen],
            predictions.y_pred[chosen],
            (
                None
                if predictions.probabilities is None
                else predictions.probabilities[chosen]
            ),
            predictions.classes,
        )
        for name, value in expected(resampled).items():
            assert result.replicates[name][sample] == pytest.approx(value, rel=1e-9)


def test_every_metric_is_described() -> None:
    names = {*compute(labelled(2)), *compute(numeric())}
    assert names == set(METRICS)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_primary_metric_tells_a_good_model_from_a_bad_one(task: Any) -> None:
    name, higher_is_better = primary_metric(task)
    good = labelled(2) if task == "classification" else numeric()
    if good.probabilities is None:
        bad = Predictions(task, good.y_true, good.y_pred + 9)
    else:
        bad = Predictions(
            task, good.y_true, good.y_pred, good.probabilities[::-1], good.classes
        )
    assert (compute(good)[name] > compute(bad)[name]) is higher_is_better


def test_metrics_that_need_two_classes_are_left_out_with_the_reason() -> None:
    predictions = labelled(2)
    result = measure(
        predictions.select(predictions.y_true == "class 01"), 0.95, samples=20, seed=0
    )
    assert result.undefined == {"roc_auc": ONE_CLASS, "average_precision": ONE_CLASS}
    assert "accuracy" in result.scores
    assert "roc_auc" not in result.scores


def test_r2_is_left_out_where_the_target_is_constant() -> None:
    metrics = compute_metrics("regression", [1e9, 1e9], [1e9, 1e9 + 4])
    assert metrics["mae"] == 2
    assert "r2" not in metrics


def test_a_label_that_the_model_never_saw_counts_as_an_error() -> None:
    metrics = compute_metrics(
        "classification", ["a", "new"], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"]
    )
    assert metrics["accuracy"] == 0.5
    assert metrics["log_loss"] > 10
    assert np.isfinite(list(metrics.values())).all()


def test_a_classifier_without_probabilities_has_the_metrics_of_its_labels() -> None:
    metrics = compute_metrics("classification", ["a", "b"], ["a", "a"])
    assert metrics.keys() == {
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "precision_macro",
    }


def test_a_single_row_has_metrics_but_no_interval() -> None:
    result = measure(Predictions("regression", np.ones(1), np.zeros(1)), 0.95, 10, 0)
    assert result.scores["mae"] == (1.0, None, None)


def test_an_interval_surrounds_the_metric_and_widens_with_confidence() -> None:
    narrow, wide = (
        measure(labelled(2), confidence, 200, seed=0).scores["accuracy"]
        for confidence in (0.5, 0.99)
    )
    assert wide.low is not None and narrow.low is not None
    assert narrow.high is not None and wide.high is not None
    assert wide.low < narrow.low < wide.value < narrow.high < wide.high


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(200):
        errors: NDArray[np.float64] = rng.normal(0, 1, 60)
        score = measure(
            Predictions("regression", errors, np.zeros(60)), 0.8, 100, seed
        ).scores["mae"]
        assert score.low is not None and score.high is not None
        hits += score.low < np.sqrt(2 / np.pi) < score.high
    assert 0.7 < hits / 200 < 0.88


def test_many_rows_are_sampled_in_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.evaluation.bootstrap.BLOCK_SIZE", 300)
    result = measure(labelled(2, rows=100), 0.95, samples=10, seed=0)
    assert all(len(values) == 10 for values in result.replicates.values())


@pytest.mark.parametrize("predictions", [labelled(2, rows=3000), numeric(3000)])
def test_samples_of_a_part_of_many_rows_give_the_intervals_of_all_of_them(
    monkeypatch: pytest.MonkeyPatch, predictions: Predictions
) -> None:
    whole = measure(predictions, 0.9, samples=400, seed=0)
    monkeypatch.setattr("src.evaluation.bootstrap.SAMPLE_ROWS", 300)
    part = measure(predictions, 0.9, samples=400, seed=1)
    for name, score in part.scores.items():
        spread = whole.replicates[name].std()
        assert score.value == whole.scores[name].value
        assert part.replicates[name].std() == pytest.approx(spread, rel=0.2)
        assert part.replicates[name].mean() == pytest.approx(score.value, abs=spread)


def test_samples_of_a_part_of_many_rows_are_the_same_for_two_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.evaluation.bootstrap.SAMPLE_ROWS", 50)
    one, other = (measure(numeric(), 0.9, samples=20, seed=4) for _ in range(2))
    assert (one.replicates["mae"] == other.replicates["mae"]).all()


def test_no_interval_where_most_samples_leave_the_metric_undefined() -> None:
    assert interval(np.array([np.nan, np.nan, 1.0]), 0.95) == (None, None)
    assert interval(np.array([np.nan, 1.0, 1.0]), 0.95) == (1.0, 1.0)

"""The gate lets a challenger pass only if every rule holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src.audits.audit import Check
from src.evaluation.bootstrap import Measurement, measure
from src.evaluation.gate import Decision, decide
from src.evaluation.metrics import Predictions
from src.evaluation.performance import Evaluation, SliceResult, improvement
from src.utils.config import Settings
from src.utils.errors import ConfigError

ROWS = 400
SAMPLES = 100

MakeProject = Callable[..., Settings]


def measured(predictions: Predictions) -> Measurement:
    return measure(predictions, 0.95, SAMPLES, seed=3)


def classifier(noise: float, seed: int = 1, rows: int = ROWS) -> Predictions:
    """Return the predictions of a classifier; the more noise, the worse it is."""
    truth = np.random.default_rng(0).random(rows) < 0.4
    rng = np.random.default_rng(seed)
    signal = (2.0 * truth - 1) / noise + rng.normal(0, 1, rows)
    score = 1 / (1 + np.exp(-signal))
    names = np.array(["no", "yes"], dtype=object)
    return Predictions(
        "classification",
        names[truth.astype(int)],
        names[(score > 0.5).astype(int)],
        np.column_stack([1 - score, score]),
        ("no", "yes"),
    )


def regressor(noise: float) -> Predictions:
    truth = np.random.default_rng(0).normal(1000, 300, ROWS)
    guess = truth + np.random.default_rng(1).normal(0, noise, ROWS)
    return Predictions("regression", truth, guess)


def evaluated(
    predictions: Predictions,
    settings: Settings,
    slices: list[SliceResult] | None = None,
) -> Evaluation:
    """Return the evaluation of predictions beside a baseline that knows nothing."""
    model = measured(predictions)
    if predictions.task == "regression":
        mean = np.full(ROWS, predictions.y_true.mean())
        guess = Predictions("regression", predictions.y_true, mean)
    else:
        half = np.full((len(predictions.y_true), 2), 0.5)
        labels = np.full(len(predictions.y_true), "no", dtype=object)
        guess = Predictions(
            "classification", predictions.y_true, labels, half, ("no", "yes")
        )
    baseline = measured(guess)
    gain = improvement(model, baseline, settings)
    return Evaluation(predictions, model, baseline, gain, [], slices or [])


def failed(decision: Decision) -> list[str]:
    return [rule.name for rule in decision.rules if not rule.passed]


def test_the_first_challenger_needs_no_champion(make_project: MakeProject) -> None:
    settings = make_project()

    decision = decide(evaluated(classifier(1), settings), None, [], settings)

    assert decision.passed
    assert decision.why == "all rules of the gate hold"


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"roc_auc": 0.7}, True),
        ({"roc_auc": 0.999}, False),
        ({"log_loss": 0.9}, True),
        ({"log_loss": 0.1}, False),
    ],
)
def test_a_threshold_is_a_floor_or_a_ceiling_as_the_metric_has_it(
    make_project: MakeProject, limits: dict[str, float], passed: bool
) -> None:
    settings = make_project(gate={"thresholds": limits})

    decision = decide(evaluated(classifier(1), settings), None, [], settings)

    assert decision.passed is passed


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_a_threshold_is_held_by_the_value_itself(
    make_project: MakeProject, name: str
) -> None:
    value = measured(classifier(1)).scores[name].value
    settings = make_project(gate={"thresholds": {name: value}})

    assert decide(evaluated(classifier(1), settings), None, [], settings).passed


def test_without_an_interval_a_model_is_not_shown_to_be_as_good_as_the_champion(
    make_project: MakeProject,
) -> None:
    settings = make_project()
    few = classifier(1, rows=20)

    decision = decide(evaluated(few, settings), measured(few), [], settings)

    assert "ROC AUC against the champion" in failed(decision)


def test_a_metric_that_is_not_defined_does_not_hold_its_threshold(
    make_project: MakeProject,
) -> None:
    settings = make_project(gate={"thresholds": {"roc_auc": 0.1}})
    whole = classifier(1)
    one_class = whole.select(whole.y_true == "yes")

    decision = decide(evaluated(one_class, settings), None, [], settings)

    assert "ROC AUC" in failed(decision)
    assert "not defined on these rows" in decision.why


@pytest.mark.parametrize("key", ["thresholds", "slice_floors"])
def test_a_limit_for_an_unknown_metric_is_refused(
    make_project: MakeProject, key: str
) -> None:
    settings = make_project(gate={key: {"rmse": 1.0}})

    with pytest.raises(ConfigError, match=f"gate.{key}: found 'rmse', .*roc_auc"):
        decide(evaluated(classifier(1), settings), None, [], settings)


def test_a_model_that_is_no_better_than_the_baseline_does_not_pass(
    make_project: MakeProject,
) -> None:
    settings = make_project()

    decision = decide(evaluated(classifier(1e9), settings), None, [], settings)

    assert failed(decision) == ["Against the baseline"]


def test_a_degraded_model_does_not_pass(make_project: MakeProject) -> None:
    settings = make_project()
    champion = measured(classifier(1))

    decision = decide(evaluated(classifier(4), settings), champion, [], settings)

    assert failed(decision) == ["ROC AUC against the champion"]


def test_a_better_model_passes(make_project: MakeProject) -> None:
    settings = make_project()
    champion = measured(classifier(3))

    assert decide(evaluated(classifier(1), settings), champion, [], settings).passed


def test_a_tie_passes(make_project: MakeProject) -> None:
    settings = make_project(gate={"margin": 0.0})
    champion = measured(classifier(1))

    assert decide(evaluated(classifier(1), settings), champion, [], settings).passed


def test_the_interval_decides_and_not_the_value_alone(
    make_project: MakeProject,
) -> None:
    settings = make_project(gate={"margin": 0.0})
    ours, theirs = (classifier(1, seed, rows=60) for seed in (1, 2))
    gain = improvement(measured(ours), measured(theirs), settings)
    if gain is not None and gain.value < 0:
        ours, theirs = theirs, ours

    decision = decide(evaluated(ours, settings), measured(theirs), [], settings)

    assert "ROC AUC against the champion" in failed(decision)


def test_the_margin_is_a_share_of_the_score_of_the_champion(
    make_project: MakeProject,
) -> None:
    ours, theirs = regressor(105), measured(regressor(100))

    verdicts = []
    for margin in (0.01, 0.2):
        settings = make_project("regression", gate={"margin": margin})
        verdicts.append(decide(evaluated(ours, settings), theirs, [], settings).passed)

    assert verdicts == [False, True]


def test_a_slice_below_its_floor_does_not_pass(make_project: MakeProject) -> None:
    settings = make_project(gate={"slice_floors": {"roc_auc": 0.7}})
    good, bad = measured(classifier(1)), measured(classifier(30))
    slices = [
        SliceResult("city", "Oslo", ROWS, None, None, good),
        SliceResult("city", "Lima", ROWS, None, None, bad),
        SliceResult("city", "Rome", 3, None, None, None),
    ]

    decision = decide(evaluated(classifier(1), settings, slices), None, [], settings)

    assert failed(decision) == ["ROC AUC where city is Lima"]


@pytest.mark.parametrize(("end", "broken"), [("low", False), ("high", True)])
def test_a_slice_is_held_against_its_floor_by_its_value_alone(
    make_project: MakeProject, end: str, broken: bool
) -> None:
    few = measured(classifier(1, rows=30))
    score = few.scores["roc_auc"]
    floor = (getattr(score, end) + score.value) / 2
    settings = make_project(gate={"slice_floors": {"roc_auc": floor}})
    slices = [SliceResult("city", "Rome", 30, None, None, few)]

    decision = decide(evaluated(classifier(1), settings, slices), None, [], settings)

    label = "ROC AUC where city is Rome"
    assert label in [rule.name for rule in decision.rules]
    assert failed(decision) == ([label] if broken else [])


def test_slices_that_are_not_measured_are_said_and_do_not_fail(
    make_project: MakeProject,
) -> None:
    settings = make_project(gate={"slice_floors": {"roc_auc": 0.7, "accuracy": 0.1}})
    whole = classifier(1)
    one_class = measured(whole.select(whole.y_true == "yes"))
    slices = [
        SliceResult("city", "Oslo", ROWS, None, None, measured(whole)),
        SliceResult("city", "Rome", 3, None, None, None),
        SliceResult("city", "Lima", one_class.rows, None, None, one_class),
    ]

    decision = decide(evaluated(whole, settings, slices), None, [], settings)

    assert decision.passed
    assert decision.notes == [
        "ROC AUC was not measured where city is Rome (3 rows, too few), "
        "city is Lima (all rows are of one class).",
        "Accuracy was not measured where city is Rome (3 rows, too few).",
    ]
    assert decision.content()["notes"] == decision.notes
    assert decision.notes[0] in decision.markdown()


def test_nothing_is_said_of_slices_without_a_floor(make_project: MakeProject) -> None:
    settings = make_project()
    slices = [SliceResult("city", "Rome", 3, None, None, None)]

    decision = decide(evaluated(classifier(1), settings, slices), None, [], settings)

    assert decision.notes == []


def test_a_check_of_an_audit_counts(make_project: MakeProject) -> None:
    settings = make_project()
    check = Check("difference by city", 0.3, 0.1, False, "at most")

    decision = decide(evaluated(classifier(1), settings), None, [check], settings)

    assert failed(decision) == ["difference by city"]


def test_the_table_names_each_rule_and_stays_a_table(
    make_project: MakeProject,
) -> None:
    settings = make_project(gate={"thresholds": {"roc_auc": 0.999}})
    check: Any = Check("a | b", 1.0, 2.0, True, "at most")

    text = decide(
        evaluated(classifier(1), settings), None, [check], settings
    ).markdown()

    assert "does **not** pass" in text
    assert "| ❌ | ROC AUC |" in text
    assert "| ✅ | a \\| b |" in text

"""The gate, in more detail."""

import numpy as np
import pytest

from src.evaluation.gate import Decision, decide
from src.evaluation.metrics import Predictions, measure
from src.evaluation.performance import Check, Evaluation, SliceResult, improvement
from src.utils.config import Settings
from src.utils.errors import ConfigError
from tests.conftest import ProjectMaker

TRUTH = np.random.default_rng(0).random(400) < 0.4
NAMES = np.array(["no", "yes"], dtype=object)


def classifier(noise: float, rows: int = 400) -> Predictions:
    """Return the predictions of a classifier; the more noise, the worse it is."""
    rng = np.random.default_rng(1)
    signal = (2.0 * TRUTH - 1) / noise + rng.normal(0, 1, 400)
    score = (1 / (1 + np.exp(-signal)))[:rows]
    labels, said = NAMES[TRUTH[:rows].astype(int)], NAMES[(score > 0.5).astype(int)]
    both = np.column_stack([1 - score, score])
    return Predictions("classification", labels, said, both, ("no", "yes"))


def judged(
    settings: Settings,
    challenger: Predictions,
    champion: Predictions | None = None,
    slices: list[SliceResult] | None = None,
    checks: tuple[Check, ...] = (),
) -> Decision:
    """Return the decision on a challenger, beside a baseline that knows nothing."""
    y, half = challenger.y_true, np.full((len(challenger.y_true), 2), 0.5)
    constant = Predictions(challenger.task, y, y, half, challenger.classes)
    model, baseline = measure(challenger, settings), measure(constant, settings)
    better = improvement(model, baseline, settings)
    evaluation = Evaluation(challenger, model, baseline, better, [], slices or [])
    theirs = measure(champion, settings) if champion else None
    return decide(evaluation, theirs, checks, settings)


def failed(decision: Decision) -> list[str]:
    assert decision.passed is not bool([r for r in decision.rules if not r.passed])
    return [rule.name for rule in decision.rules if not rule.passed]


@pytest.mark.parametrize("key", ["thresholds", "slice_floors"])
def test_a_limit_on_a_metric_that_there_is_not_is_refused(
    make_project: ProjectMaker, key: str
) -> None:
    settings = make_project(gate={key: {"rmse": 1}})
    with pytest.raises(ConfigError, match=f"gate.{key}: found 'rmse', expected one of"):
        judged(settings, classifier(noise=1))


def test_a_check_of_an_audit_is_a_rule(make_project: ProjectMaker) -> None:
    check = Check("gap by city", 0.3, 0.2, False)
    decision = judged(make_project(), classifier(noise=1), checks=(check,))
    assert failed(decision) == ["gap by city"]
    assert decision.why == "gap by city: 0.3, expected at most 0.2"

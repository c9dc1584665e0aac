"""What else the gate asks; the team's own tests have the rest."""

from typing import Any

import numpy as np
import pytest

from scripts.promote import markdown
from src.evaluation.metrics import Predictions, measure
from src.evaluation.performance import Audit, Rule, improvement
from src.utils.errors import ConfigError
from tests.conftest import ProjectMaker
from tests.unit.test_gate import classifier, failed, judged


def audit(rule: Rule) -> Audit:
    return Audit("x", [], {}, [rule], {})


def test_rows_of_one_class_allow_no_comparison(make_project: ProjectMaker) -> None:
    p = classifier(noise=1)
    one = p.take(p.y_true == "yes")
    settings = make_project(gate={"thresholds": {"roc_auc": 0.5}})
    decision = judged(settings, one, champion=one)
    assert [rule.found for rule in decision.rules] == [
        "not defined on these rows",
        f"not shown to be better on {len(one.y_true)} rows, 0 of 'no', which needs "
        "30 rows, 10 of each class, in 10 groups or days",
        f"no interval on {len(one.y_true)} rows, 0 of 'no', which needs "
        "30 rows, 10 of each class, in 10 groups or days",
    ]


def test_the_interval_of_the_difference_decides_and_not_its_value(
    make_project: ProjectMaker,
) -> None:
    settings = make_project()
    good, shuffled = classifier(noise=1), classifier(noise=1)
    random = np.random.default_rng(5).permutation(400) < 40  # as good, on other rows
    assert shuffled.probabilities is not None
    shuffled.probabilities[random] = shuffled.probabilities[random][:, ::-1]
    ours, theirs = measure(shuffled, settings), measure(good, settings)
    gain = improvement(ours, theirs, settings)
    assert gain is not None and gain.low is not None and gain.low < gain.value < 0
    for end, passed in ((gain.value, False), (gain.low, True)):
        margin = -1.001 * end / theirs.scores["roc_auc"].value
        settings = make_project(gate={"margin": margin})
        rule = judged(settings, shuffled, champion=good).rules[-1]
        assert rule.passed is passed


def test_a_decision_is_readable_for_people_and_programs(
    make_project: ProjectMaker,
) -> None:
    audits = (audit(Rule("a|b", "0.3", "at most 0.2", False)),)
    decision = judged(make_project(), classifier(noise=1), audits=audits)
    content: dict[str, Any] = decision.content()
    assert content["passed"] is False and content["rules"][1]["name"] == "a|b"
    assert "does **not** pass" in markdown(decision)
    assert "| ❌ | a\\|b | 0.3 | at most 0.2 |" in markdown(decision)


@pytest.mark.parametrize("key", ["thresholds", "slice_floors"])
def test_a_limit_on_a_metric_that_there_is_not_is_refused(
    make_project: ProjectMaker, key: str
) -> None:
    settings = make_project(gate={key: {"rmse": 1}})
    with pytest.raises(ConfigError, match=f"gate.{key}: found 'rmse', expected one of"):
        judged(settings, classifier(noise=1))


def test_a_rule_of_an_audit_is_one_of_the_gate(make_project: ProjectMaker) -> None:
    rule = Rule("gap by city", "0.3", "at most 0.2", False)
    decision = judged(make_project(), classifier(noise=1), audits=(audit(rule),))
    assert failed(decision) == ["gap by city"]
    assert decision.why == "gap by city: 0.3, expected at most 0.2"


def test_a_refusal_about_numbers_asks_for_no_classes(
    make_project: ProjectMaker,
) -> None:
    few = Predictions("regression", np.arange(9.0), np.arange(9.0) + 1)
    decision = judged(make_project("regression"), few, champion=few)
    needs = "on 9 rows, which needs 30 rows, in 10 groups or days"
    assert [rule.found for rule in decision.rules] == [
        f"not shown to be better {needs}",
        f"no interval {needs}",
    ]

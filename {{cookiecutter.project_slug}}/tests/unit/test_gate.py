"""The gate lets a challenger pass only if every rule holds."""

from pathlib import Path

import numpy as np
import pandas as pd

from src.data.schema import DataSchema
from src.evaluation.gate import Decision, decide
from src.evaluation.leaks import audit_leaks
from src.evaluation.metrics import Measurement, Predictions, Score, measure
from src.evaluation.performance import (
    Audit,
    Evaluation,
    Inputs,
    SliceResult,
    improvement,
)
from src.utils.config import Settings
from tests.conftest import ProjectMaker

TRUTH = np.random.default_rng(0).random(400) < 0.4
NAMES = np.array(["no", "yes"], dtype=object)


def classifier(noise: float, rows: int = 400, seed: int = 1) -> Predictions:
    """Return the predictions of a classifier; the more noise, the worse it is."""
    rng = np.random.default_rng(seed)
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
    audits: tuple[Audit, ...] = (),
) -> Decision:
    """Return the decision on a challenger, beside a baseline that knows nothing."""
    y, half = challenger.y_true, np.full((len(challenger.y_true), 2), 0.5)
    constant = Predictions(challenger.task, y, y, half, challenger.classes)
    model, baseline = measure(challenger, settings), measure(constant, settings)
    better = improvement(model, baseline, settings)
    evaluation = Evaluation(challenger, model, baseline, better, [], slices or [])
    pair = [model, measure(champion, settings)] if champion else []
    return decide(evaluation, pair, audits, settings)


def failed(decision: Decision) -> list[str]:
    assert decision.passed is not bool([r for r in decision.rules if not r.passed])
    return [rule.name for rule in decision.rules if not rule.passed]


def slice_of(value: str, score: float | None, rows: int = 50) -> SliceResult:
    scores = Measurement(rows, {"roc_auc": Score(score)}) if score else None
    few = "" if score else f"{rows} rows"
    return SliceResult("city", value, rows, scores, few)


def test_a_good_first_model_passes_and_one_that_guesses_does_not(
    make_project: ProjectMaker,
) -> None:
    settings = make_project()
    passed = judged(settings, classifier(noise=1))
    assert passed.passed and passed.why == "all rules of the gate hold"
    guesser = judged(settings, classifier(noise=1e9))
    assert failed(guesser) == ["Against the baseline"]
    assert "not shown to be better" in guesser.why
    assert failed(judged(settings, classifier(noise=-1))) == ["Against the baseline"]
    assert failed(judged(settings, classifier(1, rows=10))) == ["Against the baseline"]


def test_a_threshold_is_a_least_value_or_a_largest_where_lower_is_better(
    make_project: ProjectMaker,
) -> None:
    for name, limit, holds in (
        ("roc_auc", 0.6, True),
        ("roc_auc", 0.999, False),
        ("log_loss", 0.1, False),
    ):
        settings = make_project(gate={"thresholds": {name: limit}})
        assert judged(settings, classifier(noise=1)).passed is holds


def test_a_challenger_must_not_be_worse_than_the_champion_by_more_than_the_margin(
    make_project: ProjectMaker,
) -> None:
    settings, rule = make_project(), "ROC AUC against the champion"
    good, worse = classifier(noise=1), classifier(noise=1.5)
    assert judged(settings, good, champion=good).passed  # a tie
    assert judged(settings, good, champion=worse).passed
    assert failed(judged(settings, worse, champion=good)) == [rule]
    lenient = make_project(gate={"margin": 0.5})
    assert judged(lenient, worse, champion=good).passed


def test_a_refusal_for_too_few_rows_says_how_many_would_do(
    make_project: ProjectMaker,
) -> None:
    settings, model = make_project(), classifier(noise=1)
    why = judged(settings, model, champion=classifier(noise=1, seed=4)).why
    assert "too few rows to tell: a model as good as the champion needs about" in why
    worse = judged(settings, classifier(noise=3), champion=model).why
    assert "against the champion" in worse and "too few" not in worse
    few = judged(settings, classifier(1, rows=20), champion=classifier(1, rows=20)).why
    assert "no interval on 20 rows, which needs 30 rows, 10 of each class" in few


def test_a_slice_below_its_floor_fails_and_a_small_one_is_named_as_not_measured(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(gate={"slice_floors": {"roc_auc": 0.7}})
    slices = [slice_of("Oslo", 0.69), slice_of("Lima", 0.7), slice_of("Bonn", None, 9)]
    decision = judged(settings, classifier(noise=1), slices=slices)
    assert failed(decision) == ["ROC AUC where city is Oslo"]
    assert decision.notes == [
        "ROC AUC was not measured where city is Bonn (9 rows, too few)."
    ]


def test_a_leak_does_not_pass_unless_the_schema_says_how_it_is_known_before(
    make_project: ProjectMaker,
) -> None:
    noise = np.random.default_rng(2).normal(size=400)
    late, y = noise + 9 * TRUTH, NAMES[TRUTH.astype(int)]
    rows = pd.DataFrame({"x": noise, "late": late, "y": y})
    for reason in ("", "asked for before the decision"):
        columns = {
            "x": {"type": "number"},
            "late": {"type": "number", "no_leak": reason},
            "y": {"type": "category", "role": "target"},
        }
        schema = DataSchema.model_validate({"name": "t", "columns": columns})
        inputs = Inputs(None, {}, schema, rows, rows, Path())
        audit = audit_leaks(inputs, make_project())
        (rule,) = audit.rules
        assert rule.passed is bool(reason)
        assert rule.name == ("Leaks" if reason else "late alone")
        assert audit.tables[0].rows[0] == ["late", "1.0000", reason]

"""Simulations: what the split, the intervals and the gate say of made-up truths.

``docs/evidence.md`` has the figures of more rounds: ``EVIDENCE_ROUNDS=400`` makes them.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from scripts.data_download import download
from src.data.preprocessing import preprocess
from src.data.schema import load_schema, write_schema
from src.evaluation.gate import decide
from src.evaluation.metrics import Predictions, compute_metrics, heavy_tail, measure
from src.evaluation.performance import Evaluation, evaluate, improvement, load_inputs
from src.training.train import train
from src.utils.config import Settings
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import make_frame, make_settings
from tests.proofs.registry.test_promotion import Team, team

__all__ = ["team"]  # a fixture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROUNDS = int(os.environ.get("EVIDENCE_ROUNDS", "40"))
TREES = {"type": "hist_gradient_boosting"}
NAMES = np.array(["no", "yes"], dtype=object)


def measured(
    settings: Settings, frame: pd.DataFrame, by_row: bool
) -> tuple[Evaluation, dict[str, float]]:
    """Return how good a model is by the inferred split, or by the one by rows."""
    frame.to_csv(settings.data.source, index=False)
    path = settings.data.schema_path
    path.unlink(missing_ok=True)
    download(settings)
    if by_row:
        found = load_schema(path).model_copy(
            update={"group_column": None, "time_columns": []}
        )
        write_schema(found, path)
    preprocess(settings)
    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    inputs = load_inputs(model, settings.paths.processed / "test.csv", settings)
    found_scores = evaluate(inputs, settings)
    values = {name: score.value for name, score in found_scores.model.scores.items()}
    return found_scores, values


def customers(rng: np.random.Generator) -> pd.DataFrame:
    """Return six rows of each of 600 customers, for whom a coin was thrown."""
    who = np.repeat(np.arange(600), 6)
    traits = rng.normal(size=(600, 3))[who]
    frame = pd.DataFrame(traits, columns=["height", "weight", "age"])
    coin = rng.integers(0, 2, 600)[who]
    return frame.assign(customer_id=who + 5000, outcome=NAMES[coin])


def panel(rng: np.random.Generator) -> pd.DataFrame:
    """Return 30 shops on each of 60 days, whose level wanders from day to day."""
    days = pd.date_range("2024-01-01", periods=60)
    level = rng.normal(0, 3, 60).cumsum()
    day = np.repeat(np.arange(60), 30)
    sold = 100 + level[day] + rng.normal(0, 0.5, day.size)
    shop = np.tile([f"shop {n}" for n in range(30)], 60)
    date = days[day].strftime("%Y-%m-%d")
    return pd.DataFrame({"date": date, "shop": shop, "outcome": sold.round(3)})


def test_rows_of_one_customer_tell_nothing_of_another(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(model=TREES, evaluation={"slices": []})
    frame = customers(np.random.default_rng(1))
    _, by_row = measured(settings, frame, by_row=True)
    found, by_group = measured(settings, frame, by_row=False)
    print(
        f"customers: ROC AUC by row {by_row['roc_auc']:.3f}, by group {by_group['roc_auc']:.3f}"
    )
    assert by_row["roc_auc"] > 0.95
    assert 0.4 < by_group["roc_auc"] < 0.6
    assert found.verdict == "unclear"


def test_days_that_are_known_tell_nothing_of_later_ones(
    make_project: ProjectMaker,
) -> None:
    settings = make_project("regression", model=TREES, evaluation={"slices": []})
    frame = panel(np.random.default_rng(2))
    _, by_row = measured(settings, frame, by_row=True)
    _, by_time = measured(settings, frame, by_row=False)
    print(f"panel: R² by row {by_row['r2']:.3f}, by time {by_time['r2']:.3f}")
    assert by_row["r2"] > 0.95
    assert by_time["r2"] < 0.2


def test_an_equal_model_of_grown_data_is_no_worse(team: Team) -> None:
    rounds, refused = max(3, ROUNDS // 20), []
    for seed in range(rounds):
        frame = make_frame("classification", 2200, seed)
        team.settings = team.settings.model_copy(
            update={
                "registry": team.settings.registry.model_copy(
                    update={"model": f"{team.settings.registry.model}-{seed}"}
                ),
                "paths": team.settings.paths.model_copy(
                    update={"models": team.settings.paths.models / str(seed)}
                ),
            }
        )
        team.decide(frame.head(2000))
        decision = team.decide(frame.sample(frac=1, random_state=seed))
        if not decision.passed:
            refused.append(decision.why)
    print(f"grown by a tenth, in another order: {len(refused)} of {rounds} refused")
    assert len(refused) <= rounds / 4
    assert all("too few rows to tell" in why for why in refused)


def blocks_of(rng: np.random.Generator, groups: int) -> Predictions:
    """Return errors of groups of twenty rows, whose errors are alike; RMSE √2."""
    group = np.repeat(np.arange(groups), 20)
    errors = rng.normal(size=groups)[group] + rng.normal(size=group.size)
    return Predictions("regression", errors, np.zeros(group.size), blocks=group)


def scored(rng: np.random.Generator, rows: int) -> Predictions:
    """Return scores of which those of the one class are larger by one: AUC 0.760."""
    truth = rng.random(rows) < 0.3
    score = 1 / (1 + np.exp(-rng.normal(truth, 1)))
    both = np.column_stack([1 - score, score])
    said = NAMES[(score > 0.5).astype(int)]
    return Predictions("classification", NAMES[truth * 1], said, both, ("no", "yes"))


def numbers(rng: np.random.Generator, rows: int, heavy: bool = False) -> Predictions:
    """Return predictions of numbers with normal errors, or of Student's t with 3."""
    truth = rng.normal(size=rows) * 2
    errors = rng.standard_t(3, rows) if heavy else rng.normal(size=rows)
    return Predictions("regression", truth, truth + errors)


def rare(rng: np.random.Generator, positives: int) -> Predictions:
    """Return a slice of 100 rows with so many of the positive class."""
    p = scored(rng, 3000)
    order = np.argsort(p.y_true != "yes", kind="stable")
    return p.take(np.r_[order[:positives], order[::-1][: 100 - positives]])


DRAWN: dict[str, tuple[Callable[[np.random.Generator, int], Predictions], int]] = {
    "classes": (scored, 400),
    "numbers": (numbers, 400),
    "groups": (blocks_of, 60),
    "groups, by rows": (lambda rng, n: replace(blocks_of(rng, n), blocks=None), 60),
    "heavy tails": (lambda rng, n: numbers(rng, n, heavy=True), 400),
    "100 rows, 10 positive": (rare, 10),
}


def covered(kind: str, settings: Settings) -> dict[str, float]:
    """Return the share of intervals that hold the truth, by metric."""
    (draw, size), rng = DRAWN[kind], np.random.default_rng(3)
    large = draw(rng, 200_000 if draw not in (rare, blocks_of) else size)
    truth = compute_metrics(scored(rng, 200_000) if draw is rare else large)
    if "groups" in kind:
        truth = {"rmse": 2**0.5}
    if kind == "heavy tails":
        truth = {"rmse": 3**0.5}
    if draw is rare:  # the others depend on how rare the class is
        truth = {"roc_auc": 0.7602}
    hits = dict.fromkeys(truth, 0)
    for _ in range(ROUNDS):
        found = measure(draw(rng, size), settings, also=truth)
        for name, value in truth.items():
            _, low, high = found.scores[name]
            assert low is not None and high is not None
            hits[name] += low <= value <= high
    print(f"{kind}: of {ROUNDS} intervals of 95 %, so many hold the truth: {hits}")
    return {name: count / ROUNDS for name, count in hits.items()}


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("classes", 0.8, 1),
        ("numbers", 0.8, 1),
        ("groups", 0.75, 1),
        ("groups, by rows", 0, 0.8),
        ("heavy tails", 0.4, 0.9),
        ("100 rows, 10 positive", 0.8, 1),
    ],
)
def test_intervals_hold_the_truth_if_rows_that_are_alike_stay_together(
    tmp_path: Path, kind: str, least: float, most: float
) -> None:
    numeric = kind in ("numbers", "heavy tails") or "groups" in kind
    task: Any = "regression" if numeric else "classification"
    evaluation = {"bootstrap_samples": 100}
    settings = make_settings(tmp_path, task, evaluation=evaluation)
    found = covered(kind, settings)
    assert least <= min(found.values()) and max(found.values()) <= most


def test_heavy_tails_are_said_where_intervals_are_too_narrow_and_not_elsewhere() -> (
    None
):
    rng = np.random.default_rng(5)
    said = {
        heavy: sum(bool(heavy_tail(numbers(rng, 1000, heavy))) for _ in range(ROUNDS))
        for heavy in (False, True)
    }
    print(f"heavy tails are said {said[True]} times of {ROUNDS}, else {said[False]}")
    assert said[False] == 0 and said[True] > ROUNDS * 0.7


def test_the_interval_of_a_gain_over_another_model_holds_the_truth(
    tmp_path: Path,
) -> None:
    evaluation = {"bootstrap_samples": 100}
    settings = make_settings(tmp_path, "classification", evaluation=evaluation)
    rng, hits = np.random.default_rng(6), 0
    for _ in range(ROUNDS):
        good = scored(rng, 400)
        assert good.probabilities is not None
        odds = np.log(good.probabilities[:, 1] / good.probabilities[:, 0])
        score = 1 / (1 + np.exp(-(odds + rng.normal(size=400))))
        worse = replace(good, probabilities=np.column_stack([1 - score, score]))
        pair = [measure(p, settings) for p in (good, worse)]
        gain = improvement(pair[0], pair[1], settings)
        assert gain is not None and gain.low is not None and gain.high is not None
        # ROC AUC is Φ(1/√2) of the one, and Φ(1/√3) of the other.
        hits += gain.low <= norm.cdf(0.5**0.5) - norm.cdf(0.5) <= gain.high
    print(f"gain: {hits} of {ROUNDS} intervals of 95 % hold the truth")
    assert hits >= 0.8 * ROUNDS


@pytest.mark.parametrize(("rows", "least", "most"), [(200, 0.2, 0.9), (3200, 0, 0.15)])
def test_an_equal_model_is_refused_less_often_the_more_rows_there_are(
    tmp_path: Path, rows: int, least: float, most: float
) -> None:
    evaluation = {"bootstrap_samples": 100, "slices": []}
    settings = make_settings(tmp_path, "classification", evaluation=evaluation)
    rng, refused, needed = np.random.default_rng(4), 0, []
    for _ in range(ROUNDS // 2):
        truth = rng.random(rows) < 0.3
        common, own = rng.normal(truth, 0.96), rng.normal(0, 0.28, (2, rows))
        pair = []
        for noise in own:
            score = 1 / (1 + np.exp(-(common + noise)))
            both = np.column_stack([1 - score, score])
            said = NAMES[(score > 0.5).astype(int)]
            p = Predictions(
                "classification", NAMES[truth * 1], said, both, ("no", "yes")
            )
            pair.append(measure(p, settings))
        better = improvement(pair[0], pair[0], settings)
        evaluated = Evaluation(p, pair[0], pair[0], better, [], [])
        rule = decide(evaluated, pair, [], settings).rules[-1]
        refused += not rule.passed
        if "needs about" in rule.found:
            needed.append(int(rule.found.rpartition("about ")[2][:-5].replace(",", "")))
    share = refused / (ROUNDS // 2)
    print(
        f"{rows} rows: {share:.0%} of equal models refused, told to need {needed[:9]}"
    )
    assert least <= share <= most
    assert rows > 3000 or (needed and 500 < np.median(needed) < 10000)

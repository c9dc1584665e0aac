"""Every form in which a column gives the target away, and honest columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.schema import DataSchema
from src.evaluation.leaks import LIMITS, SUM_LIMIT, audit_leaks, strength, summed
from src.evaluation.performance import Inputs
from tests.conftest import ProjectMaker

RNG = np.random.default_rng(1)
ROWS = 3000
IS_YES = RNG.random(ROWS) < 0.2
LABELS = np.where(IS_YES, "yes", "no")
NOISE = RNG.normal(size=ROWS)
CUSTOMER = np.repeat(np.arange(500), 6)
OF_CUSTOMER = np.where((RNG.random(500) < 0.5)[CUSTOMER], "yes", "no")
DAYS = np.where(IS_YES, 100, 0) + RNG.integers(0, 50, ROWS)
THREE = RNG.choice(list("abc"), ROWS)
AMOUNT = RNG.lognormal(0, 1.5, ROWS)
WORDS = np.array([f"{a}{n}" for a, n in zip(LABELS, RNG.integers(0, 250, ROWS))])

LEAKS: dict[str, tuple[Any, Any]] = {
    "one to one": (np.where(IS_YES, "a", "b"), LABELS),
    "many to one": (WORDS, LABELS),
    "monotone": (NOISE + 20 * IS_YES, LABELS),
    "thresholded": (RNG.random(ROWS) + 5 * IS_YES, LABELS),
    "within a window": (
        np.where(IS_YES, 0.5, RNG.choice([0, 1], ROWS)) + RNG.random(ROWS) * 0.4,
        LABELS,
    ),
    "a missing number": (pd.Series(NOISE).where(~IS_YES), LABELS),
    "a missing category": (pd.Series("x", range(ROWS)).where(IS_YES), LABELS),
    "a date": (pd.Timestamp("2020-01-01") + pd.to_timedelta(DAYS, "D"), LABELS),
    "an identifier that repeats": (CUSTOMER.astype(float), OF_CUSTOMER),
    "the same as text": (CUSTOMER.astype(str), OF_CUSTOMER),
    "an index of sorted rows": (np.arange(ROWS), np.sort(LABELS)),
    "three classes": (pd.Series(THREE).map({"a": 1.0, "b": 3.0, "c": 2.0}), THREE),
    "the target": (AMOUNT * 3.2, AMOUNT),
    "its logarithm": (np.log(AMOUNT), AMOUNT),
    "its negative square": (-(AMOUNT**2), AMOUNT),
    "nearly the target": (AMOUNT * (1 + RNG.normal(size=ROWS) * 0.02), AMOUNT),
    "the rounded target": (AMOUNT.round(1), AMOUNT),
    "a few large values": (NOISE[::-1] + 1000 * IS_YES, NOISE + 1000 * IS_YES),
    "its class of size": (pd.qcut(AMOUNT, 20, labels=False).astype(str), AMOUNT),
}
HONEST: dict[str, tuple[Any, Any]] = {
    "noise": (NOISE, LABELS),
    "a strong feature": (NOISE + 2.5 * IS_YES, LABELS),
    "a name that says nothing": (RNG.integers(0, 500, ROWS).astype(str), LABELS),
    "a number of noise": (NOISE, AMOUNT),
    "a strong number": (np.log(AMOUNT) + NOISE * 0.4, AMOUNT),
}


def strength_of(column: Any, target: Any) -> tuple[float, float]:
    numeric = np.asarray(target).dtype == float
    task: Any = "regression" if numeric else "classification"
    found = strength(pd.Series(column), pd.Series(target), task)
    return found, LIMITS[task]


@pytest.mark.parametrize("form", LEAKS)
def test_a_leak_is_found_in_any_form(form: str) -> None:
    found, limit = strength_of(*LEAKS[form])
    assert found >= limit


@pytest.mark.parametrize("form", HONEST)
def test_an_honest_column_is_left_alone(form: str) -> None:
    found, limit = strength_of(*HONEST[form])
    assert found < limit


@pytest.mark.parametrize("rows", [30, 60, 200])
def test_chance_is_not_taken_for_a_leak_among_few_rows(rows: int) -> None:
    labels = pd.Series(RNG.random(rows) < 0.5).map({True: "yes", False: "no"})
    noise = [pd.Series(RNG.normal(size=rows)) for _ in range(50)]
    assert max(strength(n, labels, "classification") for n in noise) < 0.9


def test_sums_are_found_also_if_rounded_and_chance_and_noise_are_not() -> None:
    numbers = {name: pd.Series(RNG.normal(size=ROWS)) for name in "abcde"}
    total = numbers["a"] + 2 * numbers["b"]
    assert summed(numbers, total, SUM_LIMIT) == ["a", "b"]
    assert summed(numbers, total.round(1), 0.999) == ["a", "b"]
    assert summed(numbers, total + NOISE * 0.2, SUM_LIMIT) == []
    assert summed({}, total, SUM_LIMIT) == []


@pytest.mark.parametrize("allowed", ["", "both are known a day before"])
def test_a_sum_of_features_does_not_pass_unless_the_schema_says_why(
    make_project: ProjectMaker, allowed: str
) -> None:
    parts = {name: RNG.normal(size=ROWS) for name in "ab"}
    rows = pd.DataFrame(parts | {"x": NOISE, "y": parts["a"] + parts["b"]})
    columns: dict[str, Any] = {name: {"type": "number"} for name in rows}
    columns["y"]["role"] = "target"
    columns["a"]["no_leak"] = allowed
    schema = DataSchema.model_validate({"name": "t", "columns": columns})
    inputs = Inputs(None, {}, schema, rows, rows, Path())
    (rule,) = audit_leaks(inputs, make_project("regression")).rules
    assert rule.passed is bool(allowed)
    name, _, parts_named = rule.name.partition(" sum of ")
    assert (name, {*parts_named.split(", ")}) == (
        ("Leaks", {""}) if allowed else ("a", {"a", "b"})
    )

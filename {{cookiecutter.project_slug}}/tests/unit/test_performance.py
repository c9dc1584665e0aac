"""Metrics, and a model measured on the whole and by slice."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.preprocessing import preprocess
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions, compute_metrics, heavy_tail, measure
from src.evaluation.performance import (
    MISSING,
    Evaluation,
    Inputs,
    evaluate,
    improvement,
    load_inputs,
)
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model

SIZE = np.arange(90)


class Oracle:
    """Stands for a fitted pipeline: it knows the target from ``size``."""

    def __init__(self, classes: list[str] | None) -> None:
        self.classes_ = np.array(classes, dtype=object)
        if classes is not None:
            self.predict_proba = self._probabilities

    def predict(self, rows: pd.DataFrame) -> Any:
        if self.classes_.ndim == 0:
            return rows["size"].to_numpy() + 0.5
        return self.classes_[self._probabilities(rows).argmax(axis=1)]

    def _probabilities(self, rows: pd.DataFrame) -> Any:
        known = np.eye(len(self.classes_))[rows["size"].astype(int)]
        return (known + 0.1) / (known + 0.1).sum(axis=1, keepdims=True)


def rows_of(classes: list[str] | None) -> pd.DataFrame:
    """Return rows whose target is the class of number ``size``, or the size."""
    size = SIZE % (len(classes) if classes else 10)
    return pd.DataFrame(
        {
            "size": size.astype(float),
            "city": pd.Series("Oslo", SIZE).where(SIZE < 45),
            "hidden": np.where(SIZE % 3 == 0, "x", "y"),
            "y": [classes[i] for i in size] if classes else size.astype(float),
        }
    )


Evaluator = Callable[..., Evaluation]


@pytest.fixture
def run(make_project: ProjectMaker) -> Evaluator:
    """A function that evaluates the oracle on rows made by ``rows_of``."""

    def evaluate_rows(
        classes: list[str] | None, test: pd.DataFrame | None = None, **chosen: Any
    ) -> Evaluation:
        task = "classification" if classes else "regression"
        columns: dict[str, Any] = {
            "size": {"type": "number"},
            "city": {"type": "category", "max_missing": 1},
            "hidden": {"type": "category", "role": "ignored"},
            "y": {"type": "category" if classes else "number", "role": "target"},
        }
        content = {"name": "x", "sensitive": ["hidden"], "columns": columns}
        schema, rows = DataSchema.model_validate(content), rows_of(classes)
        inputs = Inputs(
            Oracle(classes), {}, schema, rows, rows if test is None else test, Path()
        )
        return evaluate(
            inputs, make_project(task, evaluation={"slices": ["city"]} | chosen)
        )

    return evaluate_rows


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], None])
def test_a_good_model_is_better_than_the_baseline(
    run: Evaluator, classes: list[str] | None
) -> None:
    result = run(classes)
    assert result.verdict == "better"
    assert result.improvement is not None and result.improvement.value > 0
    value, low, high = result.model.scores["roc_auc" if classes else "rmse"]
    assert low is not None and high is not None and low <= value <= high


def test_what_deserves_no_trust_is_not_called_better(run: Evaluator) -> None:
    assert run(["no", "yes"], rows_of(["yes", "no"])).verdict == "worse"  # backwards
    rows = rows_of(["no", "yes"])
    assert run(["no", "yes"], rows[:6]).verdict == "unclear"  # few
    one_positive = run(["no", "yes"], rows[(rows["y"] == "no") | (rows.index == 1)])
    assert one_positive.verdict == "unclear"
    assert one_positive.model.few == "46 rows, 1 of 'yes'"
    one_class = run(["no", "yes"], rows[rows["y"] == "yes"])
    assert one_class.verdict == "unclear" and one_class.improvement is None
    assert "roc_auc" in one_class.model.undefined


def test_sensitive_and_configured_columns_are_slices_measured_on_their_rows(
    run: Evaluator,
) -> None:
    test = rows_of(["no", "yes"])
    wrong = test["hidden"] == "x"
    test.loc[wrong, "y"] = test.loc[wrong, "y"].map({"no": "yes", "yes": "no"})
    slices = run(["no", "yes"], test, slices=["city", "hidden"]).slices
    expected = [("hidden", "y", 60), ("hidden", "x", 30)]
    expected += [("city", "Oslo", 45), ("city", MISSING, 45)]
    assert [part[:3] for part in slices] == expected
    found = [part.measurement for part in slices]
    assert found[0] is not None and found[0].scores["accuracy"].value == 1
    assert found[1] is not None and found[1].scores["accuracy"].value == 0
    small = run(["a", "b", "c"], min_slice_rows=50).slices
    assert [part.measurement is None for part in small] == [False, True, True, True]
    (rare,) = run(["no", "yes"], test, slices=[], min_class_rows=31).slices[1:]
    assert rare.few == "30 rows, 15 of 'no'"
    with pytest.raises(ConfigError, match=r"evaluation\.slices: found 'town'"):
        run(["no", "yes"], slices=["town"])


def test_a_verdict_names_the_metrics_that_contradict_it(
    make_project: ProjectMaker,
) -> None:
    y = np.repeat(np.array(["no", "yes"], dtype=object), [90, 10])
    sure = np.where(y == "yes", 1.0, np.arange(100) / 100)  # ranks, but far too sure
    settings, both = make_project(), np.column_stack([1 - sure, sure])
    said = np.where(sure > 0.5, "yes", "no").astype(object)
    model = Predictions("classification", y, said, both, ("no", "yes"))
    prior = np.tile([0.9, 0.1], (100, 1))
    guess = replace(model, y_pred=np.full(100, "no", object), probabilities=prior)
    pair = measure(model, settings), measure(guess, settings)
    found = Evaluation(model, *pair, improvement(*pair, settings), [], [])
    assert found.verdict == "mixed"
    assert found.told.startswith("better than the baseline in ROC AUC, but worse in")
    assert {"brier", "log_loss", "accuracy"} == {*found.contradicting}


def test_errors_that_a_few_rows_make_are_said_to_have_heavy_tails() -> None:
    calm = np.random.default_rng(0).normal(size=200)
    few = np.where(np.arange(200) < 2, 50.0, calm)
    zero = np.zeros(200)
    assert heavy_tail(Predictions("regression", calm, zero)) == ""
    assert "is of 2 rows" in heavy_tail(Predictions("regression", few, zero))


@pytest.fixture
def trained(make_project: ProjectMaker) -> tuple[Settings, Path, Path]:
    settings = make_project(rows=100)
    model = train_model(settings)
    return settings, model, settings.paths.processed / "test.csv"


def test_a_model_is_measured_only_on_rows_that_it_has_not_seen(
    trained: tuple[Settings, Path, Path], tmp_path: Path
) -> None:
    settings, model, test = trained
    copy = tmp_path / "innocent.csv"
    shutil.copy(test, copy)
    test_rows = pd.read_csv(test)
    assert len(load_inputs(model, copy, settings).test) == len(test_rows)
    shutil.copy(test.with_name("train.csv"), copy)
    with pytest.raises(DataError, match="the model was trained on"):
        load_inputs(model, copy, settings)
    test.write_text(test.read_text() + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="changed"):
        load_inputs(model, test, settings)
    preprocess(settings.model_copy(update={"seed": settings.seed + 1}))
    with pytest.raises(DataError, match="trained on other rows"):
        load_inputs(model, test, settings)


def test_the_metrics_of_a_small_example_are_those_of_paper_and_pencil() -> None:
    probabilities = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]]
    truth, said = ["no", "no", "yes", "yes"], ["no", "yes", "yes", "no"]
    labels = np.array(truth), np.array(said)
    found = compute_metrics(
        Predictions("classification", *labels, np.array(probabilities), ("no", "yes"))
    )
    assert found["roc_auc"] == 3 / 4
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.04 + 0.49) / 4)
    both = np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0])
    numbers = compute_metrics(Predictions("regression", *both))
    assert numbers["mae"] == 1 and numbers["median_absolute_error"] == 1
    assert numbers["rmse"] == pytest.approx((5 / 3) ** 0.5)

"""A model is measured beside the baseline, by class and by slice."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.coercion import coerce
from src.data.schema import DataSchema
from src.evaluation.performance import Evaluation, evaluate
from src.evaluation.slices import MAX_SLICES, MISSING, OTHERS, slice_masks
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError

COLUMNS: dict[str, Any] = {
    "size": {"type": "number"},
    "city": {"type": "category", "max_missing": 0.5},
    "hidden": {"type": "category", "role": "ignored"},
}


class Oracle:
    """Stands for a fitted pipeline: it knows the target from ``size``."""

    def __init__(self, classes: list[str] | None = None) -> None:
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


def schema_of(task: str) -> DataSchema:
    kind = "category" if task == "classification" else "number"
    columns = COLUMNS | {"y": {"type": kind, "role": "target"}}
    content = {"name": "x", "sensitive": ["hidden"], "columns": columns}
    return DataSchema.model_validate(content)


def rows_of(classes: list[str] | None, rows: int = 90) -> pd.DataFrame:
    """Return rows whose target is the class of number ``size``, or the size."""
    size = np.arange(rows) % (len(classes) if classes else 10)
    frame = pd.DataFrame(
        {
            "size": size,
            "city": np.where(np.arange(rows) < rows / 2, "Oslo", None),
            "hidden": np.where(np.arange(rows) % 3 == 0, "x", "y"),
            "y": [classes[i] for i in size] if classes else size,
        }
    )
    return coerce(frame, schema_of("classification" if classes else "regression"))


Evaluator = Callable[..., Evaluation]


@pytest.fixture
def run(make_project: Callable[..., Settings]) -> Evaluator:
    """A function that evaluates the oracle on rows made by ``rows_of``."""

    def evaluate_rows(
        classes: list[str] | None, test: pd.DataFrame | None = None, **chosen: Any
    ) -> Evaluation:
        task = "classification" if classes else "regression"
        options = {"slices": ["city"], "bootstrap_samples": 20} | chosen
        train = rows_of(classes)
        return evaluate(
            Oracle(classes),
            train["y"],
            train if test is None else test,
            schema_of(task),
            make_project(task, evaluation=options),
        )

    return evaluate_rows


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], None])
def test_a_good_model_is_better_than_the_baseline(
    run: Evaluator, classes: list[str] | None
) -> None:
    result = run(classes)
    assert result.verdict == "better"
    assert result.improvement is not None
    assert result.improvement.value > 0


def test_a_model_that_ranks_backwards_is_worse_than_the_baseline(
    run: Evaluator,
) -> None:
    swapped = rows_of(["no", "yes"])
    swapped["y"] = swapped["y"].map({"no": "yes", "yes": "no"})
    assert run(["no", "yes"], swapped).verdict == "worse"


def test_the_baseline_knows_the_training_target_only(run: Evaluator) -> None:
    test = rows_of(None)
    test["y"] += 100
    result = run(None, test)
    assert result.baseline.scores["mae"].value == pytest.approx(100)


def test_few_rows_show_nothing(run: Evaluator) -> None:
    result = run(["no", "yes"], rows_of(["no", "yes"], rows=6))
    assert result.verdict == "unclear"
    assert result.model.scores["accuracy"].value == 1


def test_test_rows_of_one_class_leave_the_comparison_open(run: Evaluator) -> None:
    test = rows_of(["no", "yes"])
    result = run(["no", "yes"], test[test["y"] == "yes"])
    assert result.improvement is None
    assert result.verdict == "unclear"
    assert "roc_auc" in result.model.undefined


def test_sensitive_and_configured_columns_are_slices_with_their_rows(
    run: Evaluator,
) -> None:
    result = run(["no", "yes"], slices=["city", "hidden"])
    found = [(s.column, s.value, s.rows) for s in result.slices]
    assert found == [
        ("hidden", "y", 60),
        ("hidden", "x", 30),
        ("city", "Oslo", 45),
        ("city", MISSING, 45),
    ]


def test_a_slice_is_measured_on_its_own_rows(run: Evaluator) -> None:
    test = rows_of(["no", "yes"])
    wrong = test["hidden"] == "x"
    test.loc[wrong, "y"] = test.loc[wrong, "y"].map({"no": "yes", "yes": "no"})
    right, wrong_slice = run(["no", "yes"], test, slices=[]).slices
    assert right.measurement is not None and wrong_slice.measurement is not None
    assert right.measurement.scores["accuracy"].value == 1
    assert wrong_slice.measurement.scores["accuracy"].value == 0


def test_a_slice_tells_how_often_the_positive_class_is_and_is_predicted(
    run: Evaluator,
) -> None:
    test = rows_of(["no", "yes"])
    test["y"] = "yes"
    assert [(s.actual, s.predicted) for s in run(["no", "yes"], test).slices][:2] == [
        (1.0, 0.5),
        (1.0, 0.5),
    ]


def test_a_small_slice_is_counted_but_not_measured(run: Evaluator) -> None:
    result = run(["a", "b", "c"], min_slice_rows=50)
    assert [s.measurement is None for s in result.slices] == [False, True, True, True]
    assert all(s.actual is None for s in result.slices)


def test_each_class_has_its_precision_recall_and_rows(run: Evaluator) -> None:
    test = rows_of(["no", "yes"])
    test.loc[:29, "y"] = "yes"
    no, yes = run(["no", "yes"], test).classes
    assert (no.label, no.rows, no.recall) == ("no", 30, 1.0)
    assert no.precision == pytest.approx(30 / 45)
    assert yes.recall == pytest.approx(45 / 60)


def test_an_unknown_slice_is_refused(run: Evaluator) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.slices: found 'town'"):
        run(["no", "yes"], slices=["town"])


def test_a_row_without_target_is_refused(run: Evaluator) -> None:
    test = rows_of(None)
    test.loc[3, "y"] = np.nan
    with pytest.raises(DataError, match="1 of 90 rows have no target"):
        run(None, test)


def test_numbers_are_cut_into_quarters_named_by_what_they_hold() -> None:
    masks = slice_masks(pd.Series([*range(1, 21), np.nan]), "integer")
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "1 to 5": 5,
        "6 to 10": 5,
        "11 to 15": 5,
        "16 to 20": 5,
        MISSING: 1,
    }


def test_dates_and_booleans_are_named_as_people_write_them() -> None:
    dates = pd.Series(pd.date_range("2024-01-01", periods=20).as_unit("us"))
    assert "2024-01-01 to 2024-01-05" in slice_masks(dates, "date")
    assert list(slice_masks(pd.Series([0.0, 1.0]), "boolean")) == ["false", "true"]


def test_rare_categories_share_a_slice() -> None:
    values = [f"v{i:02}" for i in range(40)] + ["common"] * 5
    masks = slice_masks(pd.Series(values, dtype="str"), "category")
    assert len(masks) == MAX_SLICES
    assert next(iter(masks)) == "common"
    assert masks[OTHERS].sum() == 40 - (MAX_SLICES - 2)
    assert sum(mask.astype(int) for mask in masks.values()).eq(1).all()

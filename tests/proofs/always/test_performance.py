"""Slices and classes in detail; the team's own tests have the rest."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.schema import ColumnType, DataSchema
from src.data.splitting import Keys
from src.evaluation import performance
from src.evaluation.performance import MAX_SLICES, MISSING, OTHERS, Inputs
from src.evaluation.performance import load_inputs, near_training, slice_names
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.unit.test_performance import Evaluator, rows_of, run, trained

__all__ = ["run", "trained"]  # fixtures


def test_each_class_has_its_precision_recall_and_rows(run: Evaluator) -> None:
    test = rows_of(["no", "yes"])
    test.loc[:29, "y"] = "yes"
    no, yes = run(["no", "yes"], test).classes
    assert (no["label"], no["rows"], no["recall"]) == ("no", 30, 1.0)
    assert no["precision"] == pytest.approx(30 / 45)
    assert yes["recall"] == pytest.approx(45 / 60)


def slices_of(column: "pd.Series[Any]", kind: ColumnType) -> list[str]:
    """Return the slices in their order; every row must be in one."""
    names = slice_names(column, kind)
    assert names.notna().all()
    return list(names.cat.categories)


def test_slices_are_values_or_quarters_and_hold_every_row_once() -> None:
    numbers = pd.Series([*range(100), np.nan], dtype=float)
    dates = pd.Series(pd.to_datetime(["2024-01-02 00:00", "2024-01-01 12:00", None]))
    names = pd.Series([f"c{i:02}" for i in range(30)] + ["c29"])
    booleans = pd.Series([1.0, 0.0, 1.0])
    expected = ["25 to 49", "50 to 74", "75 to 99", MISSING]
    assert slices_of(numbers, "number")[1:] == expected
    expected = ["2024-01-01 12:00:00", "2024-01-02", MISSING]
    assert slices_of(dates, "date") == expected
    assert slices_of(booleans, "boolean") == ["false", "true"]
    found = slices_of(names, "category")
    assert (found[0], found[-1], len(found)) == ("c29", OTHERS, MAX_SLICES)


def test_the_baseline_knows_the_training_target_only(run: Evaluator) -> None:
    test = rows_of(None)
    test["y"] += 100
    assert run(None, test).baseline.scores["mae"].value == pytest.approx(100)


def test_rows_of_few_groups_have_no_interval_beside_a_baseline_of_the_same(
    run: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        performance, "row_keys", lambda rows, _: Keys(np.arange(len(rows)) % 9)
    )
    found = run(["no", "yes"])
    assert found.model.scores["roc_auc"].low is None
    assert found.baseline.scores["roc_auc"].low is None
    assert found.verdict == "unclear"


def test_a_changed_model_is_refused(
    trained: tuple[Settings, Path, Path],
) -> None:
    settings, model, test = trained
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(DataError, match="digest"):
        load_inputs(model, test, settings)


def test_the_shares_of_test_rows_that_training_knows_are_told() -> None:
    columns = {"x": {"type": "number"}, "city": {"type": "category"}}
    columns |= {"y": {"type": "category", "role": "target"}}
    columns |= {"owner": {"type": "category", "role": "ignored"}}
    content = {"name": "made", "columns": columns, "group_column": "owner"}
    schema = DataSchema.model_validate(content)
    names = ["x", "city", "y", "owner"]
    train = pd.DataFrame([(1.0, "a", "p", "o"), (np.nan, None, "q", None)])
    rows = [(1.0, "a", "q", "n"), (np.nan, None, "p", None), (1.0, "b", "p", "o")]
    test = pd.DataFrame([*rows, (2.0, "a", "p", "n")])
    parts = (part.set_axis(names, axis=1) for part in (train, test))
    found = near_training(Inputs(None, {}, schema, *parts, Path()))
    assert found == {"equal in all features": 0.5, "same owner": 0.25}

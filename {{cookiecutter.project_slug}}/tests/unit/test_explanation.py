"""Contributions add up to the output, and belong to the columns of the data."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from src.audits import explanation
from src.audits.audit import AuditContext
from src.audits.explanation import audit, column_of_each_number, explain_rows
from src.audits.settings import AuditSettings, load_audit_settings
from src.data.preprocessing import preprocess
from src.data.processed import load_processed
from src.data.schema import load_schema
from src.evaluation.performance import predict
from src.models.base import BaseModel, estimator_of
from src.training.train import train
from src.utils.config import Settings, Task
from tests.fixtures.synthetic import TARGET, bring, make_frame, make_settings

SMALL = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
    "dummy": {},
}


Fitted = Callable[..., tuple[BaseModel, Settings]]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A function that trains a kind of model on made-up rows; once for all tests."""

    @cache
    def fit(task: Task, kind: str, classes: int = 2) -> tuple[BaseModel, Settings]:
        folder = tmp_path_factory.mktemp(kind)
        frame = make_frame(task, 200)
        if classes > 2:
            parts = pd.qcut(frame["age"], classes, labels=False)
            frame[TARGET] = parts.map("class {}".format)
        frame["age"] = frame["age"].where(frame.index % 10 > 0)  # two have gaps
        frame.to_csv(folder / "source.csv", index=False)
        model = {"type": kind, "params": SMALL[kind]}
        settings = make_settings(folder, task, model=model)
        bring(settings)
        preprocess(settings)
        return train(settings), settings

    return fit


def rows_of(settings: Settings) -> tuple[DataFrame, DataFrame]:
    """Return the training and the test rows."""
    return load_processed(settings, "train"), load_processed(settings, "test")


def raw_output(model: BaseModel, rows: DataFrame) -> Any:
    """Return what the estimator says before it is a label."""
    estimator = estimator_of(model.pipeline)
    numbers = model.pipeline[:-1].transform(rows)
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(numbers)
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(numbers)[:, 1]
    return estimator.predict(numbers)


def context_of(model: BaseModel, settings: Settings) -> AuditContext:
    """Return what is audited."""
    schema = load_schema(settings.data.schema_path, settings)
    past, test = rows_of(settings)
    said = predict(model.pipeline, test, schema, settings)
    return AuditContext(model.pipeline, past, test, schema, said)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", ["linear", "random_forest", "hist_gradient_boosting"])
def test_contributions_and_base_add_up_to_the_output(
    fitted: Fitted, task: Task, kind: str
) -> None:
    model, settings = fitted(task, kind)
    past, test = rows_of(settings)
    found = explain_rows(model.pipeline, past, test)
    assert found is not None
    total = found.base + found.values.sum(axis=1)
    np.testing.assert_allclose(total, raw_output(model, test), rtol=1e-6, atol=1e-6)


def test_of_many_classes_the_predicted_one_is_explained(fitted: Fitted) -> None:
    model, settings = fitted("classification", "random_forest", classes=3)
    past, test = rows_of(settings)
    found = explain_rows(model.pipeline, past, test)
    assert found is not None
    best = model.pipeline.predict_proba(test).max(axis=1)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), best)


def test_contributions_are_of_columns_of_the_data(fitted: Fitted) -> None:
    model, settings = fitted("classification", "linear")
    past, test = rows_of(settings)
    found = explain_rows(model.pipeline, past, test)
    schema = load_schema(settings.data.schema_path, settings)
    assert found is not None
    assert found.values.columns.is_unique
    assert set(found.values) <= set(schema.features)
    assert {"income", "city", "signed up"} <= set(found.values)


def test_a_column_owns_the_numbers_that_change_with_it(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "linear")
    _, test = rows_of(settings)
    before = model.pipeline[:-1]
    owners = np.array(column_of_each_number(model.pipeline))
    plain = before.transform(test)
    for name in set(owners):
        changed = test.assign(**{name: test[name].to_numpy()[::-1]})
        moved = (before.transform(changed) != plain).any(axis=0)
        assert set(owners[moved]) == {name}


def test_a_threshold_does_not_change_the_explanation(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "hist_gradient_boosting")
    past, test = rows_of(settings)
    plain = explain_rows(model.pipeline, past, test)
    behind = explain_rows(model.with_threshold(0.9).pipeline, past, test)
    assert plain is not None and behind is not None
    np.testing.assert_allclose(plain.values, behind.values)


def test_columns_that_decide_come_before_those_that_do_not(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "hist_gradient_boosting")
    found = audit(context_of(model, settings), settings)
    order = list(found.content["importance"])
    assert found.content["method"] == "SHAP"
    assert order.index("income") < order.index("age")
    assert len(found.tables) == 2 and len(found.pictures) == 1


def test_the_shares_of_the_columns_are_of_the_whole_importance(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "hist_gradient_boosting")
    context = context_of(model, settings)
    found = audit(context, settings)
    importance, shares = found.content["importance"], found.content["shares"]
    rows = explain_rows(model.pipeline, context.train, context.test)
    assert rows is not None
    assert importance == pytest.approx(rows.values.abs().mean().to_dict())
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["income"] == pytest.approx(
        importance["income"] / sum(importance.values())
    )
    assert found.tables[0].rows[0][2] == f"{max(shares.values()):.1%}"


def test_the_rows_that_are_told_are_told_by_what_moved_them_most(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "linear")
    context = context_of(model, settings)
    found = explain_rows(model.pipeline, context.train, context.test)
    assert found is not None
    output = found.base + found.values.sum(axis=1)
    top = found.values.loc[output.idxmax()].abs().idxmax()
    told = audit(context, settings).tables[1].rows
    assert [row[0] for row in told] == [
        "largest output",
        "middle output",
        "least output",
    ]
    assert [told[0][1], told[-1][1]] == ["yes", "no"]
    assert told[0][2].startswith(f"{top} = {context.test.loc[output.idxmax(), top]} (+")


def test_permutation_finds_what_the_model_goes_by(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, settings = fitted("classification", "linear")
    monkeypatch.setattr(explanation, "_shap", lambda *_: None)
    found = audit(context_of(model, settings), settings)
    importance, shares = found.content["importance"], found.content["shares"]
    assert found.content["method"] == "permutation"
    assert next(iter(importance)) == "income" and importance["income"] > 0.05
    assert min(shares.values()) == 0 and sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("past", [-0.01, 0.01])
def test_a_limit_is_held_by_the_largest_share(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch, past: float
) -> None:
    model, settings = fitted("classification", "hist_gradient_boosting")
    context = context_of(model, settings)
    plain = audit(context, settings)
    assert plain.checks == []
    largest = max(plain.content["shares"].values())
    chosen = {"explanation": {"max_share": largest + past}}
    limited = AuditSettings.model_validate(chosen)
    monkeypatch.setattr(explanation, "load_audit_settings", lambda: limited)
    (check,) = audit(context, settings).checks
    assert check.passed is (past > 0)
    assert (check.value, check.limit) == (largest, largest + past)
    assert "share of income" in check.name


def test_a_model_without_an_exact_way_is_explained_on_the_whole(
    fitted: Fitted,
) -> None:
    model, settings = fitted("classification", "dummy")
    found = audit(context_of(model, settings), settings)
    assert found.content["method"] == "permutation"
    assert set(found.content["importance"].values()) == {0.0}
    assert set(found.content["shares"].values()) == {0.0}
    assert len(found.tables) == 1


def test_the_shipped_settings_are_valid() -> None:
    assert load_audit_settings().explanation.rows > 0

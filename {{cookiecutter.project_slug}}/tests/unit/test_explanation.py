"""Contributions add up to the output, and belong to the columns of the data."""

from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from src.audits.audit import AuditContext
from src.audits.explanation import audit, column_of_each_number, explain_rows
from src.audits.settings import load_audit_settings
from src.data.processed import load_processed
from src.data.schema import load_schema
from src.evaluation.performance import predict
from src.models.base import BaseModel, estimator_of
from src.training.train import train
from src.utils.config import Settings, Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

SMALL = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
    "dummy": {},
}


def fitted(make_project: ProjectMaker, task: Task, kind: str) -> tuple[Any, Settings]:
    """Return a model of a type, trained on a made-up project, and its settings."""
    from src.data.preprocessing import preprocess

    model = {"type": kind, "params": SMALL[kind]}
    settings = make_project(task, rows=200, model=model)
    bring(settings)
    preprocess(settings)
    return train(settings), settings


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
    make_project: ProjectMaker, task: Task, kind: str
) -> None:
    model, settings = fitted(make_project, task, kind)
    past, test = rows_of(settings)
    found = explain_rows(model.pipeline, past, test)
    assert found is not None
    total = found.base + found.values.sum(axis=1)
    np.testing.assert_allclose(total, raw_output(model, test), rtol=1e-6, atol=1e-6)


def test_contributions_are_of_columns_of_the_data(make_project: ProjectMaker) -> None:
    model, settings = fitted(make_project, "classification", "linear")
    past, test = rows_of(settings)
    found = explain_rows(model.pipeline, past, test)
    schema = load_schema(settings.data.schema_path, settings)
    assert found is not None
    assert found.values.columns.is_unique
    assert set(found.values) <= set(schema.features)
    assert {"income", "city", "signed up"} <= set(found.values)


def test_a_column_owns_the_numbers_that_change_with_it(
    make_project: ProjectMaker,
) -> None:
    model, settings = fitted(make_project, "classification", "linear")
    _, test = rows_of(settings)
    before = model.pipeline[:-1]
    owners = np.array(column_of_each_number(model.pipeline))
    plain = before.transform(test)
    for name in set(owners):
        changed = test.assign(**{name: test[name].to_numpy()[::-1]})
        moved = (before.transform(changed) != plain).any(axis=0)
        assert set(owners[moved]) == {name}


def test_a_threshold_does_not_change_the_explanation(
    make_project: ProjectMaker,
) -> None:
    model, settings = fitted(make_project, "classification", "hist_gradient_boosting")
    past, test = rows_of(settings)
    plain = explain_rows(model.pipeline, past, test)
    behind = explain_rows(model.with_threshold(0.9).pipeline, past, test)
    assert plain is not None and behind is not None
    np.testing.assert_allclose(plain.values, behind.values)


def test_columns_that_decide_come_before_those_that_do_not(
    make_project: ProjectMaker,
) -> None:
    model, settings = fitted(make_project, "classification", "hist_gradient_boosting")
    found = audit(context_of(model, settings), settings)
    order = list(found.content["importance"])
    assert order.index("income") < order.index("age")
    assert len(found.tables) == 2 and len(found.pictures) == 1


def test_a_model_without_an_exact_way_is_explained_on_the_whole(
    make_project: ProjectMaker,
) -> None:
    model, settings = fitted(make_project, "classification", "dummy")
    found = audit(context_of(model, settings), settings)
    assert found.content["method"] == "permutation"
    assert set(found.content["importance"].values()) == {0.0}
    assert len(found.tables) == 1


def test_the_shipped_settings_are_valid() -> None:
    assert load_audit_settings().explanation.rows > 0

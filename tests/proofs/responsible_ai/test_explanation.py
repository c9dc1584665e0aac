"""Contributions are SHAP's, of the columns of the data, and add up to the output."""

import numpy as np
import pandas as pd
import pytest

from src.evaluation.explanation import column_of_each_number, explain_rows
from src.models.base import estimator_of
from src.utils.config import Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, make_frame
from tests.unit.test_responsible_ai import audited, inputs_of

KINDS = ["linear", "random_forest", "hist_gradient_boosting"]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", KINDS)
def test_contributions_and_base_add_up_to_the_output(
    make_project: ProjectMaker, kind: str, task: Task
) -> None:
    pipeline, _, schema, train, test, _ = inputs_of(
        make_project(task, model={"type": kind})
    )
    found = explain_rows(pipeline, train, test)
    assert found is not None
    values, base = found
    assert values.columns.is_unique
    assert {"income", "city", "signed up"} <= set(values) <= {*schema.features}
    estimator, numbers = estimator_of(pipeline), pipeline[:-1].transform(test)
    if task == "regression":
        output = estimator.predict(numbers)
    elif kind == "random_forest":
        output = estimator.predict_proba(numbers)[:, 1]
    else:
        output = estimator.decision_function(numbers)
    total = base + values.sum(axis=1).to_numpy()
    np.testing.assert_allclose(total, output, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_classes_the_predicted_one_is_explained(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    frame = make_frame("classification", 400)
    frame[TARGET] = pd.qcut(frame["age"], 3, labels=False).map("class {}".format)
    monkeypatch.setattr("tests.unit.test_responsible_ai.make_frame", lambda *_: frame)
    pipeline, _, _, train, test, _ = inputs_of(make_project(model={"type": kind}))
    found = explain_rows(pipeline, train, test)
    assert found is not None
    values, base = found
    estimator, numbers = estimator_of(pipeline), pipeline[:-1].transform(test)
    chosen = estimator.predict_proba(numbers).argmax(axis=1)
    outputs = (
        estimator.predict_proba(numbers)
        if kind == "random_forest"
        else estimator.decision_function(numbers)
    )
    total = base + values.sum(axis=1).to_numpy()
    expected = outputs[np.arange(len(test)), chosen]
    np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_owns_the_numbers_that_change_with_it(
    make_project: ProjectMaker, kind: str
) -> None:
    pipeline, _, _, _, test, _ = inputs_of(make_project(model={"type": kind}))
    before, owners = pipeline[:-1], np.array(column_of_each_number(pipeline))
    plain = before.transform(test)
    assert plain.shape[1] == len(owners)
    for name in set(owners):
        changed = test.assign(**{name: test[name].to_numpy()[::-1]})
        same = np.isclose(before.transform(changed), plain, equal_nan=True)
        assert set(owners[~same.all(axis=0)]) == {name}


def test_a_threshold_does_not_change_the_explanation(
    make_project: ProjectMaker,
) -> None:
    chosen = {"decision_threshold": "tuned"}
    plain, tuned = (
        inputs_of(make_project(training=training)) for training in ({}, chosen)
    )
    found = [explain_rows(i.pipeline, i.train, i.test) for i in (plain, tuned)]
    assert found[0] is not None and found[1] is not None
    np.testing.assert_allclose(found[0][0], found[1][0])


def test_a_model_that_shap_has_no_way_for_is_said_not_to_be_explained(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project(model={"type": "dummy"})
    found, _ = audited(inputs_of(settings), settings, monkeypatch)
    assert found.content == {} and found.tables == []

"""The models, and the factory that makes them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from src.models.base import BaseModel
from src.models.factory import MODEL_TYPES, ModelFactory
from src.utils.config import Task
from src.utils.errors import ModelError

ROWS = 120
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 3)), columns=list("abc"))
LABELS = pd.Series(np.where(X["a"] + X["b"] > 0, "yes", "no"))
NUMBERS = X["a"] * 2 + X["b"]


def target(task: Task) -> pd.Series:
    return LABELS if task == "classification" else NUMBERS


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_learns_both_tasks(model_type: str, task: Task) -> None:
    model = ModelFactory.get_model(model_type, task=task, seed=1)

    predicted = model.fit(X, target(task)).predict(X)

    assert isinstance(model, BaseModel)
    assert predicted.shape == (ROWS,)
    if model_type != "dummy" and task == "classification":
        assert (predicted == LABELS).mean() > 0.9
    if model_type != "dummy" and task == "regression":
        assert np.corrcoef(predicted, NUMBERS)[0, 1] > 0.9


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_classifier_gives_probabilities_in_the_order_of_its_classes(
    model_type: str,
) -> None:
    labels = LABELS.where(X["c"] < 0.5, "perhaps")
    model = ModelFactory.get_model(model_type, task="classification").fit(X, labels)

    probabilities = model.predict_proba(X)

    assert model.classes == ("no", "perhaps", "yes")
    assert probabilities is not None
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(ROWS))
    most_likely = np.array(model.classes)[probabilities.argmax(axis=1)]
    assert (most_likely == model.predict(X)).all()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_regression_has_neither_probabilities_nor_classes(model_type: str) -> None:
    model = ModelFactory.get_model(model_type, task="regression").fit(X, NUMBERS)

    assert model.predict_proba(X) is None
    assert model.classes == ()


def test_predicted_labels_are_plain_text() -> None:
    model = ModelFactory.get_model("linear", task="classification").fit(X, LABELS)

    assert type(model.predict(X)[0]) is str


@pytest.mark.parametrize(
    ("model_type", "task", "params"),
    [
        ("dummy", "classification", {"strategy": "stratified"}),
        ("linear", "classification", {"C": 0.5, "max_iter": 50}),
        ("linear", "regression", {"alpha": 3.0}),
        ("random_forest", "regression", {"n_estimators": 7, "min_samples_leaf": 2}),
        ("hist_gradient_boosting", "classification", {"max_iter": 3}),
    ],
)
def test_hyperparameters_and_seed_reach_the_estimator(
    model_type: str, task: Task, params: dict[str, object]
) -> None:
    model = ModelFactory.get_model(model_type, task=task, seed=11, **params)

    assert model.estimator.get_params().items() >= params.items()
    assert model.estimator.random_state == 11


@pytest.mark.parametrize(
    ("model_type", "size"),
    [("random_forest", "n_estimators"), ("hist_gradient_boosting", "max_iter")],
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_same_seed_gives_the_same_predictions(
    model_type: str, size: str, task: Task
) -> None:
    def predictions(seed: int) -> list[object]:
        params = {"max_features": 0.4, size: 10}
        model = ModelFactory.get_model(model_type, task=task, seed=seed, **params)
        model.fit(X, target(task))
        scores = model.predict_proba(X)
        return (model.predict(X) if scores is None else scores[:, 1]).tolist()

    assert predictions(seed=5) == predictions(seed=5)
    assert predictions(seed=5) != predictions(seed=6)


def test_only_linear_models_ask_for_scaled_numbers() -> None:
    scaled = [
        name
        for name in MODEL_TYPES
        if ModelFactory.get_model(name, task="regression").scaled
    ]

    assert scaled == ["linear"]


def test_a_forest_predicts_in_one_thread_so_that_sums_do_not_depend_on_timing() -> None:
    model = ModelFactory.get_model("random_forest", task="regression", n_jobs=2)

    assert model.estimator.n_jobs == 2
    assert model.fit(X, NUMBERS).estimator.n_jobs is None


def test_an_unknown_type_names_the_known_ones_and_is_a_value_error() -> None:
    with pytest.raises(ModelError, match="'xgb', expected one of: dummy, linear") as e:
        ModelFactory.get_model("xgb", task="regression")

    assert isinstance(e.value, ValueError)


def test_an_unknown_hyperparameter_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="model.params.depth: .* one of: alpha, copy"):
        ModelFactory.get_model("linear", task="regression", depth=3)


def test_the_seed_is_no_hyperparameter() -> None:
    with pytest.raises(ModelError, match="model.params.random_state: unknown"):
        ModelFactory.get_model("linear", task="regression", random_state=3)


def test_an_impossible_value_is_found_before_fitting_and_told_in_one_line() -> None:
    with pytest.raises(ModelError, match="'alpha' .* Got 'much' instead") as error:
        ModelFactory.get_model("linear", task="regression", alpha="much")

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("task", "params", "said"),
    [
        ("regression", {"solver": "lbfgs"}, "can be used only when positive=True"),
        ("classification", {"class_weight": {"x": 2}}, "are not in class_weight"),
    ],
)
def test_a_value_that_only_the_fit_refuses_is_told_in_one_line(
    task: Task, params: dict[str, Any], said: str
) -> None:
    model = ModelFactory.get_model("linear", task=task, **params)

    with pytest.raises(
        ModelError, match=f"^config/model_config.yaml: model.params: .*{said}"
    ) as error:
        model.fit(X, target(task))

    assert "\n" not in str(error.value)


def test_a_defect_in_a_step_before_the_model_is_no_mistake_in_its_parameters() -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    model.after([("scaling", StandardScaler())])

    with pytest.raises(ValueError, match="could not convert string"):
        model.fit(X.astype(str) + "?", NUMBERS)


def test_row_weights_reach_the_estimator() -> None:
    model = ModelFactory.get_model("dummy", task="regression")

    model.fit(X, NUMBERS, sample_weight=np.arange(ROWS) == 4)

    assert model.predict(X.head(1))[0] == NUMBERS[4]


def test_a_clone_is_unfitted_and_independent() -> None:
    model = ModelFactory.get_model("linear", task="regression", alpha=2.0)
    other = model.fit(X, NUMBERS).clone()

    assert other.estimator is not model.estimator
    assert other.estimator.alpha == 2.0
    assert not hasattr(other.estimator, "coef_")


def test_steps_are_put_before_what_is_there() -> None:
    model = ModelFactory.get_model("linear", task="regression")

    model.after([("second", "passthrough")]).after([("first", "passthrough")])

    assert list(model.pipeline.named_steps) == ["first", "second", "model"]
    assert model.fit(X, NUMBERS).predict(X).shape == (ROWS,)

"""Kinds of models: seeds, weights, copies, and parameters that are refused."""

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from src.data.columns import to_schema_types
from src.features.transformation import fitted_steps
from src.models.factory import MODEL_TYPES, ModelFactory
from src.training.train import ModelTrainer
from src.utils.config import FeatureSettings, Task, load_settings
from src.utils.errors import ConfigError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import make_frame, make_schema

ROWS = 120
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("abc"))
LABELS = pd.Series(np.where(X["a"] + X["b"] > 0, "yes", "no"))
NUMBERS = X["a"] * 2 + X["b"]


@pytest.mark.parametrize(
    ("model_type", "size"),
    [("random_forest", "n_estimators"), ("hist_gradient_boosting", "max_iter")],
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_seed_and_nothing_else_decides_the_predictions(
    model_type: str, size: str, task: Task
) -> None:
    def predictions(seed: int) -> list[object]:
        params = {"max_features": 0.4, size: 10}
        model = ModelFactory.get_model(model_type, task=task, seed=seed, **params)
        model.fit(X, LABELS if task == "classification" else NUMBERS)
        said = model.predictions(X, LABELS if task == "classification" else NUMBERS)
        scores = said.probabilities
        return (said.y_pred if scores is None else scores[:, 1]).tolist()

    assert predictions(seed=5) == predictions(seed=5)
    assert predictions(seed=5) != predictions(seed=6)


def test_what_the_models_want_of_the_features() -> None:
    models = {
        name: ModelFactory.get_model(name, task="regression") for name in MODEL_TYPES
    }

    assert [name for name, model in models.items() if model.scaled] == ["linear"]
    wants_gaps = [name for name, model in models.items() if not model.imputed]
    assert wants_gaps == ["hist_gradient_boosting"]


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
        ConfigError, match=f"^config/model_config.yaml: model.params: .*{said}"
    ) as error:
        model.fit(X, LABELS if task == "classification" else NUMBERS)

    assert "\n" not in str(error.value)


def test_a_defect_in_a_step_before_the_model_is_no_mistake_in_its_parameters() -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    model.after([("scaling", StandardScaler())])

    with pytest.raises(ValueError, match="could not convert string"):
        model.fit(X.astype(str) + "?", NUMBERS)


@pytest.mark.parametrize("size", [1, 7])
def test_a_prediction_depends_on_no_other_row_of_the_request(size: int) -> None:
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.normal(size=90), "c": rng.choice(["x", "y"], 90)})
    X.loc[::9, "a"] = np.nan
    model = ModelFactory.get_model("linear", task="regression")
    model.after(fitted_steps(FeatureSettings(), True, True)).fit(X, X["a"].fillna(3))

    parts = [model.predict(X.iloc[k : k + size]) for k in range(0, 90, size)]

    np.testing.assert_allclose(np.concatenate(parts), model.predict(X), rtol=1e-12)


def test_a_forest_predicts_in_one_thread_so_that_sums_do_not_depend_on_timing() -> None:
    model = ModelFactory.get_model("random_forest", task="regression", n_jobs=2)

    assert model.estimator.n_jobs == 2
    assert model.fit(X, NUMBERS).estimator.n_jobs is None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_boosted_trees_are_the_same_file_on_any_number_of_threads(task: Task) -> None:
    y = LABELS if task == "classification" else NUMBERS
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            model = ModelFactory.get_model("hist_gradient_boosting", task=task)
            made.append(joblib.hash(model.fit(X, y).pipeline))
    assert made[0] == made[1]


def test_row_weights_reach_the_estimator() -> None:
    model = ModelFactory.get_model("dummy", task="regression")

    model.fit(X, NUMBERS, sample_weight=np.arange(ROWS) == 4)

    assert model.predict(X.head(1))[0] == NUMBERS[4]


def test_a_copy_with_other_parameters_is_unfitted_and_independent() -> None:
    model = ModelFactory.get_model("linear", task="regression", alpha=2.0)
    other = model.after([("first", "passthrough")]).fit(X, NUMBERS).clone(alpha=3)

    assert (model.estimator.alpha, other.estimator.alpha) == (2.0, 3)
    assert list(other.pipeline.named_steps) == ["first", "model"]
    assert not hasattr(other.estimator, "coef_")


def test_a_seed_among_the_hyperparameters_is_taken() -> None:
    model = ModelFactory.get_model("linear", task="regression", random_state=3)
    assert model.estimator.random_state == 3


@pytest.mark.parametrize(
    ("model_type", "task", "params"),
    [
        ("dummy", "classification", {"strategy": "stratified"}),
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


SMALL = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


STRANGE = {
    "income": ["not a number", None, 1e9],
    "age": [None, "33", -5],
    "city": ["Atlantis", None, 7],
    "member": ["perhaps", None, True],
    "signed up": ["soon", None, "2031-05-06"],
}


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_predicts_strange_rows(
    make_project: ProjectMaker, model_type: str
) -> None:
    task = load_settings().task
    model = {"type": model_type, "params": SMALL.get(model_type, {})}
    schema = make_schema(task)
    trainer = ModelTrainer(make_project(task, model=model), schema)
    data = trainer.preprocess(to_schema_types(make_frame(task), schema))
    trained = trainer.train(trainer.build_model(), data)

    rows = pd.DataFrame(STRANGE, dtype="object")
    predicted = pd.Series(trained.pipeline.predict(rows))
    assert predicted.isin(["yes", "no"]).all() or predicted.astype(float).notna().all()

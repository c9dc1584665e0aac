"""Details of the models."""

import numpy as np
import pandas as pd

from src.models.factory import ModelFactory

ROWS = 120
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 3)), columns=list("abc"))
NUMBERS = X["a"] * 2 + X["b"]


def test_a_forest_predicts_in_one_thread_so_that_sums_do_not_depend_on_timing() -> None:
    model = ModelFactory.get_model("random_forest", task="regression", n_jobs=2)

    assert model.estimator.n_jobs == 2
    assert model.fit(X, NUMBERS).estimator.n_jobs is None


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

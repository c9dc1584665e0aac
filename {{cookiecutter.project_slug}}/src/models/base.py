"""What every model is: an estimator of scikit-learn behind the feature steps."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from src.evaluation.metrics import Predictions, predict
from src.utils.config import Task
from src.utils.errors import ConfigError, reported


class BaseModel:
    """A learning algorithm, for labels and for numbers under one name. Hyperparameters,
    named as in scikit-learn, are checked when it is made: one that is not possible is a
    ConfigError. Its ``pipeline`` has the feature steps, and last the step ``model``."""

    estimators: ClassVar[Mapping[Task, Any]]  # the classes of scikit-learn
    imputed: ClassVar[bool] = True  # it needs missing numbers to be filled in
    scaled: ClassVar[bool] = False  # it wants numbers of similar size
    defaults: ClassVar[Mapping[str, Any]] = {}  # that differ from scikit-learn's

    def __init__(self, task: Task, seed: int = 42, **params: Any) -> None:
        self.task, self.seed = task, seed
        estimator = self.estimators[task]()
        _set_params(estimator, {**self.defaults, **params}, seed)
        self.pipeline = Pipeline([("model", estimator)])
        self.positive: str | None = None  # of two classes, if not the second

    @property
    def estimator(self) -> Any:
        """The estimator of scikit-learn, without the steps before it."""
        return estimator_of(self.pipeline)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels the fitted model knows, in order; none for a regression."""
        return tuple(getattr(self.estimator, "classes_", ()))

    def after(self, steps: Sequence[tuple[str, Any]]) -> Self:
        """Put transformers, each with its name, before what the pipeline has."""
        self.pipeline = Pipeline([*steps, *self.pipeline.steps])
        return self

    def clone(self, **params: Any) -> Self:
        """Return an unfitted model of the same steps, with other hyperparameters."""
        other = copy(self)
        other.pipeline = clone(self.pipeline)
        _set_params(other.estimator, params, other.seed)
        return other

    def with_threshold(self, threshold: float) -> Self:
        """Let this fitted model predict the positive class from a probability on."""
        frozen = FrozenEstimator(self.estimator)
        label = self.positive or self.classes[1]
        fixed = FixedThresholdClassifier(frozen, threshold=threshold, pos_label=label)
        # It learns the labels alone: what it holds is frozen.
        fixed.fit(np.zeros((len(self.classes), 1)), np.array(self.classes, object))
        self.pipeline.steps[-1] = ("model", fixed)
        return self

    def fit(self, X: DataFrame, y: Series, **kwargs: ArrayLike) -> Self:
        """Fit all steps; ``kwargs`` has a value per row, such as ``sample_weight``."""
        # The string type of pandas would end up in the fitted classes otherwise.
        labels = y.to_numpy(dtype=object if self.task == "classification" else float)
        steps, estimator = self.pipeline[:-1], self.pipeline[-1]
        numbers = steps.fit_transform(X, labels) if len(steps) else X
        where = f"config/model_config.yaml: model.params: {type(estimator).__name__}"
        what, advice = f"{where} cannot be fitted with these", "see which go together"
        with reported((TypeError, ValueError), what, advice, ConfigError):
            estimator.fit(numbers, labels, **kwargs)
        if hasattr(estimator, "_bin_mapper"):  # the file would tell machines apart
            estimator._bin_mapper.n_threads = 1
        if isinstance(getattr(estimator, "n_jobs", None), int):
            # Threads that predict add up the trees of a forest in the order in which
            # they finish: the last digits would differ from call to call.
            estimator.set_params(n_jobs=None)
        return self

    def predict(self, X: DataFrame) -> NDArray[Any]:
        """Return the predicted label or number of each row of ``X``."""
        return np.asarray(self.pipeline.predict(X))

    def predictions(self, X: DataFrame, y: Series) -> Predictions:
        """Return what it says about the rows ``X`` with the target ``y``."""
        return predict(self.pipeline, X, y, self.task, self.positive)


def estimator_of(pipeline: Pipeline) -> Any:
    """Return the estimator of a pipeline, also behind a threshold of its own."""
    step = pipeline.named_steps["model"]
    is_fixed = isinstance(step, FixedThresholdClassifier)
    return step.estimator.estimator if is_fixed else step


def _set_params(estimator: Any, params: Mapping[str, Any], seed: int) -> None:
    if "random_state" in estimator.get_params():
        params = {"random_state": seed, **params}
    try:
        estimator.set_params(**params)
        # What fit() does first; here, before minutes are spent on the data.
        estimator._validate_params()
    except ValueError as error:
        raise ConfigError(f"model.params: {' '.join(str(error).split())}") from None

"""What every model is: an estimator of scikit-learn behind the feature steps.

A model of ours adds three things to the estimator: it does both tasks under one
name, its hyperparameters are checked before any data are read, and it carries the
feature steps with it, so that a raw row goes in and a prediction comes out.
"""

from abc import ABC, abstractmethod
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

from src.utils.config import Task
from src.utils.errors import ModelError


class BaseModel(ABC):
    """A learning algorithm for one task.

    Attributes:
        scaled: Whether the algorithm wants numbers of similar size.
        defaults: Hyperparameters that differ from the defaults of scikit-learn.
        task: What the target is.
        seed: Fixes everything in the algorithm that is random.
        pipeline: The feature steps, if any, and last the estimator (step ``model``).
    """

    scaled: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, task: Task, seed: int = 42, **params: Any) -> None:
        """Build the estimator, unfitted.

        Args:
            task: What the target is: a label or a number.
            seed: Fixes everything in the algorithm that is random.
            **params: Hyperparameters, by their name in scikit-learn.

        Raises:
            ModelError: If a hyperparameter is unknown or its value is not possible.
        """
        self.task = task
        self.seed = seed
        estimator = self._estimator_class(task)()
        _set_params(estimator, {**self.defaults, **params}, seed)
        self.pipeline = Pipeline([("model", estimator)])

    @abstractmethod
    def _estimator_class(self, task: Task) -> Any:
        """Return the class of scikit-learn that does the work for ``task``."""

    @property
    def estimator(self) -> Any:
        """The estimator of scikit-learn, without the steps before it."""
        return estimator_of(self.pipeline)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels the fitted model knows, in order; none for a regression."""
        return tuple(getattr(self.estimator, "classes_", ()))

    def after(self, steps: Sequence[tuple[str, Any]]) -> Self:
        """Put transformers, each with its name, before what the pipeline has.

        Returns:
            This model.
        """
        self.pipeline = Pipeline([*steps, *self.pipeline.steps])
        return self

    def clone(self) -> Self:
        """Return an unfitted model of the same steps and hyperparameters."""
        other = copy(self)
        other.pipeline = clone(self.pipeline)
        return other

    def with_params(self, **params: Any) -> Self:
        """Return an unfitted model of the same steps with other hyperparameters.

        Raises:
            ModelError: If a hyperparameter is unknown or its value is not possible.
        """
        other = self.clone()
        _set_params(other.estimator, params, other.seed)
        return other

    def with_threshold(self, threshold: float) -> Self:
        """Let this fitted model predict the second class from a probability on.

        Returns:
            This model.
        """
        name, estimator = self.pipeline.steps[-1]
        fixed = FixedThresholdClassifier(
            FrozenEstimator(estimator),
            threshold=threshold,
            pos_label=self.classes[1],
            response_method="predict_proba",
        )
        # It learns the labels alone: what it holds is frozen.
        fixed.fit(np.zeros((len(self.classes), 1)), np.array(self.classes, object))
        self.pipeline.steps[-1] = (name, fixed)
        return self

    def fit(self, X: DataFrame, y: Series, **kwargs: ArrayLike) -> Self:
        """Fit all steps.

        Args:
            X: The features, one row per example.
            y: The target, one value per row of ``X``.
            **kwargs: What else the estimator's ``fit`` takes, one value per row, such
                as ``sample_weight``.

        Returns:
            This model.

        Raises:
            ModelError: If the estimator refuses a hyperparameter only here, because it
                does not go with another one or with the data.
        """
        # The string type of pandas would end up in the fitted classes otherwise.
        labels = y.to_numpy(dtype=object if self.task == "classification" else float)
        steps, estimator = self.pipeline[:-1], self.pipeline[-1]
        numbers = steps.fit_transform(X, labels) if len(steps) else X
        try:
            estimator.fit(numbers, labels, **kwargs)
        except (TypeError, ValueError) as error:
            raise ModelError(
                "config/model_config.yaml: model.params: "
                f"{type(estimator).__name__} cannot be fitted with these values: "
                f"{' '.join(str(error).split())}"
            ) from error
        return self

    def predict(self, X: DataFrame) -> NDArray[Any]:
        """Return the predicted label or number of each row of ``X``."""
        return np.asarray(self.pipeline.predict(X))

    def predict_proba(self, X: DataFrame) -> NDArray[np.float64] | None:
        """Return the probabilities, shape (rows, classes); None for a regression."""
        if not hasattr(self.pipeline, "predict_proba"):
            return None
        return np.asarray(self.pipeline.predict_proba(X), dtype=np.float64)


def estimator_of(pipeline: Pipeline) -> Any:
    """Return the estimator of a pipeline, also behind a threshold of its own."""
    step = pipeline.named_steps["model"]
    if isinstance(step, FixedThresholdClassifier):
        return step.estimator.estimator
    return step


def _set_params(estimator: Any, params: Mapping[str, Any], seed: int) -> None:
    """Give ``estimator`` its hyperparameters and, where it has one, its seed.

    Raises:
        ModelError: If a hyperparameter is unknown or its value is not possible.
    """
    name = type(estimator).__name__
    known = {k for k, v in estimator.get_params().items() if v != "deprecated"}
    allowed = sorted(known - {"random_state"})
    for key in params:
        if key not in allowed:
            expected = ", ".join(allowed)
            message = f"unknown hyperparameter of {name}; expected one of: {expected}"
            raise ModelError(f"model.params.{key}: {message}")
    estimator.set_params(**params)
    if "random_state" in known:
        estimator.set_params(random_state=seed)
    try:
        # What fit() does first; here, before minutes are spent on the data.
        estimator._validate_params()
    except ValueError as error:
        raise ModelError(f"model.params: {' '.join(str(error).split())}") from None

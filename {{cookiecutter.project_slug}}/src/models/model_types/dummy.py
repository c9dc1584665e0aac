"""The baseline: a model that does not look at the features."""

from typing import Any

from sklearn.dummy import DummyClassifier, DummyRegressor

from src.models.base import BaseModel
from src.utils.config import Task


class DummyModel(BaseModel):
    """Predicts the most frequent label, with the shares as probabilities, or the mean.

    A model that is not better than this one has learned nothing.
    """

    def _estimator_class(self, task: Task) -> Any:
        return DummyClassifier if task == "classification" else DummyRegressor

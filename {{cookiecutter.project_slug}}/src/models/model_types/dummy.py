"""The baseline: a model that does not look at the features."""

from sklearn.dummy import DummyClassifier, DummyRegressor

from src.models.base import BaseModel


class DummyModel(BaseModel):
    """Predicts the most frequent label, with the shares as probabilities, or the mean.

    A model that is not better than this one has learned nothing.
    """

    estimators = {"classification": DummyClassifier, "regression": DummyRegressor}

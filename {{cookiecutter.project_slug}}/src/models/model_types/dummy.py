"""The baseline: a model that is not better than this one has learned nothing."""

from sklearn.dummy import DummyClassifier, DummyRegressor

from src.models.base import BaseModel


class DummyModel(BaseModel):
    """Predicts the most frequent label, its probabilities the shares, or the mean."""

    estimators = {"classification": DummyClassifier, "regression": DummyRegressor}

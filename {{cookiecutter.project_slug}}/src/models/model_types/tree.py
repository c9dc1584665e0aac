"""Ensembles of decision trees: they find thresholds and interactions by themselves."""

from typing import Self

from numpy.typing import ArrayLike
from pandas import DataFrame, Series
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from src.models.base import BaseModel


class RandomForestModel(BaseModel):
    """Many deep trees, each grown on a sample of the rows, averaged."""

    estimators = {
        "classification": RandomForestClassifier,
        "regression": RandomForestRegressor,
    }
    # Leaves of single rows make the file ten times larger, and rarely help.
    defaults = {"min_samples_leaf": 5, "n_jobs": -1}

    def fit(self, X: DataFrame, y: Series, **kwargs: ArrayLike) -> Self:
        """Fit as ``BaseModel`` does; ``n_jobs`` is for the fitting only.

        Threads that predict add up the trees in the order in which they finish, so
        the last digits of a prediction would differ from call to call.
        """
        super().fit(X, y, **kwargs)
        self.estimator.set_params(n_jobs=None)
        return self


class HistGradientBoostingModel(BaseModel):
    """Trees that each correct the ones before, on features sorted into bins."""

    estimators = {
        "classification": HistGradientBoostingClassifier,
        "regression": HistGradientBoostingRegressor,
    }
    imputed = False  # it has a branch for what is missing
    # Stopping early needs rows set aside, of every label; by default it would turn
    # itself on at 10,000 rows, and so change its meaning with the size of the data.
    defaults = {"early_stopping": False}

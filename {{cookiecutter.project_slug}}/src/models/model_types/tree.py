"""Ensembles of decision trees: they find thresholds and interactions by themselves."""

from sklearn import ensemble

from src.models.base import BaseModel


class RandomForestModel(BaseModel):
    """Many deep trees, each grown on a sample of the rows, averaged."""

    estimators = {
        "classification": ensemble.RandomForestClassifier,
        "regression": ensemble.RandomForestRegressor,
    }
    # Leaves of single rows make the file ten times larger, and rarely help.
    defaults = {"min_samples_leaf": 5, "n_jobs": -1}


class HistGradientBoostingModel(BaseModel):
    """Trees that each correct the ones before, on features sorted into bins."""

    estimators = {
        "classification": ensemble.HistGradientBoostingClassifier,
        "regression": ensemble.HistGradientBoostingRegressor,
    }
    imputed = False  # it has a branch for what is missing
    # Stopping early needs rows set aside, of every label; by default it would turn
    # itself on at 10,000 rows, and so change its meaning with the size of the data.
    defaults = {"early_stopping": False}

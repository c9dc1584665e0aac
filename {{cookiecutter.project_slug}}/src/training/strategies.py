"""Strategy pattern: the ways to train a model, interchangeable by configuration."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import ArrayLike
from pandas import DataFrame, Series

from src.evaluation.metrics import Predictions
from src.models.base import BaseModel
from src.training.validation import Scores, cross_predict, make_folds, score
from src.utils.config import Settings


class TrainingStrategy(ABC):
    """A way to train a model.

    Attributes:
        fold_scores: The metrics of each fold, where the strategy measures them.
        fold_predictions: What each fold says of the rows that it was not fitted to,
            where the strategy has fitted the trained model in folds.
        search: The trials of a search, where the strategy makes one.
    """

    def __init__(self) -> None:
        """Start without scores."""
        self.fold_scores: list[Scores] = []
        self.fold_predictions: list[Predictions] = []
        self.search: dict[str, Any] | None = None

    @abstractmethod
    def train(
        self,
        model: BaseModel,
        X_train: DataFrame,
        y_train: Series,
        **kwargs: ArrayLike,
    ) -> BaseModel:
        """Fit ``model``.

        Args:
            model: What to fit.
            X_train: The features, one row per example.
            y_train: The target, one value per row.
            **kwargs: What else ``model.fit`` takes, one value per row.

        Returns:
            The model, fitted to all rows.
        """


class StandardTrainingStrategy(TrainingStrategy):
    """One fit to all rows."""

    def train(
        self,
        model: BaseModel,
        X_train: DataFrame,
        y_train: Series,
        **kwargs: ArrayLike,
    ) -> BaseModel:
        """Fit ``model``; see ``TrainingStrategy``."""
        return model.fit(X_train, y_train, **kwargs)


class CrossValidationStrategy(TrainingStrategy):
    """A fit to all rows, after one for each fold that says how well it will do."""

    def __init__(self, settings: Settings) -> None:
        """Take how the rows are divided; see ``make_folds``."""
        super().__init__()
        self.settings = settings

    def train(
        self,
        model: BaseModel,
        X_train: DataFrame,
        y_train: Series,
        **kwargs: ArrayLike,
    ) -> BaseModel:
        """Measure between the folds, then fit; see ``TrainingStrategy``.

        Raises:
            DataError: If there are fewer rows than folds.
        """
        folds = make_folds(self.settings, y_train)
        self.fold_predictions = cross_predict(model, X_train, y_train, folds, **kwargs)
        self.fold_scores = [score(found) for found in self.fold_predictions]
        return model.fit(X_train, y_train, **kwargs)


def make_strategy(settings: Settings) -> TrainingStrategy:
    """Return the strategy that the configuration names.

    Raises:
        ConfigError: If a search has nothing to search.
    """
    if settings.training.strategy == "standard":
        return StandardTrainingStrategy()
    if settings.training.strategy == "hyperparameter_search":
        # Only who searches pays for the library.
        from src.training.search import HyperparameterSearchStrategy

        return HyperparameterSearchStrategy(settings)
    return CrossValidationStrategy(settings)

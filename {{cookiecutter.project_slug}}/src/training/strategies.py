"""Strategy pattern: the ways to train a model, interchangeable by configuration."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import ArrayLike
from pandas import DataFrame, Series

from src.models.base import BaseModel
from src.training.validation import Scores, cross_validate, make_folds
from src.utils.config import Settings


class TrainingStrategy(ABC):
    """A way to train a model.

    Attributes:
        fold_scores: The metrics of each fold, where the strategy measures them.
        search: The trials of a search, where the strategy makes one.
    """

    def __init__(self) -> None:
        """Start without scores."""
        self.fold_scores: list[Scores] = []
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

    def __init__(self, folds: int, seed: int, in_order: bool = False) -> None:
        """Set how the rows are divided.

        Args:
            folds: How many parts; each is predicted once.
            seed: Fixes which row goes into which part.
            in_order: The rows are in order of time; predict later from earlier ones.
        """
        super().__init__()
        self.folds = folds
        self.seed = seed
        self.in_order = in_order

    def train(
        self,
        model: BaseModel,
        X_train: DataFrame,
        y_train: Series,
        **kwargs: ArrayLike,
    ) -> BaseModel:
        """Fit ``model`` and set ``fold_scores``; see ``TrainingStrategy``.

        Raises:
            DataError: If there are fewer rows than folds.
        """
        folds = make_folds(model.task, y_train, self.folds, self.seed, self.in_order)
        self.fold_scores = cross_validate(model, X_train, y_train, folds, **kwargs)
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
    in_order = settings.preprocessing.split.method == "time"
    return CrossValidationStrategy(settings.training.folds, settings.seed, in_order)

"""Template pattern: the order of the steps of a training, whatever the steps do."""

from abc import ABC, abstractmethod
from typing import Any

from pandas import DataFrame, Series

from src.models.base import BaseModel

Processed = tuple[DataFrame, Series]  # features, target


class ModelTrainingTemplate(ABC):
    """A training: ``run_pipeline`` fixes the order, subclasses fill in the steps."""

    def run_pipeline(self, data: DataFrame) -> BaseModel:
        """Return a model fitted to the rows ``data``, which hold the target."""
        processed_data = self.preprocess(data)
        model = self.build_model()
        trained_model = self.train(model, processed_data)
        metrics = self.evaluate(trained_model, data)
        self.log(trained_model, metrics)
        return trained_model

    @abstractmethod
    def preprocess(self, data: DataFrame) -> Processed:
        """Return the features and the target of the rows ``data``."""

    @abstractmethod
    def build_model(self) -> BaseModel:
        """Return the unfitted model."""

    @abstractmethod
    def train(self, model: BaseModel, processed_data: Processed) -> BaseModel:
        """Fit ``model``; return one that takes rows as they came."""

    @abstractmethod
    def evaluate(self, trained_model: BaseModel, data: DataFrame) -> dict[str, Any]:
        """Return the metrics of the training: all from the training rows ``data``."""

    @abstractmethod
    def log(self, trained_model: BaseModel, metrics: dict[str, Any]) -> None:
        """Keep the model and its metrics."""

"""Factory pattern: the model that the configuration names. A new type is a class in
``src/models/model_types`` and a line here."""

from typing import Any

from src.models.base import BaseModel
from src.models.model_types.dummy import DummyModel
from src.models.model_types.linear import LinearModel
from src.models.model_types.tree import HistGradientBoostingModel, RandomForestModel
from src.utils.errors import ConfigError

MODEL_TYPES: dict[str, type[BaseModel]] = {
    "dummy": DummyModel,
    "linear": LinearModel,
    "random_forest": RandomForestModel,
    "hist_gradient_boosting": HistGradientBoostingModel,
}


class ModelFactory:
    """Makes models by name."""

    @staticmethod
    def get_model(model_type: str, **kwargs: Any) -> BaseModel:
        """Return an unfitted model, ``BaseModel(**kwargs)``; ConfigError if unknown."""
        if model_type not in MODEL_TYPES:
            problem = f"{model_type!r}, expected one of: {', '.join(MODEL_TYPES)}"
            raise ConfigError(f"model.type: {problem}")
        return MODEL_TYPES[model_type](**kwargs)

"""Factory pattern: the model that the configuration names.

A new type is a class in ``src/models/model_types`` and a case here. It is imported
only when it is asked for, so that a command pays for one library at most.
"""

from typing import Any

from src.models.base import BaseModel
from src.utils.errors import ConfigError

MODEL_TYPES = ("dummy", "linear", "random_forest", "hist_gradient_boosting")


class ModelFactory:
    """Makes models by name."""

    @staticmethod
    def get_model(model_type: str, **kwargs: Any) -> BaseModel:
        """Return an unfitted model; ``kwargs`` are those of ``BaseModel``.

        Raises:
            ConfigError: If there is no such type, a hyperparameter is unknown or its
                value is not possible.
        """
        match model_type:
            case "dummy":
                from src.models.model_types.dummy import DummyModel

                return DummyModel(**kwargs)
            case "linear":
                from src.models.model_types.linear import LinearModel

                return LinearModel(**kwargs)
            case "random_forest":
                from src.models.model_types.tree import RandomForestModel

                return RandomForestModel(**kwargs)
            case "hist_gradient_boosting":
                from src.models.model_types.tree import HistGradientBoostingModel

                return HistGradientBoostingModel(**kwargs)
        expected = ", ".join(MODEL_TYPES)
        raise ConfigError(f"model.type: {model_type!r}, expected one of: {expected}")

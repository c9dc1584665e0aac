"""Factory pattern: the model that the configuration names.

A new type is a class in ``src/models/model_types`` and two lines here. Each class is
imported only when it is asked for, so that a command pays for one library at most.
"""

from typing import Any

from src.models.base import BaseModel
from src.utils.errors import ModelError

MODEL_TYPES = ("dummy", "linear", "random_forest", "hist_gradient_boosting")


class UnknownModelError(ModelError, ValueError):
    """No model has the name that was asked for."""


class ModelFactory:
    """Makes models by name."""

    @staticmethod
    def get_model(model_type: str, **kwargs: Any) -> BaseModel:
        """Return an unfitted model.

        Args:
            model_type: One of ``MODEL_TYPES``.
            **kwargs: ``task``, ``seed`` and the hyperparameters; see ``BaseModel``.

        Raises:
            UnknownModelError: If there is no such type; a ``ValueError`` as well.
            ModelError: If a hyperparameter is unknown or its value is not possible.
        """
        if model_type == "dummy":
            from src.models.model_types.dummy import DummyModel

            return DummyModel(**kwargs)
        if model_type == "linear":
            from src.models.model_types.linear import LinearModel

            return LinearModel(**kwargs)
        if model_type == "random_forest":
            from src.models.model_types.tree import RandomForestModel

            return RandomForestModel(**kwargs)
        if model_type == "hist_gradient_boosting":
            from src.models.model_types.tree import HistGradientBoostingModel

            return HistGradientBoostingModel(**kwargs)
        expected = ", ".join(MODEL_TYPES)
        message = f"model.type: found {model_type!r}, expected one of: {expected}"
        raise UnknownModelError(message)

"""Linear models: few parameters, quick to fit, and their weights can be read."""

from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge

from src.models.base import BaseModel
from src.utils.config import Task


class LinearModel(BaseModel):
    """Logistic regression for labels, ridge regression for numbers.

    Both shrink their weights, which only means the same for every feature if the
    features are of similar size; hence ``scaled``.
    """

    scaled = True
    # 100 steps, the default, are too few for features that are nearly collinear.
    defaults = {"max_iter": 1000}

    def _estimator_class(self, task: Task) -> Any:
        return LogisticRegression if task == "classification" else Ridge

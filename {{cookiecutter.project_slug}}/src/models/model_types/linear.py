"""Linear models: few parameters, quick to fit, and their weights can be read."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sklearn.linear_model import LogisticRegression, Ridge

from src.models.base import BaseModel
from src.utils.config import Task


class LinearModel(BaseModel):
    """Logistic regression for labels, ridge regression for numbers.

    Both shrink their weights, which only means the same for every feature if the
    features are of similar size; hence ``scaled``.
    """

    scaled: ClassVar[bool] = True

    # 100 steps, the default, are too few for features that are nearly collinear.
    defaults: ClassVar[Mapping[str, Any]] = {"max_iter": 1000}

    def _estimator_class(self, task: Task) -> Any:
        """Return the class of scikit-learn that does the work for ``task``."""
        return LogisticRegression if task == "classification" else Ridge

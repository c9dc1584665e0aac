"""Linear models: few parameters, quick to fit, and their weights can be read."""

from sklearn.linear_model import LogisticRegression, Ridge

from src.models.base import BaseModel


class LinearModel(BaseModel):
    """Logistic regression for labels, ridge regression for numbers."""

    estimators = {"classification": LogisticRegression, "regression": Ridge}
    scaled = True  # shrinking weights means the same for features of one size only
    # 100 steps, the default, are too few for features that are nearly collinear.
    defaults = {"max_iter": 1000}

"""The probability from which a row counts as positive, chosen on validation rows.

Each row is judged by a model that was not fitted to it: the probabilities come from
folds of the training rows. The test set plays no part in it.
"""

from collections.abc import Sequence

import numpy as np
from pandas import DataFrame, Series
from sklearn.metrics import roc_curve

from src.models.base import BaseModel
from src.training.validation import Rows
from src.utils.errors import ModelError


def choose_threshold(
    model: BaseModel,
    X: DataFrame,
    y: Series,
    folds: Sequence[tuple[Rows, Rows]],
) -> float:
    """Return the threshold with the best balanced accuracy between the folds.

    Args:
        model: What is fitted in each fold; it stays as it is.
        X: The features of the training rows.
        y: Their target.
        folds: What ``make_folds`` returns.

    Raises:
        ModelError: If there are not two classes, or no probabilities.
    """
    labels = sorted(y.unique())
    if model.task != "classification" or len(labels) != 2:
        raise ModelError(
            "training.decision_threshold: found 'tuned', expected default: a threshold "
            f"is for a target of two classes, not of {len(labels)} values"
        )
    truth, scores = [], []
    for fit, predict in folds:
        fold_model = model.clone().fit(X.iloc[fit], y.iloc[fit])
        probabilities = fold_model.predict_proba(X.iloc[predict])
        if probabilities is None or probabilities.shape[1] != 2:
            raise ModelError(
                "training.decision_threshold: found 'tuned', expected default: a fold "
                "has rows of one class only, or the model gives no probabilities"
            )
        truth.append(y.iloc[predict] == labels[1])
        scores.append(probabilities[:, 1])
    false_alarms, found, thresholds = roc_curve(
        np.concatenate(truth), np.concatenate(scores), drop_intermediate=False
    )
    # Their difference is twice the balanced accuracy, less one (Youden, 1950).
    best = int(np.argmax((found - false_alarms)[1:])) + 1  # the first is infinite
    return float(thresholds[best])

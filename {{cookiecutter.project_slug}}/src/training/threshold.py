"""The probability from which a row counts as positive, chosen on validation rows.

Each row is judged by a model that was not fitted to it: the probabilities come from
folds of the training rows. The test set plays no part in it.
"""

from collections.abc import Sequence

import numpy as np
from pandas import Series
from sklearn.metrics import roc_curve

from src.evaluation.metrics import Predictions
from src.utils.config import Task
from src.utils.errors import ModelError


def check_tunable(task: Task, y: Series) -> None:
    """Refuse to tune a threshold where there are not two classes.

    Raises:
        ModelError: If the target ``y`` is a number, or has other than two labels.
    """
    if task != "classification" or y.nunique() != 2:
        raise ModelError(
            "training.decision_threshold: found 'tuned', expected default: a threshold "
            f"is for a target of two classes, not of {y.nunique()} values"
        )


def choose_threshold(predictions: Sequence[Predictions]) -> float:
    """Return the threshold with the best balanced accuracy between the folds.

    Args:
        predictions: What ``cross_predict`` returns, of two classes.

    Raises:
        ModelError: If a fold has no probabilities of two classes.
    """
    truth, scores = [], []
    for found in predictions:
        if found.probabilities is None or len(found.classes) != 2:
            raise ModelError(
                "training.decision_threshold: found 'tuned', expected default: a fold "
                "has rows of one class only, or the model gives no probabilities"
            )
        truth.append(found.y_true == found.classes[1])
        scores.append(found.probabilities[:, 1])
    false_alarms, hits, thresholds = roc_curve(
        np.concatenate(truth), np.concatenate(scores), drop_intermediate=False
    )
    # Their difference is twice the balanced accuracy, less one (Youden, 1950).
    best = int(np.argmax((hits - false_alarms)[1:])) + 1  # the first is infinite
    return float(thresholds[best])

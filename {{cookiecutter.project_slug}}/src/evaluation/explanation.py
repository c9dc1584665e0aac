"""Which columns the model goes by, on the whole and for single rows, by SHAP values
(Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", 2017), added
up over the numbers that a column became: with the base value they sum to what the
estimator says (log-odds, a probability or a number)."""

import warnings
from copy import copy

import numpy as np
from pandas import DataFrame
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from src.evaluation.metrics import Floats
from src.evaluation.performance import Audit, Inputs
from src.models.base import estimator_of
from src.utils.config import Settings
from src.utils.visualization import bar_chart, to_svg

ROWS, BACKGROUND = 300, 100  # test rows, beside training rows


def audit_explanation(inputs: Inputs, settings: Settings) -> Audit:
    """Explain a model on a sample of the test rows."""
    rows, background = (
        of.sample(min(size, len(of)), random_state=settings.seed)
        for of, size in ((inputs.test, ROWS), (inputs.train, BACKGROUND))
    )
    if (found := explain_rows(inputs.pipeline, background, rows)) is None:
        return Audit("explanation", [], {}, [], {})
    values, _ = found
    importance = values.abs().mean().sort_values(ascending=False, kind="stable")
    shares = importance / (importance.sum() or 1.0)
    most, title = dict(importance.head(15)), "What the model goes by"
    pictures = {"importance": to_svg(bar_chart(most, title, "mean |SHAP value|"))}
    content = {"importance": dict(importance), "shares": dict(shares)}
    return Audit("explanation", [], pictures, [], content | {"rows": len(rows)})


def explain_rows(
    pipeline: Pipeline, background: DataFrame, rows: DataFrame
) -> tuple[DataFrame, Floats] | None:
    """Return what each column (one of the frame) adds to the base output of each row:
    for the last of two classes, the predicted of more, or the number. A linear model is
    compared with the mean of the background; None if SHAP has no exact way."""
    # The last shap for Python 3.11 makes colours in a way that matplotlib gives up.
    with warnings.catch_warnings(action="ignore", category=PendingDeprecationWarning):
        import shap  # takes as long as a small training

    estimator, before = estimator_of(pipeline), pipeline[:-1]
    numbers, around = (np.asarray(before.transform(of)) for of in (rows, background))
    if hasattr(estimator, "coef_"):
        explained = shap.LinearExplainer(estimator, around)(numbers)
    elif hasattr(estimator, "estimators_") or hasattr(estimator, "n_iter_"):
        explained = shap.TreeExplainer(estimator)(numbers)
    else:
        return None
    values = np.asarray(explained.values, dtype=np.float64)
    shape = (len(rows), *values.shape[2:])
    base = np.broadcast_to(np.asarray(explained.base_values, np.float64), shape)
    if values.ndim == 3:  # an output for each class
        chosen, place = np.ones(len(rows), dtype=np.intp), np.arange(len(rows))
        if len(estimator.classes_) > 2:
            chosen = estimator.predict_proba(numbers).argmax(axis=1)
        values, base = values[place, :, chosen], base[place, chosen]
    frame = DataFrame(values.T, column_of_each_number(pipeline), rows.index)
    return frame.groupby(level=0, sort=False).sum().T, base


def column_of_each_number(pipeline: Pipeline) -> list[str]:
    """Return, for each number that the estimator takes, the column it comes from."""
    names: list[str] = []
    for _, step, features in pipeline.named_steps["transformation"].transformers_:
        if isinstance(step, OneHotEncoder):
            step = copy(step)
            step.feature_name_combiner = lambda feature, _: feature
        if len(features) > 0:
            names += map(str, step.get_feature_names_out(features))
    columns = pipeline.named_steps["creation"].kw_args["columns"]
    # What is no column itself is a part of a date: "column: part".
    return [name if name in columns else name.rpartition(": ")[0] for name in names]

"""Which columns the model goes by: on the whole, and for single rows.

Contributions are SHAP values (Lundberg and Lee, "A Unified Approach to Interpreting
Model Predictions", 2017), added up over the numbers that a column became; with the
base value they sum to what the estimator says: log-odds, a probability or a number.
Estimators that SHAP has no exact way for are explained on the whole only, by
permutation: how much worse they get when a column is shuffled.
"""

import warnings
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Index, Series
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from src.audits.audit import Audit, AuditContext, Check, Table
from src.audits.settings import load_audit_settings
from src.evaluation.pictures import Picture
from src.evaluation.report import format_number
from src.models.base import estimator_of
from src.utils.config import Settings
from src.utils.visualization import bar_chart

Floats = NDArray[np.float64]

TREES = (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
SHUFFLES = 5
MAX_BARS = 15


class Contributions(NamedTuple):
    """What each column adds to the output for each row.

    Attributes:
        values: One line for each row, one column for each column of the features.
        base: The output that the contributions are added to, row by row.
    """

    values: DataFrame
    base: Floats


def audit(context: AuditContext, settings: Settings) -> Audit:
    """Explain a model on a sample of the test rows.

    Raises:
        ConfigError: If the settings of the audits are not valid.
    """
    chosen = load_audit_settings().explanation
    rows = _sample(context.test, chosen.rows, settings.seed)
    background = _sample(context.train, chosen.background, settings.seed)
    found = explain_rows(context.pipeline, background, rows)
    if found is None:
        importance, how = _by_permutation(context, rows, settings), "permutation"
    else:
        importance, how = found.values.abs().mean(), "SHAP"
    importance = importance.sort_values(ascending=False, kind="stable")
    shares = _shares(importance)
    tables = [_global_table(importance, shares, how)]
    if found is not None:
        tables.append(_row_table(context.pipeline, found, rows, chosen.top))
    content = {
        "method": how,
        "importance": {k: float(v) for k, v in importance.items()},
        "shares": {k: float(v) for k, v in shares.items()},
    }
    return Audit(
        "explanation",
        "Explanation",
        f"What the model goes by, on {len(rows)} test rows, by {how}. A column that "
        "the model goes by need not be a cause.",
        tables,
        [_picture(importance, how)],
        _checks(shares, chosen.max_share),
        content,
    )


def explain_rows(
    pipeline: Pipeline, background: DataFrame, rows: DataFrame
) -> Contributions | None:
    """Return what each column contributes to the output for each row.

    Args:
        pipeline: A fitted pipeline, as the training saves it.
        background: Training rows; a linear model is compared with their mean.
        rows: What is explained.

    Returns:
        The contributions to the output for the positive of two classes, for the
        predicted of more, or to the number; None if SHAP has no exact way.
    """
    estimator, before = estimator_of(pipeline), pipeline[:-1]
    numbers = np.asarray(before.transform(rows), dtype=np.float64)
    explained = _shap(estimator, np.asarray(before.transform(background)), numbers)
    if explained is None:
        return None
    values, base = explained
    if values.ndim == 3:
        chosen = _explained_class(estimator, numbers)
        place = np.arange(len(numbers))
        values, base = values[place, :, chosen], base[place, chosen]
    owners = Index(column_of_each_number(pipeline))
    frame = DataFrame(values, index=rows.index, columns=owners)
    return Contributions(frame.T.groupby(level=0, sort=False).sum().T, base)


def column_of_each_number(pipeline: Pipeline) -> list[str]:
    """Return, for each number that the estimator takes, the column it comes from."""
    owners: list[str] = []
    for name, step, columns in pipeline.named_steps["transformation"].transformers_:
        given = [str(column) for column in columns]
        if not given or name == "remainder":
            continue
        if name == "categories":
            encoder = deepcopy(step)
            encoder.feature_name_combiner = lambda feature, _: feature
            owners += [str(n) for n in encoder.get_feature_names_out(given)]
        else:
            imputer = step[0] if isinstance(step, Pipeline) else step
            kept = ~np.isnan(imputer.statistics_)
            owners += [n for n, is_kept in zip(given, kept, strict=True) if is_kept]
            if imputer.indicator_ is not None:
                owners += [given[i] for i in imputer.indicator_.features_]
    dates = {
        n
        for n, c in pipeline.named_steps["creation"].columns.items()
        if c.type == "date"
    }
    return [_original(owner, dates) for owner in owners]


def _original(feature: str, dates: set[str]) -> str:
    """Return the column that a feature was made of; parts of dates have a suffix."""
    column = feature.rpartition(": ")[0]
    return column if column in dates else feature


def _shap(
    estimator: Any, background: Floats, numbers: Floats
) -> tuple[Floats, Floats] | None:
    """Return SHAP values and base values; None if there is no exact way."""
    with warnings.catch_warnings():
        # The last shap for Python 3.11 makes colours in a way that matplotlib gives up.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap  # loading it takes as long as a small training

    if isinstance(estimator, TREES):
        explainer = shap.TreeExplainer(estimator)
    elif hasattr(estimator, "coef_"):
        explainer = shap.LinearExplainer(estimator, background)
    else:
        return None
    found = explainer(numbers)
    values = np.asarray(found.values, dtype=np.float64)
    base = np.asarray(found.base_values, dtype=np.float64)
    shape = (len(values), *values.shape[2:])
    return values, np.broadcast_to(base, shape)


def _explained_class(estimator: Any, numbers: Floats) -> NDArray[np.intp]:
    """Return which class is explained in each row: the positive, or the predicted."""
    if len(estimator.classes_) == 2:
        return np.ones(len(numbers), dtype=np.intp)
    return np.asarray(estimator.predict_proba(numbers)).argmax(axis=1)


def _by_permutation(
    context: AuditContext, rows: DataFrame, settings: Settings
) -> "Series[float]":
    """Return how much the score falls when each column is shuffled."""
    target = context.schema.target
    y = rows[target].to_numpy(
        dtype=object if settings.task == "classification" else float
    )
    X = rows[context.schema.features]
    found = permutation_importance(
        context.pipeline, X, y, n_repeats=SHUFFLES, random_state=settings.seed
    )
    return Series(found.importances_mean, index=X.columns)


def _sample(frame: DataFrame, rows: int, seed: int) -> DataFrame:
    """Return at most so many rows, always the same."""
    return frame if len(frame) <= rows else frame.sample(rows, random_state=seed)


def _shares(importance: "Series[float]") -> "Series[float]":
    """Return the part of each column; none has one if no column matters."""
    sizes = importance.clip(lower=0)  # shuffling may help by chance
    return sizes / (sizes.sum() or 1.0)


def _checks(shares: "Series[float]", limit: float | None) -> list[Check]:
    """Return the limit on the column with the largest share, and whether it holds."""
    if limit is None:
        return []
    largest, name = float(shares.max()), shares.idxmax()
    label = f"share of {name} in what the model goes by"
    return [Check(label, largest, limit, largest <= limit, "at most")]


def _global_table(
    importance: "Series[float]", shares: "Series[float]", how: str
) -> Table:
    """Return the importance of each column."""
    label = "mean size of the contribution" if how == "SHAP" else "loss of score"
    rows = [
        [str(name), format_number(float(value)), f"{share:.1%}"]
        for (name, value), share in zip(importance.items(), shares, strict=True)
    ]
    return Table("On the whole", ["column", label, "share"], rows)


def _row_table(
    pipeline: Pipeline, found: Contributions, rows: DataFrame, top: int
) -> Table:
    """Return what decided in the rows with the largest, middle and least output."""
    output = found.base + found.values.sum(axis=1).to_numpy()
    order = np.argsort(output, kind="stable")
    places = {"largest": order[-1], "middle": order[len(order) // 2], "least": order[0]}
    predicted = pipeline.predict(rows)
    lines = []
    for label, place in places.items():
        parts = found.values.iloc[place]
        chosen = parts.abs().sort_values(ascending=False, kind="stable").index[:top]
        told = ", ".join(
            f"{name} = {rows.iloc[place].get(name)} ({parts[name]:+.3g})"
            for name in chosen
        )
        lines.append([f"{label} output", str(predicted[place]), told])
    return Table("Single rows", ["row", "prediction", "what decided"], lines)


def _picture(importance: "Series[float]", how: str) -> Picture:
    """Return the columns that matter most as bars."""
    top = {str(name): float(value) for name, value in importance.head(MAX_BARS).items()}
    label = "mean |SHAP value|" if how == "SHAP" else "loss of score"
    told = ", ".join(f"{name} {value:.3g}" for name, value in top.items())
    return Picture(
        bar_chart(top, "What the model goes by", label),
        f"Importance of columns: {told}.",
        "The longer the bar, the more the column moves the output.",
        "importance",
    )

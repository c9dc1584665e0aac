"""Transformation: from features to the numbers that an estimator takes."""

from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from src.features.selection import FeatureSelector
from src.utils.config import FeatureSettings

MAX_COLUMNS = 30  # that a category becomes: they bound the memory that a row takes


def fitted_steps(
    settings: FeatureSettings, imputed: bool, scaled: bool, target: str | None = None
) -> list[tuple[str, Any]]:
    """Return the steps that learn from the training rows: select, then transform. A
    category becomes a column for each value, and one for all values in fewer rows than
    ``min_category_rows``; a value never seen sets none of them. One of more values than
    ``MAX_COLUMNS`` becomes the mean of the target, ``continuous`` or ``binary``, else
    its rarest share a column. Numbers get the median where they are missing, and mean 0
    and deviation 1, if asked for."""
    steps = [SimpleImputer(strategy="median")] if imputed else []
    steps += [StandardScaler()] if scaled else []
    numbers = make_pipeline(*steps) if steps else "passthrough"
    rare, most = settings.min_category_rows, MAX_COLUMNS
    limits = {"min_frequency": rare, "max_categories": most}
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **limits)
    texts = make_column_selector(dtype_exclude=np.number)
    parts = [(numbers, make_column_selector(dtype_include=np.number))]
    few = partial(categories, many=False, rare=rare)
    parts += [(one_hot, few if target else texts)]
    if target:  # said, as numbers that are whole in all rows would be taken for classes
        folds = KFold(5, shuffle=True, random_state=0)
        means = TargetEncoder(target_type=target, cv=folds)
        parts += [(means, partial(categories, many=True, rare=rare))]
    selector = FeatureSelector(**settings.model_dump())
    transformer = make_column_transformer(*parts)
    return [("selection", selector), ("transformation", transformer)]


def categories(features: DataFrame, many: bool, rare: int) -> list[str]:
    """Return the categories of more than ``MAX_COLUMNS`` values, or those of fewer. One
    alone with values rarer than ``rare`` is of the former, as skl2onnx needs two."""
    texts = features.select_dtypes(exclude="number")
    few = [str(name) for name in texts if texts[name].nunique() <= MAX_COLUMNS]
    if len(few) == 1 and texts[few[0]].value_counts().min() < rare:
        few = []
    return [str(name) for name in texts if name not in few] if many else few

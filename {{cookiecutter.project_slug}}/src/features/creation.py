"""Features that follow from a row alone; nothing here is learned from other rows.

Training and prediction run the same code: as a function for the feature set, and as
the first step of the saved pipeline.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
from sklearn.base import BaseEstimator, TransformerMixin

from src.data.columns import convert
from src.data.schema import ColumnType, DataSchema
from src.utils.errors import DataError


class FeatureColumn(NamedTuple):
    """What is needed to know of a column of the schema to make features of it."""

    type: ColumnType
    format: str | None
    optional: bool


def feature_columns(schema: DataSchema) -> dict[str, FeatureColumn]:
    """Return the columns that features are made of, in the order of the schema.

    A column that may have missing values may be missing as a whole as well.
    """
    columns = ((name, schema.columns[name]) for name in schema.features)
    return {
        name: FeatureColumn(column.type, column.format, column.max_missing > 0)
        for name, column in columns
    }


def create_features(frame: DataFrame, schema: DataSchema) -> DataFrame:
    """Return the features of rows.

    Args:
        frame: Rows as a file or a request holds them, or as ``coerce`` returns them;
            columns that are no features are not looked at.
        schema: The data contract.

    Returns:
        A new frame with the same index: float64 columns, and ``str`` columns for
        categories. A date becomes its year, month, day of the month, day of the week
        (Monday is 0), day of the year and hour.

    Raises:
        DataError: If a column is missing that the schema does not allow to be.
    """
    return _create(frame, feature_columns(schema))


class FeatureCreator(TransformerMixin, BaseEstimator):
    """``create_features`` as a step of a pipeline of scikit-learn.

    The step holds the columns, not the schema: the model file then has no need of the
    class of the schema, and has the same bytes whenever it is made.
    """

    def __init__(self, columns: Mapping[str, FeatureColumn]) -> None:
        """Take what ``feature_columns`` returns."""
        self.columns = columns

    def fit(self, X: DataFrame, y: object = None) -> Self:
        """Learn nothing; return this step."""
        return self

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the features of the rows ``X``; see ``create_features``.

        Raises:
            DataError: If a column is missing that the schema does not allow to be.
        """
        return _create(X, self.columns)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the names of the features, in order."""
        empty = DataFrame({name: Series(dtype="object") for name in self.columns})
        return np.array(self.transform(empty).columns, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing to fit."""
        return True


def _create(frame: DataFrame, columns: Mapping[str, FeatureColumn]) -> DataFrame:
    """Return the features that are made of ``columns``, in their order."""
    absent = [n for n, c in columns.items() if n not in frame and not c.optional]
    if absent:
        raise DataError(
            f"column {', '.join(map(repr, absent))} not found in the rows; expected "
            f"{', '.join(map(repr, columns))}"
        )
    missing = Series(None, index=frame.index, dtype="object")
    features: dict[str, Series] = {}
    for name, column in columns.items():
        values = frame[name] if name in frame else missing
        converted = convert(values, column.type, column.format)
        if column.type == "date":
            features |= _date_parts(name, converted)
        else:
            features[name] = converted
    return DataFrame(features, index=frame.index)


def _date_parts(name: str, dates: Series) -> dict[str, Series]:
    """Return the parts of dates that trends and seasons follow, as float64."""
    parts = {
        "year": dates.dt.year,
        "month": dates.dt.month,
        "day": dates.dt.day,
        "weekday": dates.dt.dayofweek,
        "day of year": dates.dt.dayofyear,
        "hour": dates.dt.hour,
    }
    return {f"{name}: {part}": v.astype("float64") for part, v in parts.items()}

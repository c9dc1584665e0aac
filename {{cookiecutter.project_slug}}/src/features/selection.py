"""Selection: leaves out the features that a model cannot learn from.

What is left out is decided on the training rows, without a look at the target.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from src.utils.errors import DataError

ROUNDING = 1e-9  # two equal columns correlate with 1, up to rounding


class FeatureSelector(TransformerMixin, BaseEstimator):
    """Keeps the features that are filled, vary, and do not repeat another one.

    Attributes:
        features_: The names of the kept features, in order; after fitting.
        dropped_: Why each of the others was left out, by name; after fitting.
    """

    def __init__(
        self,
        max_missing_share: float = 0.95,
        max_correlation: float = 0.999,
        min_category_rows: int = 10,
    ) -> None:
        """Set the limits.

        Args:
            max_missing_share: Leave out a feature with more missing values, 0 to 1.
            max_correlation: Leave out a number whose Pearson correlation with an
                earlier one is as large, of either sign; 1 leaves out linear repeats.
            min_category_rows: Leave out a category none of whose values occurs as
                often, such as an identifier.
        """
        self.max_missing_share = max_missing_share
        self.max_correlation = max_correlation
        self.min_category_rows = min_category_rows

    def fit(self, X: DataFrame, y: object = None) -> Self:
        """Decide which of the features ``X`` (rows, features) are kept.

        Raises:
            DataError: If none is left.
        """
        self.dropped_: dict[str, str] = {}
        for name in X:
            reason = self._unusable(X[name])
            if reason:
                self.dropped_[str(name)] = reason
        self.dropped_ |= self._repeated(X.drop(columns=list(self.dropped_)))
        self.features_ = [name for name in X if name not in self.dropped_]
        if not self.features_:
            reasons = "; ".join(f"{n!r}: {why}" for n, why in self.dropped_.items())
            raise DataError(
                f"no usable feature is left ({reasons}); expected a column that the "
                "target can be learned from, see the columns with role feature in "
                "config/data_schema.yaml and features in config/pipeline_config.yaml"
            )
        return self

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the kept features of the rows ``X``."""
        check_is_fitted(self)
        return X[self.features_]

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the names of the kept features, in order."""
        check_is_fitted(self)
        return np.array(self.features_, dtype=object)

    def _unusable(self, feature: Series) -> str | None:
        """Say what makes a feature useless by itself, None if nothing does."""
        missing = float(feature.isna().mean())
        if missing > self.max_missing_share:
            return f"{missing:.0%} of its values are missing"
        counts = feature.value_counts(dropna=False)
        if len(counts) < 2:
            return "it is constant"
        frequent = counts.iloc[0] >= self.min_category_rows
        if not is_numeric_dtype(feature) and not frequent:
            return f"no value occurs in {self.min_category_rows} rows"
        return None

    def _repeated(self, X: DataFrame) -> dict[str, str]:
        """Return the features that say what an earlier one of their kind says."""
        numbers = [name for name in X if is_numeric_dtype(X[name])]
        repeats = _correlated(X[numbers], self.max_correlation)
        seen: dict[bytes, str] = {}
        for name in X.columns.drop(numbers):
            # Equal codes: each value of the one goes with one value of the other.
            codes = pd.factorize(X[name])[0].tobytes()
            if codes in seen:
                repeats[name] = f"it repeats {seen[codes]!r}"
            seen.setdefault(codes, name)
        return repeats


def _correlated(X: DataFrame, limit: float) -> dict[str, str]:
    """Return the columns that correlate with an earlier, kept one up to ``limit``.

    A missing value counts as the mean of its column: columns with gaps in different
    rows are then never taken for repeats, since their gaps tell a model something.
    """
    values = X.to_numpy(dtype=float)
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    size = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    correlation = np.abs(scaled.T @ scaled)
    repeats: dict[str, str] = {}
    kept: list[int] = []
    for k, name in enumerate(X.columns):
        twins = [j for j in kept if correlation[j, k] >= limit - ROUNDING]
        if twins:
            first = X.columns[twins[0]]
            repeats[name] = f"it repeats {first!r} (correlation {limit} or more)"
        else:
            kept.append(k)
    return repeats

"""Predictions for validated rows, by the model that was loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from src.data.columns import as_dates, as_text, unreadable
from src.data.schema import DataSchema
from src.models.artifact import Record, load_model
from src.models.release import current_model
from src.utils.errors import ModelError

Column: TypeAlias = "pd.Series[Any]"
Problem = dict[str, Any]


class InvalidRows(Exception):
    """Rows hold values that only a look at whole columns finds to be wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take the row, the column and the problem of each such value."""
        super().__init__(f"{len(problems)} values cannot be used")
        self.problems = problems


@dataclass(frozen=True)
class Predictor:
    """A loaded model and its contract.

    Attributes:
        pipeline: The fitted pipeline of scikit-learn: a raw row in, a prediction out.
        record: What the model is and what made it.
        schema: The columns it was trained on.
    """

    pipeline: Any
    record: Record
    schema: DataSchema

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a model.

        Args:
            path: A model file with its record beside it, or a place of releases, whose
                current one is loaded.

        Raises:
            ModelError: If there is no model, or not the one that its record describes.
        """
        path = current_model(path) if path.is_dir() else path
        pipeline, record = load_model(path)
        try:
            schema = DataSchema.model_validate(record.get("schema"))
        except ValidationError:
            message = "the record holds no valid schema; run the training again"
            raise ModelError(f"{path}: {message}") from None
        predictor = cls(pipeline, record, schema)
        # The first prediction is slow; nobody is to wait for it.
        predictor.predict([{}])
        return predictor

    def predict(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answer to each row.

        Args:
            rows: Values by column, already of the types of the schema; dates are text.

        Returns:
            For each row its ``prediction``, for a classification the
            ``probabilities`` of all labels, and ``unknown``: the columns whose
            category is none that the schema lists.

        Raises:
            InvalidRows: If a date cannot be read or is out of its limits.
        """
        frame = pd.DataFrame(rows, columns=self.schema.features)
        problems = [
            problem
            for name in self.schema.features_of("date")
            for problem in self._date_problems(name, frame[name])
        ]
        if problems:
            raise InvalidRows(problems)
        unknown = self._unknown_categories(frame)
        if not hasattr(self.pipeline, "predict_proba"):
            numbers = np.asarray(self.pipeline.predict(frame), dtype=float)
            return [
                {"prediction": number, "unknown": columns}
                for number, columns in zip(numbers.tolist(), unknown, strict=True)
            ]
        labels = [str(label) for label in self.pipeline.classes_]
        shares = np.asarray(self.pipeline.predict_proba(frame), dtype=float)
        predicted = self._labels(shares)
        return [
            {
                "prediction": labels[best],
                "probabilities": dict(zip(labels, row, strict=True)),
                "unknown": columns,
            }
            for best, row, columns in zip(
                predicted, shares.tolist(), unknown, strict=True
            )
        ]

    def _labels(self, shares: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the position of the predicted label, as the pipeline would."""
        threshold = self.record.get("decision_threshold")
        if threshold is None:
            return np.asarray(shares.argmax(axis=1))
        return np.asarray(shares[:, 1] >= threshold, dtype=np.intp)

    def _date_problems(self, name: str, given: Column) -> list[Problem]:
        """Return what is wrong with the dates of a column; missing ones are not."""
        column = self.schema.columns[name]
        dates = as_dates(given, column.format)
        checks = [
            (
                unreadable(given, dates),
                f"Input should be a date as {column.format or 'ISO 8601'}",
            ),
            (
                dates < column.min if column.min is not None else None,
                f"Input should not be before {column.min}",
            ),
            (
                dates > column.max if column.max is not None else None,
                f"Input should not be after {column.max}",
            ),
        ]
        return [
            {"row": int(row), "column": name, "problem": problem}
            for wrong, problem in checks
            if wrong is not None
            for row in np.flatnonzero(wrong)
        ]

    def _unknown_categories(self, frame: pd.DataFrame) -> list[list[str]]:
        """Return, for each row, the columns with a category the schema lacks."""
        unknown: list[list[str]] = [[] for _ in range(len(frame))]
        for name in self.schema.features_of("category"):
            values = self.schema.columns[name].values
            if values is None:
                continue
            text = as_text(frame[name])
            for row in np.flatnonzero(text.notna() & ~text.isin(values)):
                unknown[row].append(name)
        return unknown

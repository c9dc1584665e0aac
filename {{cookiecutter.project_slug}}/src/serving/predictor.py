"""Predictions for rows that were read, by the model that was loaded."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from src.data.schema import DataSchema
from src.models.artifact import Record
from src.serving.encoder import RowEncoder
from src.serving.engine import Engine, load_engine
from src.serving.rows import InvalidRequest, Row, RowReader
from src.serving.settings import ServingSettings
from src.utils.errors import ModelError

if TYPE_CHECKING:  # a service that is never asked for tables has no need of its memory
    import pyarrow as pa

Answer = dict[str, Any]


@dataclass(frozen=True)
class Predictor:
    """A loaded model and its contract.

    Attributes:
        version: What the model is called where it came from.
        record: What the model is and what made it.
        schema: The columns it was trained on.
        engine: What computes.
        reader: Reads the rows of requests.
        encoder: Makes of rows what the engine takes.
        example: A typical row of the training data; a request may hold it.
        listed: The values that the schema lists, and None, of each category that has
            such a list.
        threshold: The probability from which the second label is predicted; None
            where the most probable one is.
    """

    version: str
    record: Record
    schema: DataSchema
    engine: Engine
    reader: RowReader
    encoder: RowEncoder
    example: Row
    listed: tuple[tuple[str, frozenset[str | None]], ...]
    threshold: float | None

    @classmethod
    def load(cls, path: Path, version: str, serving: ServingSettings) -> Self:
        """Load a model, and let it predict its own example.

        Args:
            path: The model file, its record and export beside it.
            version: What to call it.
            serving: How rows are read.

        Raises:
            ModelError: If there is no model, it is not the one that its record
                describes, or it cannot predict.
        """
        engine, record = load_engine(path)
        try:
            schema = DataSchema.model_validate(record.get("schema"))
        except ValidationError:
            message = "the record holds no valid schema; run the training again"
            raise ModelError(f"{path}: {message}") from None
        predictor = cls(
            version,
            record,
            schema,
            engine,
            RowReader(schema, serving.unknown_categories, serving.max_rows),
            engine.make_encoder(),
            record.get("example") or {},
            tuple(
                (name, frozenset([*values, None]))
                for name in schema.features_of("category")
                if (values := schema.columns[name].values) is not None
            ),
            record.get("decision_threshold"),
        )
        # The first prediction is slow, too; nobody is to wait for it.
        predictor._check(path)
        return predictor

    def predict(self, rows: list[Row]) -> list[Answer]:
        """Return the answer to each row.

        Args:
            rows: As the reader returns them.

        Returns:
            For each row its ``prediction``, for a classification the
            ``probabilities`` of all labels, and ``unknown``: the columns whose
            category is none that the schema lists.
        """
        found = self.engine.run(self.encoder.encode(rows)).tolist()
        classes = self.engine.classes
        if not classes:
            return [
                {"prediction": number, "unknown": self._unknown(row)}
                for number, row in zip(found, rows, strict=True)
            ]
        return [
            {
                "prediction": classes[self._best(shares)],
                "probabilities": dict(zip(classes, shares, strict=True)),
                "unknown": self._unknown(row),
            }
            for shares, row in zip(found, rows, strict=True)
        ]

    def predict_table(self, table: pa.Table) -> pa.Table:
        """Return the answers to the rows of a table.

        Args:
            table: As ``batch.read_table`` returns it.

        Returns:
            A column ``prediction``, and for a classification a column ``probability
            of <label>`` for each label.
        """
        import pyarrow as pa

        found = self.engine.run(self.encoder.encode_table(table))
        classes = self.engine.classes
        if not classes:
            return pa.table({"prediction": found})
        labels = pa.DictionaryArray.from_arrays(self._best_of(found), list(classes))
        columns = [np.ascontiguousarray(column) for column in found.T]
        return pa.table(
            [labels, *columns],
            ["prediction", *(f"probability of {label}" for label in classes)],
        )

    def _best(self, shares: list[float]) -> int:
        """Return the position of the predicted label of a row."""
        if self.threshold is None:
            return shares.index(max(shares))
        return int(shares[1] >= self.threshold)

    def _best_of(self, shares: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the positions of the predicted labels of many rows."""
        if self.threshold is None:
            return shares.argmax(axis=1).astype(np.int32)
        return (shares[:, 1] >= self.threshold).astype(np.int32)

    def _unknown(self, row: Row) -> list[str]:
        """Return the columns of a row with a category that the schema lacks."""
        return [name for name, values in self.listed if row.get(name) not in values]

    def _check(self, path: Path) -> None:
        """Refuse a model that cannot answer its own example.

        Raises:
            ModelError: If it cannot.
        """
        rows = [self.example]
        try:
            if self.example:
                rows = self.reader.read(json.dumps(self.example).encode())
            found = self.engine.run(self.encoder.encode(rows)).ravel().tolist()
        except InvalidRequest as error:
            raise ModelError(
                f"{path}: the example in its record is refused: {error.problems}; run "
                "the training again"
            ) from None
        # Whatever goes wrong in there, a model that fails must not replace one that
        # works.
        except Exception as error:
            problem = " ".join(str(error).split())
            raise ModelError(
                f"{path}: cannot predict the example in its record ({problem}); run "
                "the training again"
            ) from error
        if not all(map(math.isfinite, found)):
            raise ModelError(
                f"{path}: its answer to the example in its record is {found}, expected "
                "finite numbers; run the training again"
            )

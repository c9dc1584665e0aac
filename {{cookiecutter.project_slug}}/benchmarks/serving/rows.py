"""The rows that are asked about, and their type as a web framework takes it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, Field, create_model

from src.data.schema import ColumnSchema, DataSchema
from src.models.artifact import load_record

TYPES = {"integer": int, "number": float, "boolean": bool}


def schema_of(model_path: Path) -> DataSchema:
    """Return the data schema that a model was trained under."""
    return DataSchema.model_validate(load_record(model_path)["schema"])


def sample(rows_csv: Path, schema: DataSchema, count: int) -> list[dict[str, Any]]:
    """Return the first rows of the test set, as JSON has them.

    Args:
        rows_csv: The rows that are asked about.
        schema: Names the columns to keep: the features.
        count: How many; the rows are repeated if there are fewer.
    """
    text = dict.fromkeys(schema.features_of("category"), str)
    frame = pd.read_csv(
        rows_csv,
        dtype=text,
        usecols=schema.features,
        keep_default_na=False,
        na_values=[""],
        nrows=count,
    )
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return [rows[number % len(rows)] for number in range(count)]


def row_model(schema: DataSchema) -> type[BaseModel]:
    """Return the columns, their types and limits as one would write them by hand."""
    fields: dict[str, Any] = {}
    for number, name in enumerate(schema.features):
        fields[f"column_{number}"] = _field(name, schema.columns[name])
    return create_model("Row", **fields)


def _field(name: str, column: ColumnSchema) -> tuple[Any, Any]:
    """Return the type of a column, and its name and limits."""
    kind: Any = TYPES.get(column.type, str)
    limits: dict[str, Any] = {}
    if column.type in ("integer", "number"):
        limits = {"ge": column.min, "le": column.max}
    if column.max_missing > 0:
        return kind | None, Field(default=None, alias=name, **limits)
    return kind, Field(alias=name, **limits)

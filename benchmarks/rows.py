"""Rows of the project that are asked about, and their type as one writes it by hand.

Run by a generated project's Python, ``rows.py FOLDER CSV`` writes some for the model of
a folder to rows.json, and the model to mlflow/, as `mlflow models serve` takes it.
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from pydantic import BaseModel, Field, create_model

from src.data.schema import ColumnSchema, DataSchema
from src.models.artifact import load_record

TYPES = {"integer": int, "number": float, "boolean": bool}
ANSWER = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
ROWS = 200


def row_model(model_path: Path) -> type[BaseModel]:
    """Return the columns that a model was trained on, their types and limits."""
    schema = DataSchema.model_validate(load_record(model_path)["schema"])
    fields: dict[str, Any] = {
        f"column_{number}": _field(name, schema.columns[name])
        for number, name in enumerate(schema.features)
    }
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


def main(folder: Path, csv: str) -> None:
    """Write both."""
    import mlflow

    path = folder / "latest_model.joblib"
    schema = DataSchema.model_validate(load_record(path)["schema"])
    kinds = {name: schema.columns[name].type for name in schema.features}
    text = {name: str for name, kind in kinds.items() if kind == "category"}
    frame = pd.read_csv(csv, dtype=text, keep_default_na=False, na_values=[""])
    frame = frame[schema.features].head(ROWS)
    (folder / "rows.json").write_text(frame.to_json(orient="records"))
    pipeline = joblib.load(path)
    mlflow.sklearn.save_model(
        pipeline,
        folder / "mlflow",
        signature=mlflow.models.infer_signature(frame, pipeline.predict(frame)),
        serialization_format="cloudpickle",
        pip_requirements=[],  # nothing is to be installed
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

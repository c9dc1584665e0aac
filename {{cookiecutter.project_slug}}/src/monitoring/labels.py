"""What became true: labels that arrive after the predictions, by a file or a request,
in ``data/predictions/labels/``. Of several for one row, the last counts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from src.data.schema import DataSchema
from src.data.values import read_value, text_of
from src.monitoring.prediction_log import forget, write_part
from src.monitoring.settings import MonitoringSettings, load_monitoring_settings
from src.utils.config import Settings

LABELS = "labels"  # the folder


def label_model(schema: DataSchema, settings: MonitoringSettings) -> type[BaseModel]:
    """Return the model of a label: the target of the row with a value of the key, else
    of one row of a request, by the identifier that the answer had in its header."""
    target = schema.columns[schema.target]
    kind: Any = str if target.type == "category" else float
    read = BeforeValidator(partial(_needed, target))
    fields: dict[str, Any] = {
        "label": (Annotated[kind, read], Field(alias=schema.target))
    }
    if key := settings.log.key:
        name = Annotated[str, BeforeValidator(text_of), Field(min_length=1)]
        fields["key"] = name, Field(alias=key)
    else:
        fields["request_id"] = str, Field(min_length=1, max_length=64)
        fields["row"] = int, Field(default=0, ge=0, description="Its place, from 0.")
    return create_model("Label", __config__=ConfigDict(extra="forbid"), **fields)


def described(label: type[BaseModel], max_rows: int) -> dict[str, Any]:
    """Return what OpenAPI says of the route that takes labels."""
    items = label.model_json_schema()
    many = {"type": "array", "items": items, "minItems": 1, "maxItems": max_rows}
    body = {"required": True, "content": {"application/json": {"schema": many}}}
    answers = {"200": "How many were taken", "default": "A refusal, which says why"}
    responses = {status: {"description": text} for status, text in answers.items()}
    return {"/v1/labels": {"post": {"requestBody": body, "responses": responses}}}


class Labels:
    """Takes labels, and writes them down before it returns."""

    def __init__(self, settings: Settings, schema: DataSchema) -> None:
        self.settings = load_monitoring_settings(settings, schema)
        self.model = label_model(schema, self.settings)
        self.folder = settings.paths.data / "predictions" / LABELS
        is_class = schema.columns[schema.target].type == "category"
        fields: list[tuple[str, pa.DataType]] = [
            ("request_id", pa.string()),
            ("row", pa.int64()),
            ("key", pa.string()),
            ("label", pa.string() if is_class else pa.float64()),
            ("time", pa.timestamp("us")),
        ]
        self.columns = pa.schema(fields)

    def add(self, labels: Sequence[BaseModel]) -> Path:
        """Write labels to a file of their own, and return where it is."""
        now = datetime.now(UTC).replace(tzinfo=None)
        lines = [label.model_dump() | {"time": now} for label in labels]
        path = write_part(pa.Table.from_pylist(lines, self.columns), self.folder)
        forget(self.folder, self.settings.log.retention_days)
        return path


def _needed(target: Any, value: Any) -> Any:
    """Return a label as training reads it."""
    if (found := read_value(value, target)) is None:
        raise ValueError("a label is needed")
    return found

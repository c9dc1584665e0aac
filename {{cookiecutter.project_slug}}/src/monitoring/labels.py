"""What became true: labels that arrive after the predictions, by a file or a request,
in ``data/predictions/labels/``. Of several for one row, the last counts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from src.data.schema import DataSchema
from src.data.values import text_of
from src.monitoring.prediction_log import LABELS, forget, write_part
from src.monitoring.settings import MonitoringSettings, load_monitoring_settings
from src.serving.schemas import field_of
from src.utils.config import Settings


def label_model(schema: DataSchema, settings: MonitoringSettings) -> type[BaseModel]:
    """Return the model of a label: the target of the row with a value of the key, else
    of one row of a request, by the identifier that the answer had in its header."""
    target = schema.columns[schema.target].model_copy(update={"max_missing": 0})
    fields: dict[str, Any] = {"label": field_of(schema.target, target)}
    if key := settings.log.key:
        text = Annotated[str, BeforeValidator(_key)]
        fields["key"] = text, Field(alias=key, min_length=1)
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


def _key(value: Any) -> str:
    """Return a key as the prediction log has it."""
    if value is None or value != value or isinstance(value, list | dict):
        raise ValueError("a key is needed")
    return text_of(value)

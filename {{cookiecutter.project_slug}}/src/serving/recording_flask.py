"""What the service keeps of its answers, and the route that takes what became true."""

from typing import Annotated, Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field, TypeAdapter

from src.data.schema import DataSchema
from src.monitoring.labels import Labels, described
from src.monitoring.prediction_log import PredictionLog
from src.serving.middleware import content_of
from src.utils.config import Settings

__all__ = ["PredictionLog", "add_labels"]


def add_labels(
    blueprint: Blueprint, settings: Settings, schema: DataSchema, max_rows: int
) -> dict[str, Any]:
    """Add ``POST /v1/labels`` to the routes for callers with a key; return what OpenAPI
    says of it."""
    store = Labels(settings, schema)
    limits = Field(min_length=1, max_length=max_rows)
    many = Annotated[list[store.model], limits]  # type: ignore[name-defined]
    body: TypeAdapter[Any] = TypeAdapter(many)

    @blueprint.post("/v1/labels")
    def take_labels() -> ResponseReturnValue:
        labels = body.validate_json(content_of("application/json"))
        store.add(labels)
        return {"labels": len(labels)}

    return described(store.model, max_rows)

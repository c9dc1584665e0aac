"""What the service keeps of its answers, and the route that takes what became true."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from src.data.schema import DataSchema
from src.monitoring.labels import Labels
from src.monitoring.prediction_log import PredictionLog
from src.utils.config import Settings

__all__ = ["PredictionLog", "add_labels"]


def add_labels(
    router: APIRouter, settings: Settings, schema: DataSchema, max_rows: int
) -> None:
    """Add ``POST /v1/labels`` to the routes for callers with a key."""
    store = Labels(settings, schema)
    limits = Field(min_length=1, max_length=max_rows)
    Many: Any = Annotated[list[store.model], limits]  # type: ignore[name-defined]

    @router.post("/v1/labels")
    def take_labels(labels: Many) -> dict[str, int]:
        """Take what became true of rows that were predicted."""
        store.add(labels)
        return {"labels": len(labels)}

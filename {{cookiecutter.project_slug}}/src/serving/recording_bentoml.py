"""What the service keeps of its answers, and the route that takes what became true."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from src.data.schema import DataSchema
from src.monitoring.labels import Labels, described
from src.monitoring.prediction_log import PredictionLog
from src.serving.schemas import problems_of
from src.utils.config import Settings

__all__ = ["PredictionLog", "add_labels"]


def add_labels(
    app: Starlette, settings: Settings, schema: DataSchema, max_rows: int
) -> dict[str, Any]:
    """Add ``POST /v1/labels`` to an application beside those of BentoML; return what
    OpenAPI says of it."""
    store = Labels(settings, schema)
    limits = Field(min_length=1, max_length=max_rows)
    many = Annotated[list[store.model], limits]  # type: ignore[name-defined]
    body: TypeAdapter[Any] = TypeAdapter(many)

    async def take_labels(request: Request) -> Response:
        try:
            labels = body.validate_json(await request.body())
        except ValidationError as error:
            problems = problems_of(error.errors())
            return JSONResponse({"error": "invalid labels", "detail": problems}, 400)
        await run_in_threadpool(store.add, labels)
        return JSONResponse({"labels": len(labels)})

    app.add_route("/v1/labels", take_labels, ["POST"])
    return described(store.model, max_rows)

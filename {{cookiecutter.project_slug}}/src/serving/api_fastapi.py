"""Predictions over HTTP with FastAPI. ``python -m src.serving.api`` listens where
``config/serving_config.yaml`` says, and any ASGI server can: ``uvicorn --factory
src.serving.api:create_app --workers 4``."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from socket import socket
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from src.data.schema import load_schema
from src.serving import schemas, tables
from src.serving.champion import Champion, NoModel
from src.serving.middleware import Observed
from src.serving.recording import add_labels
from src.serving.settings import ServingSettings, check_address, load_serving_settings
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings, load_settings

MAX_TABLES = 2  # at a time
BINARY = {"schema": {"type": "string", "format": "binary"}}
TABLE, SENT = (
    {"content": dict.fromkeys(types, BINARY)}
    for types in (tables.MEDIA_TYPES, tables.ANSWERS)
)
REFUSALS: Any = {status: {} for status in (400, 401, 413, 415, 503)}


class Batcher:
    """Predicts the rows of requests that came at the same moment together: those of ten
    take a model little more time than those of one."""

    def __init__(self, champion: Champion) -> None:
        self.champion = champion
        self.waiting: list[tuple[list[schemas.Row], asyncio.Future[Any]]] = []

    async def predict(self, rows: list[schemas.Row]) -> tuple[str, list[Any]]:
        """Return the version of the model that answers, and the answer to each row."""
        loop = asyncio.get_running_loop()
        if not self.waiting:
            loop.call_soon(self.run)  # after all that has arrived was read
        future: asyncio.Future[tuple[str, list[Any]] | None] = loop.create_future()
        self.waiting.append((rows, future))
        if (found := await future) is None:  # whose rows have a defect is seen alone
            model = self.champion.loaded()
            found = model.version, model.predict(rows)
        return found

    def run(self) -> None:
        """Predict what waits, by one model."""
        waiting = [(rows, future) for rows, future in self.waiting if not future.done()]
        self.waiting = []
        try:
            model = self.champion.loaded()
            found = iter(model.predict([row for rows, _ in waiting for row in rows]))
            for rows, future in waiting:
                future.set_result((model.version, list(islice(found, len(rows)))))
        except Exception:  # one of them fails: it is not to fail the others
            for _, future in waiting:
                future.set_result(None)


def create_app(
    settings: Settings | None = None, serving: ServingSettings | None = None
) -> FastAPI:
    """Return the application; settings that are None are read from their files. Without
    a model it starts as well, and says so at ``/ready``, where orchestrators look."""
    settings = settings or load_settings()
    serving = serving or load_serving_settings()
    schema = load_schema(settings.data.schema_path, settings)
    champion = Champion(settings, serving, schema, schemas.row_model(schema))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champion.start()
        yield
        champion.stop()

    about = settings.project
    app = FastAPI(title=about.name, description=about.description, lifespan=lifespan)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(NoModel, refused)
    app.state.champion, app.state.draining = champion, False
    app.include_router(predictions(champion))
    add_status(app, champion)
    app.add_middleware(RequestBodyLimitMiddleware, serving.max_body_bytes)
    app.add_middleware(Observed)
    return app


def predictions(champion: Champion) -> APIRouter:
    """Return the routes that predict, and say by which model, to callers with a key."""
    serving, header = champion.serving, APIKeyHeader(name="X-API-Key")

    async def check_key(given: Annotated[str, Security(header)]) -> None:
        # Each one is compared, and to its end: the time must not tell how much fits.
        if not sum(secrets.compare_digest(given.encode(), k) for k in serving.keys):
            raise header.make_not_authenticated_error()

    keys = [Security(check_key)] if serving.keys else []
    router = APIRouter(responses=REFUSALS, dependencies=keys)
    Rows: Any = schemas.body_type(champion.row, serving.max_rows)
    batcher, busy = Batcher(champion), asyncio.Semaphore(MAX_TABLES)

    @router.post("/v1/predict", response_model_exclude_none=True)
    async def predict(rows: Rows) -> schemas.Predictions:
        """Predict one row, or each row of a list."""
        values = schemas.values_of(rows)
        version, answers = await batcher.predict(values)
        champion.log.add(version, values, answers)
        return schemas.Predictions(model_version=version, predictions=answers)

    @router.post(
        "/v1/predict/batch",
        response_class=Response,
        responses={200: TABLE, 422: {"description": "Values are refused"}},
        openapi_extra={"requestBody": {"required": True, **SENT}},
    )
    async def predict_table(request: Request) -> Response:
        """Predict the rows of a table; the answer is a table of the same type."""
        model = champion.loaded()
        given = request.headers.get("content-type", "").partition(";")[0].strip()
        if given not in tables.ANSWERS:
            expected = " or ".join(tables.ANSWERS)
            raise HTTPException(415, f"Content-Type must be {expected}")
        accepted = request.headers.get("accept", "")
        wanted = accepted if accepted in tables.MEDIA_TYPES else tables.ANSWERS[given]
        try:
            async with busy:
                body, limit = await request.body(), serving.max_batch_rows
                with champion.log.recorded(model) as lent:
                    arguments = (body, given, wanted, lent, champion.row, limit)
                    found = await run_in_threadpool(tables.predict, *arguments)
        except tables.InvalidTable as error:
            raise RequestValidationError(error.problems) from None
        return Response(found, 200, {"X-Model-Version": model.version}, wanted)

    @router.get("/model")
    async def model() -> dict[str, Any]:
        """Say which model answers, what it was trained on and how good it was."""
        return champion.loaded().describe()

    add_labels(router, champion.settings, champion.schema, serving.max_rows)
    return router


def add_status(app: FastAPI, champion: Champion) -> None:
    """Add the page, and the routes that say how the service is, to everybody."""

    @app.get("/", response_class=FileResponse, include_in_schema=False)
    async def index() -> Path:
        """Return a page for people."""
        return Path(__file__).parent / "static/index.html"

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process is alive."""
        return {"status": "alive"}

    @app.get("/ready", responses={503: {}})
    async def ready() -> dict[str, str]:
        """Say that a model is loaded."""
        if app.state.draining:
            raise HTTPException(503, "the service is about to end")
        return {"status": "ready", "model_version": champion.loaded().version}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return what was counted and measured, for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    def openapi() -> dict[str, Any]:
        document = FastAPI.openapi(app)
        if champion.model is not None:
            example = champion.model.record["example"]
            document["components"]["schemas"]["Row"]["examples"] = [example]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own advice


async def refused(_: Request, error: Any) -> JSONResponse:
    """Answer values that are refused, and whatever is asked without a model."""
    if isinstance(error, NoModel):
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})
    return JSONResponse({"detail": schemas.problems_of(error.errors())}, 422)


class Server(uvicorn.Server):
    """Lets callers go elsewhere before it closes their connections."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Answer for a while, each answer the last one of its connection."""
        app: Any = self.config.app
        app.state.draining = True
        await asyncio.sleep(app.state.champion.serving.drain_seconds)
        await super().shutdown(sockets)


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    arguments, serving = config_parser(__doc__).parse_args(), load_serving_settings()
    check_address(serving)
    config = uvicorn.Config(
        create_app(settings_from(arguments), serving),
        host=serving.host,
        port=serving.port,
        log_config=None,
        access_log=False,  # the middleware writes it, with the identifier
        timeout_keep_alive=75,  # longer than load balancers keep their connections
        timeout_graceful_shutdown=30,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again at its end
        Server(config).run()


if __name__ == "__main__":
    run(main)

"""Predictions over HTTP, with a request that the data schema of the model describes.

Run as a module, it listens where ``config/serving_config.yaml`` says::

    python -m src.serving.api

``/docs`` shows the columns that a row has; ``docs/serving.md`` says more.
"""

import hmac
import logging
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict
from starlette.middleware import Middleware

from src.serving.middleware import (
    REQUEST_ID,
    AccessLogMiddleware,
    BodyLimitMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
)
from src.serving.predictor import InvalidRows, Predictor
from src.serving.rows import MANY, Row, body_model, row_model
from src.serving.settings import ServingSettings, load_serving_settings
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings, load_settings
from src.utils.errors import ModelError

# Of a large request with many wrong values, the answer names the first ones.
MAX_PROBLEMS = 20
MAX_FOUND_CHARACTERS = 60
# What of the model's record callers are told.
PUBLIC_RECORD = (
    "model_type",
    "model_sha256",
    "created",
    "code_revision",
    "classes",
    "features",
    "metrics",
)

logger = logging.getLogger(__name__)
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False)


class Prediction(BaseModel):
    """The answer to one row."""

    prediction: str | float
    probabilities: dict[str, float] | None = None
    unknown: list[str]


class Predictions(BaseModel):
    """The answers to the rows of a request, in their order."""

    model_config = ConfigDict(protected_namespaces=())

    model_sha256: str
    predictions: list[Prediction]


def create_app(
    settings: Settings | None = None, serving: ServingSettings | None = None
) -> FastAPI:
    """Build the application, and load the model.

    Without a model it starts as well, says so at ``/ready`` and answers 503, because
    an orchestrator is to see that rather than a process that starts again and again.

    Args:
        settings: Where models are; read from the configuration files if None.
        serving: How to serve; read from the configuration files if None.

    Returns:
        The application, to be run by any ASGI server.

    Raises:
        ConfigError: If a configuration file is not valid.
    """
    settings = settings or load_settings()
    serving = serving or load_serving_settings()
    app = FastAPI(
        title=settings.project.name,
        description=settings.project.description,
        middleware=[
            Middleware(RequestIdMiddleware),
            Middleware(SecurityHeadersMiddleware),
            Middleware(AccessLogMiddleware),
            Middleware(BodyLimitMiddleware, max_bytes=serving.max_body_bytes),
        ],
    )
    path = serving.model_path or settings.paths.models / "latest_model.joblib"
    try:
        predictor = Predictor.load(path)
    except ModelError as error:
        logger.error("not ready: %s", error)
        predictor = None
    _add_status_routes(app, predictor)
    _add_model_routes(app, predictor, serving)
    _add_error_handlers(app)
    return app


def _add_status_routes(app: FastAPI, predictor: Predictor | None) -> None:
    """Add what orchestrators ask: is the process alive, can it answer."""

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process is alive."""
        return {"status": "alive"}

    @app.get("/ready", responses={503: {"description": "No model is loaded"}})
    async def ready() -> dict[str, str]:
        """Say that a model is loaded."""
        _loaded(predictor)
        return {"status": "ready"}


def _add_model_routes(
    app: FastAPI, predictor: Predictor | None, serving: ServingSettings
) -> None:
    """Add what callers ask; of them an API key is asked, if one is configured."""

    def check_key(given: Annotated[str | None, Depends(api_key_header)]) -> None:
        if serving.api_key is None:
            return
        wanted = serving.api_key.get_secret_value()
        # In constant time: how long it takes must not tell how much of it is right.
        if not hmac.compare_digest((given or "").encode(), wanted.encode()):
            raise HTTPException(401, "the header X-API-Key is missing or wrong")

    protected = [Depends(check_key)]

    @app.get("/model", dependencies=protected)
    async def model() -> dict[str, Any]:
        """Say which model answers, what it was trained on and how good it was."""
        record = _loaded(predictor).record
        return {key: record[key] for key in PUBLIC_RECORD if key in record}

    # Not async: while it computes, in a thread, /health and /ready are answered.
    def predict(body: Any = Body()) -> Predictions:
        """Predict one row, or each row of a list.

        `unknown` names the columns of a row whose category is not in the data schema;
        the model treats it as a rare one.
        """
        loaded = _loaded(predictor)
        rows: list[Row] = body.root if isinstance(body.root, list) else [body.root]
        answers = loaded.predict([row.model_dump(by_alias=True) for row in rows])
        return Predictions(
            model_sha256=loaded.record["model_sha256"],
            predictions=[Prediction(**answer) for answer in answers],
        )

    if predictor is not None:
        row = row_model(predictor.schema, serving.unknown_categories)
        # The columns are known now, not when this file was written.
        predict.__annotations__["body"] = body_model(row, serving.max_rows)
    app.post("/predict", dependencies=protected, response_model_exclude_none=True)(
        predict
    )


def _add_error_handlers(app: FastAPI) -> None:
    """Say in one form what is wrong: the row, the column, the problem."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        """Answer 422 to values that the request model refuses."""
        problems = [_problem(detail) for detail in error.errors()[:MAX_PROBLEMS]]
        return JSONResponse({"detail": problems}, 422)

    @app.exception_handler(InvalidRows)
    async def invalid_rows(_: Request, error: InvalidRows) -> JSONResponse:
        """Answer 422 to values that the predictor refuses."""
        return JSONResponse({"detail": error.problems[:MAX_PROBLEMS]}, 422)

    @app.exception_handler(500)
    async def failed(request: Request, _: Exception) -> JSONResponse:
        """Answer 500 with the identifier under which the log has the traceback."""
        request_id = request.state.request_id
        detail = f"internal error; request {request_id}"
        return JSONResponse({"detail": detail}, 500, {REQUEST_ID: request_id})


def _loaded(predictor: Predictor | None) -> Predictor:
    """Return the predictor, or end the request with 503 if there is none."""
    if predictor is None:
        raise HTTPException(503, "no model is loaded; the log says why")
    return predictor


def _problem(detail: dict[str, Any]) -> dict[str, Any]:
    """Return an error of pydantic as the row, the column and the problem.

    Its location is ``body, row, <column>`` or ``body, rows, <number>, <column>``.
    """
    _, *where = detail["loc"]
    problem: dict[str, Any] = {}
    if where[:1] == [MANY] and len(where) > 1:
        problem["row"] = where.pop(1)
    if len(where) > 1:
        problem["column"] = where[1]
    problem["problem"] = detail["msg"].removeprefix("Value error, ")
    if isinstance(detail["input"], bool | int | float | str):
        problem["found"] = repr(detail["input"])[:MAX_FOUND_CHARACTERS]
    return problem


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings = settings_from(config_parser(__doc__).parse_args())
    serving = load_serving_settings()
    uvicorn.run(
        create_app(settings, serving),
        host=serving.host,
        port=serving.port,
        log_config=None,
        access_log=False,  # the middleware writes it, with the identifier
        server_header=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    run(main)

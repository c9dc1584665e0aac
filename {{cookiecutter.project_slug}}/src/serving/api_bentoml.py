"""Predictions over HTTP with BentoML.

Run as a module, it listens where ``config/serving_config.yaml`` says::

    python -m src.serving.api

BentoML's commands know it as ``src.serving.api:Predictions``: `bentoml serve` serves
it, and `bentoml build` packs it.
"""

# mypy: disable-error-code="untyped-decorator"
import os
import sys
from codecs import BOM_UTF8
from pathlib import Path
from typing import Annotated, Any

# First, as bentoml reads when it is imported what this sets.
from src.serving.middleware import Guard, drain_first, draining, log_as_all, media_type

import bentoml
from bentoml.exceptions import ServiceUnavailable
from bentoml.images import Image
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from src.data.schema import load_schema
from src.serving import schemas, tables
from src.serving.champion import Champion, NoModel
from src.serving.model import Model
from src.serving.recording import add_labels
from src.serving.settings import ServingSettings, check_address, load_serving_settings
from src.utils.cli import run
from src.utils.config import PROJECT_ROOT, Settings, load_settings
from src.utils.errors import ProjectError

# BentoML keeps some memory of each request until its time would be over.
TIMEOUT_SECONDS = 30
REFUSALS = {
    401: {"description": "The API key is missing or wrong"},
    413: {"description": "The body is too large"},
    415: {"description": "The body is of another type"},
    503: {"description": "No model is loaded"},
    504: {"description": f"It took more than {TIMEOUT_SECONDS} seconds"},
}


def create_service(settings: Settings, serving: ServingSettings) -> Any:
    """Return the service; it follows the champion once a server has started it.

    Without a model it starts as well, says so at ``/readyz`` and answers 503, because
    an orchestrator is to see that rather than a process that starts again and again.
    ``ConfigError`` if the data schema is not valid.
    """
    schema = load_schema(settings.data.schema_path, settings)
    Row: Any = schemas.row_model(schema)
    limits: Any = Field(min_length=1, max_length=serving.max_rows)

    @bentoml.service(image=image(), workers=1, traffic={"timeout": TIMEOUT_SECONDS})
    class Predictions:
        """Predictions of the champion."""

        def __init__(self) -> None:
            """Load the champion, and follow it."""
            log_as_all(settings.logging)
            drain_first(serving.drain_seconds)
            self.champion = Champion(settings, serving, schema, Row)
            self.champion.start()

        @bentoml.on_shutdown
        def stop(self) -> None:
            """Follow it no more."""
            self.champion.stop()

        def __is_ready__(self) -> bool:
            """Say that a model is loaded, and the service is not about to end."""
            return self.champion.model is not None and not draining.is_set()

        def loaded(self) -> Model:
            """Return the model that answers the present request."""
            try:
                return self.champion.loaded()
            except NoModel as error:
                raise ServiceUnavailable(str(error)) from None

        @bentoml.api(route="/v1/predict")
        async def predict(
            self, rows: Annotated[list[Row], limits]
        ) -> schemas.Predictions:
            """Predict each row."""
            model, values = self.loaded(), schemas.values_of(rows)
            answers = model.predict(values)
            self.champion.log.add(model.version, values, answers)
            return schemas.Predictions(
                model_version=model.version,
                predictions=[schemas.Prediction(**answer) for answer in answers],
            )

        @bentoml.api(route="/v1/predict/batch")
        def predict_table(self, table: Path, /, ctx: bentoml.Context) -> Any:
            """Predict the rows of a table; the answer is a table of the same type."""
            model, headers = self.loaded(), ctx.request.headers
            given = media_type(headers)
            accepted = headers.get("accept", "")
            is_known = accepted in tables.MEDIA_TYPES
            wanted = accepted if is_known else tables.ANSWERS[given]
            content = table.read_bytes().removeprefix(BOM_UTF8)  # the mark of Guard
            limit = serving.max_batch_rows
            try:
                with self.champion.log.recorded(model) as lent:
                    answer = tables.predict(content, given, wanted, lent, Row, limit)
            except tables.InvalidTable as error:
                ctx.response.status_code = 400
                problem = {"error": "invalid table", "detail": error.problems}
                return JSONResponse(problem)
            ctx.response.metadata["X-Model-Version"] = model.version
            return Response(answer, headers={"Content-Type": wanted})

        @bentoml.api(route="/model")
        async def model(self) -> dict[str, Any]:
            """Say which model answers, what it was trained on and how good it was."""
            return self.loaded().describe()

    service: Any = Predictions
    service.add_asgi_middleware(
        Guard,
        keys=serving.keys,
        max_bytes=serving.max_body_bytes,
        media_types={"/v1/predict/batch": tuple(tables.ANSWERS)},
    )

    app = Starlette()
    labels = add_labels(app, settings, schema, serving.max_rows)

    def document(_: Request) -> Response:
        return JSONResponse(describe(service, bool(serving.keys), labels))

    app.add_route("/docs.json", document)
    service.mount_asgi_app(app)
    return service


def describe(service: Any, needs_key: bool, others: dict[str, Any]) -> dict[str, Any]:
    """Return BentoML's document with what it cannot know, and what it says wrongly."""
    document: dict[str, Any] = service.openapi_spec.asdict()
    components, paths = document["components"], document["paths"] | others
    document["paths"] = paths
    problems = components["schemas"]["InvalidArgument"]["properties"]
    problems["detail"] = {"type": "array", "items": {"type": "object"}}  # not a text
    paths["/readyz"]["get"]["responses"][503] = REFUSALS[503]
    asked = [path["post"] for path in paths.values() if "post" in path]
    for operation in asked:
        operation["responses"] |= REFUSALS
        schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
        operation["requestBody"]["required"] = schema.get("properties") != {}
        if needs_key:
            operation["security"] = [{"key": []}]
    if needs_key:
        key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        components["securitySchemes"] = {"key": key}
    binary = {"schema": {"type": "string", "format": "binary"}}
    table = paths["/v1/predict/batch"]["post"]
    table["requestBody"]["content"] = dict.fromkeys(tables.ANSWERS, binary)
    table["responses"][200]["content"] = dict.fromkeys(tables.MEDIA_TYPES, binary)
    return document


def image() -> Image:
    """Return what `bentoml build` installs: what the project imports, as pinned."""
    text = (PROJECT_ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = text.partition("# Tests")[0].splitlines()
    packages = [line for line in lines if not line.startswith("-")]
    pins = f"-c {PROJECT_ROOT / 'constraints.txt'}"
    return Image(python_version="3.11").python_packages(pins, *packages)


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings, serving = load_settings(), load_serving_settings()
    check_address(serving)
    load_schema(settings.data.schema_path, settings)  # says here what is wrong with it
    where = ["--host", serving.host, "--port", str(serving.port)]
    command = ["-m", "bentoml", "serve", "src.serving.api:Predictions", *where]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    run(main)
else:  # for BentoML's commands, which would show a traceback
    try:
        Predictions = create_service(load_settings(), load_serving_settings())
    except ProjectError as problem:
        sys.exit(f"error: {problem}")

"""Predictions over HTTP with Flask, on the threads of one process of gunicorn, as
``config/serving_config.yaml`` says: ``python -m src.serving.api``. Any WSGI server can:
``gunicorn --threads 16 "src.serving.api:create_app()"``."""

import os
import secrets
from functools import partial
from threading import BoundedSemaphore, Timer
from types import FrameType
from typing import Any

from flask import Blueprint, Flask, Response, request
from flask.typing import ResponseReturnValue
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import TypeAdapter, ValidationError
from werkzeug import exceptions
from werkzeug.datastructures import WWWAuthenticate

from src.data.schema import load_schema
from src.serving import schemas, tables
from src.serving.champion import Champion, NoModel
from src.serving.middleware import content_of, observe
from src.serving.recording import add_labels
from src.serving.settings import ServingSettings, check_address, load_serving_settings
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings, load_settings

MAX_TABLES = 2  # at a time: the other threads are for those who ask about rows
GRACE_SECONDS = 30  # for requests under way when the service ends


def create_app(
    settings: Settings | None = None, serving: ServingSettings | None = None
) -> Flask:
    """Return the application; settings that are None are read from their files. Without
    a model it starts as well, says so at ``/ready`` and answers 503: orchestrators are
    to see that rather than a process that starts again and again."""
    settings = settings or load_settings()
    serving = serving or load_serving_settings()
    schema = load_schema(settings.data.schema_path, settings)
    champion = Champion(settings, serving, schema, schemas.row_model(schema))
    champion.start()
    rows = schemas.body_type(champion.row, serving.max_rows)
    body: TypeAdapter[Any] = TypeAdapter(rows)
    app = Flask(__name__)
    app.extensions["champion"] = champion
    app.config.update(MAX_CONTENT_LENGTH=serving.max_body_bytes, DRAINING=False)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # its default has it
    observe(app)
    add_errors(app)
    document = describe(settings.project.name, body, bool(serving.keys))
    add_status(app, champion, document)
    protected = predictions(champion, body)
    document["paths"] |= add_labels(protected, settings, schema, serving.max_rows)
    app.register_blueprint(protected)
    return app


def add_errors(app: Flask) -> None:
    """Answer errors in JSON, in the form that the documentation of Flask has."""

    @app.errorhandler(exceptions.HTTPException)
    def refused(error: exceptions.HTTPException, **more: Any) -> ResponseReturnValue:
        problem = {"code": error.code, "name": error.name, **more}
        headers = [(k, v) for k, v in error.get_headers() if k != "Content-Type"]
        return {**problem, "description": error.description}, error.code or 500, headers

    @app.errorhandler(ValidationError)
    @app.errorhandler(tables.InvalidTable)
    def invalid(error: Any) -> ResponseReturnValue:
        is_table = isinstance(error, tables.InvalidTable)
        problems = error.problems if is_table else schemas.problems_of(error.errors())
        refusal = exceptions.UnprocessableEntity("Some values are not what is needed.")
        return refused(refusal, detail=problems)

    @app.errorhandler(NoModel)
    def no_model(error: NoModel) -> ResponseReturnValue:
        return refused(exceptions.ServiceUnavailable(str(error), retry_after=1))


def predictions(champion: Champion, body: TypeAdapter[Any]) -> Blueprint:
    """Return the routes that predict, and say by which model, to callers with a key."""
    protected, serving = Blueprint("predictions", __name__), champion.serving
    busy = BoundedSemaphore(MAX_TABLES)

    @protected.before_request
    def check_key() -> None:
        given = request.headers.get("X-API-Key", "").encode()
        # Each one is compared, and to its end: the time must not tell how much fits.
        fitting = sum(secrets.compare_digest(given, key) for key in serving.keys)
        if serving.keys and not fitting:
            how = WWWAuthenticate("APIKey")
            raise exceptions.Unauthorized("X-API-Key is missing or wrong.", None, how)

    @protected.post("/v1/predict")
    def predict() -> ResponseReturnValue:
        model, content = champion.loaded(), content_of("application/json")
        values = schemas.values_of(body.validate_json(content))
        answers = model.predict(values)
        champion.log.add(model.version, values, answers)
        return {"model_version": model.version, "predictions": answers}

    @protected.post("/v1/predict/batch")
    def predict_table() -> ResponseReturnValue:
        model, given = champion.loaded(), request.mimetype
        content = content_of(*tables.ANSWERS)
        known = [tables.ANSWERS[given], *tables.MEDIA_TYPES]
        wanted = request.accept_mimetypes.best_match(known, known[0])
        if not busy.acquire(blocking=False):
            raise exceptions.ServiceUnavailable("Too many tables.", retry_after=1)
        try:
            with champion.log.recorded(model) as lent:
                arguments = (given, wanted, lent, champion.row, serving.max_batch_rows)
                answer = tables.predict(content, *arguments)
        finally:
            busy.release()
        headers = {"Content-Type": wanted, "X-Model-Version": model.version}
        return Response(answer, headers=headers)

    @protected.get("/model")
    def model() -> ResponseReturnValue:
        return champion.loaded().describe()

    return protected


def add_status(app: Flask, champion: Champion, document: dict[str, Any]) -> None:
    """Add the page, and the routes that say how the service is, to everybody."""

    @app.get("/")
    def page() -> ResponseReturnValue:
        return app.send_static_file("index.html")

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return {"status": "alive"}

    @app.get("/ready")
    def ready() -> ResponseReturnValue:
        if app.config["DRAINING"]:
            raise exceptions.ServiceUnavailable("The service is about to end.")
        return {"status": "ready", "model_version": champion.loaded().version}

    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        if champion.model is not None:
            example = champion.model.record["example"]
            document["components"]["schemas"]["Row"]["examples"] = [example]
        return document


def describe(title: str, body: TypeAdapter[Any], needs_key: bool) -> dict[str, Any]:
    """Return what OpenAPI says of the routes for callers with a key."""
    answer = TypeAdapter(schemas.Predictions)
    kinds, known = TypeAdapter.json_schemas(
        [("body", "validation", body), ("answer", "serialization", answer)],
        ref_template="#/components/schemas/{model}",
    )
    rows, answers = ({"application/json": {"schema": kind}} for kind in kinds.values())
    table: dict[str, Any] = dict.fromkeys(tables.MEDIA_TYPES, {})

    def route(found: dict[str, Any], **content: Any) -> dict[str, Any]:
        answered = {"description": "The answer", "content": found}
        refused = {"description": "A refusal, which says why"}
        body = {"requestBody": {"required": True, **content}} if content else {}
        return {"responses": {"200": answered, "default": refused}, **body}

    key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": {
            "/v1/predict": {"post": route(answers, content=rows)},
            "/v1/predict/batch": {"post": route(table, content=table)},
            "/model": {"get": route({"application/json": {}})},
        },
        "components": {"schemas": known["$defs"], "securitySchemes": {"key": key}},
        "security": [{"key": []}] if needs_key else [],
    }


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Answers for a while after SIGTERM, so that callers can go elsewhere."""

    def handle(self, conn: Any) -> Any:
        """Answer also what was read behind a refused body: nothing wakes us for it."""
        while (goes_on := super().handle(conn)) is True:
            if not conn.parser.unreader.buf.getvalue():
                break
        return goes_on

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Make each answer the last one of its connection; end a little later."""
        self.wsgi.config["DRAINING"] = True
        self.max_keepalived = 0
        end = super().handle_exit

        def let_go() -> None:
            for conn in (*self.keepalived_conns, *self.pending_conns):
                conn.timeout = 0.0  # which nobody uses, and which are waited for
            end(sig, frame)

        seconds = self.cfg.graceful_timeout - GRACE_SECONDS
        Timer(seconds, self.method_queue.defer, [let_go]).start()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Let in at the end who is connected already, and nobody after that."""
        super().set_accept_enabled(enabled)
        for listener in [] if self.alive else self.sockets:
            for _ in range(self.cfg.backlog):  # no more can be waiting
                self.accept(listener)
            listener.close()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with options that are given, as its documentation has it."""

    def __init__(self, load: Any, **options: Any) -> None:
        """Take what makes the application, in the process that answers."""
        self.load, self.options = load, options
        super().__init__()

    def load_config(self) -> None:
        """Set the options."""
        for name, value in self.options.items():
            self.cfg.set(name, value)


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings = settings_from(config_parser(__doc__).parse_args())
    serving = load_serving_settings()
    check_address(serving)
    load_schema(settings.data.schema_path, settings)  # says here what is wrong with it
    log = {"level": settings.logging.level, "propagate": True}
    Server(
        partial(create_app, settings, serving),
        bind=f"{serving.host}:{serving.port}",
        worker_class=Worker,
        threads=16,  # of one process, which has all the metrics
        keepalive=75,  # longer than load balancers keep their connections
        graceful_timeout=round(serving.drain_seconds) + GRACE_SECONDS,
        # A file, where none may be written.
        worker_tmp_dir="/dev/shm" if os.path.isdir("/dev/shm") else None,
        control_socket_disable=True,
        # Its lines go where the project's do, in their format.
        logconfig_dict={"root": {}, "handlers": {}, "loggers": {"gunicorn.error": log}},
    ).run()


if __name__ == "__main__":
    run(main)

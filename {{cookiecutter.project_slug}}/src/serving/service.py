"""The contract of the service: its routes, and what each of them answers.

No web framework is used here; the adapters of the frameworks carry requests in and
answers out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from src.serving import openapi
from src.serving.access_log import AccessLog
from src.serving.batch import MEDIA_TYPES, read_table, write_table
from src.serving.follower import Follower, Models
from src.serving.keys import ApiKeys
from src.serving.messages import JSON, Refused, Request, Response, Route
from src.serving.metrics import MEDIA_TYPE, Metrics
from src.serving.middleware import RETRY, Gate
from src.serving.page import read_page
from src.serving.predictor import Answer, Predictor
from src.serving.routing import Router
from src.serving.rows import InvalidRequest, Row
from src.serving.settings import ServingSettings, load_serving_settings
from src.serving.source import make_source
from src.utils.config import Settings, load_settings

if TYPE_CHECKING:  # a service that is never asked for tables has no need of its memory
    import pyarrow as pa

# What of the model's record callers are told.
PUBLIC_RECORD = (
    "model_type",
    "model_sha256",
    "created",
    "code_revision",
    "data",
    "classes",
    "features",
    "metrics",
    "export",
    "schema",
)
# How the problem of a value begins that is beyond the limits of its column.
OUT_OF_RANGE = (
    "Input should be greater than or equal to",
    "Input should be less than or equal to",
    "Input should not be before",
    "Input should not be after",
)


class Service:
    """Answers requests with the models that the registry names.

    Attributes:
        routes: The contract.
        gate: What every request passes on its way to them.
        describe: Makes the OpenAPI document; an adapter may add to the contract's.
    """

    def __init__(
        self,
        settings: Settings,
        serving: ServingSettings,
        follower: Follower,
        router: Router,
        metrics: Metrics,
        keys: ApiKeys,
    ) -> None:
        """Take the parts; ``make_service`` makes them."""
        self._settings = settings
        self._serving = serving
        self._follower = follower
        self._router = router
        self._metrics = metrics
        self._access_log = AccessLog()
        self.describe: Callable[[], dict[str, Any]] = self.document
        self._described: tuple[Predictor | None, Response] | None = None
        self._page = read_page()
        self.routes: tuple[Route, ...] = (
            Route("POST", "/v1/predict", self.predict, True, serving.max_body_bytes),
            Route(
                "POST",
                "/v1/predict/batch",
                self.predict_batch,
                True,
                serving.max_batch_bytes,
                is_slow=True,
            ),
            Route("GET", "/model", self.model),
            Route("GET", "/health", self.health, protected=False),
            Route("GET", "/ready", self.ready, protected=False),
            Route("GET", "/metrics", self.metrics, protected=False),
            Route("GET", "/openapi.json", self.openapi, protected=False),
            *(Route("GET", path, self.page, protected=False) for path in self._page),
        )
        self.gate = Gate(
            self.routes, serving, keys, metrics, self._access_log, self._model_version
        )

    def start(self) -> None:
        """Follow the registry and write the access log, in threads."""
        self._follower.start()
        self._access_log.start()

    def stop(self) -> None:
        """End what :meth:`start` began, once no request is under way."""
        self._follower.stop()
        self._router.stop()
        self._access_log.stop()

    def predict(self, request: Request) -> Response:
        """Predict one row, or each row of a list."""
        if request.headers.get("content-type") != JSON:
            _media_type(request, (JSON,))
        models = self._models()

        def work(predictor: Predictor) -> tuple[list[Row], list[Answer]]:
            rows = predictor.reader.read(request.body)
            return rows, predictor.predict(rows)

        try:
            predictor, found = self._router.answer(models, self._key(request), work)
        except InvalidRequest as error:
            raise self._invalid(error) from None
        rows, answers = found
        for answer in answers:
            self._metrics.predicted(answer["prediction"])
        self._router.shadow(models, rows, answers, request.request_id)
        content = {"model_version": predictor.version, "predictions": answers}
        return Response(200, to_json(content), JSON, (), predictor.version)

    def predict_batch(self, request: Request) -> Response:
        """Predict the rows of a table."""
        given = _media_type(request, MEDIA_TYPES)
        models = self._models()

        def work(predictor: Predictor) -> "pa.Table":
            table = read_table(request.body, given, predictor, self._serving)
            return predictor.predict_table(table)

        try:
            predictor, answers = self._router.answer(models, self._key(request), work)
        except InvalidRequest as error:
            raise self._invalid(error) from None
        for row in answers["prediction"].value_counts().to_pylist():
            self._metrics.predicted(row["values"], row["counts"])
        media_type = _wanted(request, given)
        body = write_table(answers, media_type)
        return Response(200, body, media_type, (), predictor.version)

    def model(self, _: Request) -> Response:
        """Say which model answers, what it was trained on and how good it was."""
        predictor = self._models().champion
        assert predictor is not None
        record = predictor.record
        content = {
            "version": predictor.version,
            "role": "champion",
            "runtime": predictor.engine.runtime,
            **{key: record[key] for key in PUBLIC_RECORD if key in record},
            "challenger": self._challenger(),
        }
        return _json(200, content)

    def health(self, _: Request) -> Response:
        """Say that the process is alive."""
        return _json(200, {"status": "alive"})

    def ready(self, _: Request) -> Response:
        """Say that a model is loaded, and that the service is not about to end."""
        if self.gate.is_draining:
            raise Refused(503, "the service is about to end", RETRY)
        self._models()
        return _json(200, {"status": "ready"})

    def metrics(self, _: Request) -> Response:
        """Return the metrics for Prometheus."""
        return Response(200, self._metrics.render(), MEDIA_TYPE)

    def openapi(self, _: Request) -> Response:
        """Return the description of this service for programs."""
        champion = self._follower.models.champion
        if self._described is None or self._described[0] is not champion:
            self._described = champion, _json(200, self.describe())
        return self._described[1]

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the columns of the champion."""
        project, champion = self._settings.project, self._follower.models.champion
        return openapi.document(
            project.name, project.description, champion, self._serving
        )

    def page(self, request: Request) -> Response:
        """Return a file of the page for people."""
        file = self._page[request.path]
        return Response(200, file.body, file.media_type, file.headers)

    def _models(self) -> Models:
        """Return the loaded models, or refuse the request if there is no champion."""
        models = self._follower.models
        if models.champion is None:
            raise Refused(503, "no model is loaded; the log says why", RETRY)
        return models

    def _key(self, request: Request) -> str:
        """Return what decides which model answers a request."""
        name = self._serving.challenger_key.lower()
        return request.headers.get(name, request.request_id)

    def _model_version(self) -> str:
        """Return the version of the champion, for answers that no model gives."""
        champion = self._follower.models.champion
        return "none" if champion is None else champion.version

    def _challenger(self) -> dict[str, Any] | None:
        """Return what callers are told of the challenger."""
        challenger = self._follower.models.challenger
        if challenger is None:
            return None
        return {
            "version": challenger.version,
            "model_type": challenger.record.get("model_type"),
            "mode": self._serving.challenger,
            "share": self._serving.challenger_share,
        }

    def _invalid(self, error: InvalidRequest) -> Refused:
        """Return the refusal of values; those out of range are counted."""
        for problem in error.problems:
            if problem["problem"].startswith(OUT_OF_RANGE):
                count = problem.get("count", 1)
                self._metrics.out_of_range(problem["column"], count)
        return Refused(422, error.problems)


def make_service(
    settings: Settings | None = None, serving: ServingSettings | None = None
) -> Service:
    """Return the service as configured, its model loaded if there is one.

    Without a model it starts as well, says so at ``/ready`` and answers 503, because
    an orchestrator is to see that rather than a process that starts again and again.

    Args:
        settings: Where models are; read from the configuration files if None.
        serving: How to serve; read from the configuration files if None.

    Raises:
        ConfigError: If a configuration file is not valid.
    """
    settings = settings or load_settings()
    serving = serving or load_serving_settings()
    metrics = Metrics()
    follower = Follower(make_source(settings, serving), serving, metrics)
    return Service(
        settings, serving, follower, Router(serving, metrics), metrics, ApiKeys(serving)
    )


def _json(status: int, content: Any) -> Response:
    """Return an answer in JSON."""
    return Response(status, to_json(content))


def _media_type(request: Request, allowed: tuple[str, ...]) -> str:
    """Return the type of the body, without parameters.

    Raises:
        Refused: If it is none of ``allowed``.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        found = given or "none"
        detail = f"Content-Type is {found}, expected {' or '.join(allowed)}"
        raise Refused(415, detail)
    return given


def _wanted(request: Request, given: str) -> str:
    """Return the type of table that the caller names first; that of its own if none."""
    accepted = request.headers.get("accept", "").split(",")
    names = (part.partition(";")[0].strip().lower() for part in accepted)
    return next((name for name in names if name in MEDIA_TYPES), given)

"""What the service counts and measures, for Prometheus to collect.

The metrics of a service are its own: two in one process do not share any. Their
children are looked up once and kept, as that costs more than to count.
"""

from collections.abc import Callable, Collection, Hashable
from typing import Any, NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A caller can make up any method, and each would be kept for ever.
METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
# From less than one row takes to more than anybody waits for.
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
NUMBER = "number"  # the label of a prediction that is one

Child = TypeVar("Child")


class ModelInfo(NamedTuple):
    """A model in use, as the labels of ``model_info`` name it."""

    version: str
    sha256: str
    runtime: str
    role: str


class _Children(dict[Hashable, Child]):
    """The children of a metric by their labels, each looked up once."""

    def __init__(self, make: Callable[..., Child]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, labels: Any) -> Child:
        child = self.make(*labels) if isinstance(labels, tuple) else self.make(labels)
        self[labels] = child
        return child


class Metrics:
    """All metrics of one service.

    Attributes:
        registry: Where they are collected from.
        in_flight: Requests that are being worked on; ``inc`` and ``dec`` it.
        model_refused: Models that could not be loaded.
        shadow_dropped: Predictions that the challenger had no time for.
    """

    def __init__(self) -> None:
        """Make them, all at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.in_flight = Gauge(
            "http_requests_in_flight",
            "Requests that are being worked on.",
            registry=self.registry,
        )
        self.model_refused = self._counter(
            "model_refused", "Models that could not be loaded and were not used."
        )
        self.shadow_dropped = self._counter(
            "shadow_dropped", "Predictions that the challenger had no time for."
        )
        self._model_info = Gauge(
            "model_info",
            "The models in use.",
            ModelInfo._fields,
            registry=self.registry,
        )
        self._models: set[ModelInfo] = set()
        durations = Histogram(
            "http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            ["method", "route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._durations = _Children(durations.labels)
        self._requests = self._children(
            "http_requests", "Requests that were answered.", "method", "route", "status"
        )
        self._predictions = self._children(
            "predictions", f"Predicted rows by label, or {NUMBER}.", "label"
        )
        self._violations = self._children(
            "feature_range_violations", "Values beyond their limits.", "column"
        )
        self._shadow = self._children(
            "shadow_predictions",
            "Predictions of the challenger beside the champion's: yes, no or failed.",
            "agrees",
        )
        self._canary = self._children(
            "canary_requests",
            "Requests sent to the challenger: answered, or failed and so answered by "
            "the champion.",
            "outcome",
        )

    def finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            method: Its method.
            route: The route it took; one word for all paths that are none.
            status: The status of the answer.
            seconds: How long it took.
        """
        if method not in METHODS:
            method = "other"
        self._durations[method, route].observe(seconds)
        self._requests[method, route, status].inc()

    def predicted(self, prediction: object, rows: int = 1) -> None:
        """Count predicted rows.

        Args:
            prediction: What was predicted for them: a label, or a number.
            rows: How many.
        """
        label = prediction if isinstance(prediction, str) else NUMBER
        self._predictions[label].inc(rows)

    def out_of_range(self, column: str, values: int = 1) -> None:
        """Count values beyond the limits of a column, which must be of the schema."""
        self._violations[column].inc(values)

    def shadowed(self, agrees: str, rows: int) -> None:
        """Count rows of the challenger that agree: ``yes``, ``no`` or ``failed``."""
        self._shadow[agrees].inc(rows)

    def sent_to_canary(self, outcome: str) -> None:
        """Count a request to the challenger that it ``answered`` or ``failed``."""
        self._canary[outcome].inc()

    def use_models(self, models: Collection[ModelInfo]) -> None:
        """Say which models are in use from now on; no others are."""
        now = set(models)
        for model in now - self._models:
            self._model_info.labels(*model).set(1)
        for model in self._models - now:
            self._model_info.remove(*model)
        self._models = now

    def render(self) -> bytes:
        """Return all metrics as text of ``MEDIA_TYPE``."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _children(self, name: str, text: str, *labels: str) -> _Children[Counter]:
        return _Children(self._counter(name, text, *labels).labels)

"""What the service counts and measures."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.serving.metrics import Metrics, ModelInfo

FIRST = ModelInfo("1", "aa", "onnxruntime", "champion")
SECOND = ModelInfo("2", "bb", "scikit-learn", "champion")


def value_of(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("method", "counted"), [("GET", "GET"), ("MADE-UP", "other"), ("get", "other")]
)
def test_a_request_is_counted_and_measured(method: str, counted: str) -> None:
    metrics = Metrics()
    for seconds in (0.002, 0.02):
        metrics.finished(method, "/model", 200, seconds)
    route = {"method": counted, "route": "/model"}
    assert value_of(metrics, "http_requests_total", status="200", **route) == 2
    name = "http_request_duration_seconds"
    assert value_of(metrics, f"{name}_sum", **route) == pytest.approx(0.022)
    assert value_of(metrics, f"{name}_bucket", le="0.0025", **route) == 1


def test_predictions_are_counted_by_label_and_numbers_together() -> None:
    metrics = Metrics()
    metrics.predicted("yes")
    metrics.predicted("yes", 4)
    for number in (1.5, 2.5, 3):
        metrics.predicted(number)
    assert value_of(metrics, "predictions_total", label="yes") == 5
    assert value_of(metrics, "predictions_total", label="number") == 3


def test_what_happens_to_requests_and_models_is_counted() -> None:
    metrics = Metrics()
    metrics.in_flight.inc()
    metrics.model_refused.inc()
    metrics.shadow_dropped.inc(3)
    metrics.out_of_range("age", 2)
    metrics.shadowed("yes", 10)
    metrics.sent_to_canary("failed")
    assert value_of(metrics, "http_requests_in_flight") == 1
    assert value_of(metrics, "model_refused_total") == 1
    assert value_of(metrics, "shadow_dropped_total") == 3
    assert value_of(metrics, "feature_range_violations_total", column="age") == 2
    assert value_of(metrics, "shadow_predictions_total", agrees="yes") == 10
    assert value_of(metrics, "canary_requests_total", outcome="failed") == 1


def test_the_models_in_use_replace_those_before() -> None:
    metrics = Metrics()
    metrics.use_models([FIRST])
    metrics.use_models([SECOND, FIRST._replace(role="challenger")])
    assert value_of(metrics, "model_info", **FIRST._asdict()) is None
    assert value_of(metrics, "model_info", **SECOND._asdict()) == 1
    challenger = FIRST._asdict() | {"role": "challenger"}
    assert value_of(metrics, "model_info", **challenger) == 1


def test_the_text_can_be_read_and_no_other_service_is_in_it() -> None:
    metrics, other = Metrics(), Metrics()
    other.predicted("no")
    metrics.predicted('a "label"\n')
    families = text_string_to_metric_families(metrics.render().decode())
    labels = [s.labels for f in families for s in f.samples if f.name == "predictions"]
    assert labels[0] == {"label": 'a "label"\n'}
    assert {"label": "no"} not in labels

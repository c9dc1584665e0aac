"""The API in detail, with FastAPI's own client."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from src.serving import tables
from src.serving.api import create_app
from src.serving.settings import ServingSettings
from tests.fixtures.serving import ROW, made_up_model, served_settings

LIMITS = {"max_rows": 20, "max_body_bytes": 8_000, "max_batch_rows": 30}
CSV = {"Content-Type": tables.CSV}
COUNTED = "http_request_duration_seconds_count"


def client_of(folder: Path, **serving: Any) -> TestClient:
    """Return a client of a service with a made-up model, which nobody follows."""
    settings = ServingSettings.model_validate(LIMITS | serving)
    app = create_app(served_settings(folder), settings)
    app.state.champion.model = made_up_model()
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return client_of(tmp_path)


def test_a_number_is_predicted_without_probabilities(client: TestClient) -> None:
    client.app.state.champion.model = made_up_model(classes=())  # type: ignore
    answer = client.post("/v1/predict", json=ROW).json()
    assert answer["predictions"] == [{"prediction": 40.0, "unknown": []}]


def test_the_model_is_described_and_its_example_documented(client: TestClient) -> None:
    described = client.get("/model").json()
    assert (described["version"], described["runtime"]) == ("3", "onnxruntime")
    assert "configuration" not in described
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert row["examples"] == [ROW]
    assert row["required"] == ["age", "member", "signed up"]
    age = row["properties"]["age"]
    assert (age["type"], age["minimum"], age["maximum"]) == ("integer", 18, 79)


def test_every_answer_has_an_identifier_and_is_not_kept(client: TestClient) -> None:
    for path in ("/health", "/v1/nothing"):
        given = client.get(path, headers={"X-Request-ID": "from.a-proxy_7"})
        assert given.headers["x-request-id"] == "from.a-proxy_7"
        made = client.get(path, headers={"X-Request-ID": '"{}"'})
        assert made.headers["x-request-id"] not in ("", '"{}"')
        assert made.headers["cache-control"] == "no-store"


def test_requests_are_logged_and_counted_by_route(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"route": "/v1/predict", "status": "422"}
    before = REGISTRY.get_sample_value(COUNTED, labels) or 0
    with client:  # its end writes what is left of the log
        client.post("/v1/predict", json={"age": "secret"})
        client.get("/secret")
    assert REGISTRY.get_sample_value(COUNTED, labels) == before + 1
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/v1/predict", 422),
        ("other", 404),
    ]
    assert "secret" not in text


def test_a_model_that_fails_is_a_defect_and_not_shown(client: TestClient) -> None:
    def run(rows: Any) -> Any:
        raise RuntimeError("personal data")

    object.__setattr__(client.app.state.champion.model, "run", run)  # type: ignore
    answer = client.post("/v1/predict", json=ROW)
    assert (answer.status_code, "personal" in answer.text) == (500, False)


def test_at_the_end_callers_are_told_to_go_elsewhere(client: TestClient) -> None:
    client.app.state.draining = True  # type: ignore[attr-defined]
    assert client.get("/ready").status_code == 503
    answer = client.post("/v1/predict", json=ROW)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")

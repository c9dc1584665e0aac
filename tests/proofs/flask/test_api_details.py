"""The API in detail, with Flask's own client."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from src.serving import tables
from src.serving.api import create_app
from src.serving.champion import Champion
from src.serving.settings import ServingSettings
from tests.fixtures.serving import ROW, made_up_model, served_settings

LIMITS = {"max_rows": 20, "max_body_bytes": 8_000, "max_batch_rows": 30}
COUNTED = "http_request_duration_seconds_count"


def client_of(folder: Path, **serving: Any) -> FlaskClient:
    """Return a client of a service with a made-up model, which nobody follows."""
    settings = ServingSettings.model_validate(LIMITS | serving)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Champion, "start", lambda _: None)
        app = create_app(served_settings(folder), settings)
    app.extensions["champion"].model = made_up_model()
    return app.test_client()


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return client_of(tmp_path)


def table(count: int, **values: Any) -> dict[str, Any]:
    data = pd.DataFrame([ROW | values] * count).to_csv(index=False)
    return {"data": data, "content_type": tables.CSV}


def test_a_number_is_predicted_without_probabilities(client: FlaskClient) -> None:
    client.application.extensions["champion"].model = made_up_model(classes=())
    answer = client.post("/v1/predict", json=ROW)
    assert answer.json["predictions"] == [{"prediction": 40.0, "unknown": []}]


def test_a_body_that_says_no_length_has_the_same_limit(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/predict/batch",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},  # as gunicorn says
        **table(400),
    )
    assert answer.status_code == 413


def test_the_model_is_described_and_its_example_documented(client: FlaskClient) -> None:
    described = client.get("/model").json
    assert (described["version"], described["runtime"]) == ("3", "onnxruntime")
    row = client.get("/openapi.json").json["components"]["schemas"]["Row"]
    assert row["examples"] == [ROW]
    assert list(row["properties"]) == list(ROW)  # in the order of the schema
    age = row["properties"]["age"]
    assert (age["type"], age["minimum"], age["maximum"]) == ("integer", 18, 79)


def test_every_answer_has_an_identifier_and_is_not_kept(client: FlaskClient) -> None:
    for path in ("/health", "/v1/nothing"):
        given = client.get(path, headers={"X-Request-ID": "from.a-proxy_7"})
        assert given.headers["X-Request-ID"] == "from.a-proxy_7"
        made = client.get(path, headers={"X-Request-ID": '"{}"'})
        assert made.headers["X-Request-ID"] not in ("", '"{}"')
        assert made.headers["Cache-Control"] == "no-store"


def test_requests_are_logged_and_counted_by_route(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"route": "/v1/predict", "status": "422"}
    before = REGISTRY.get_sample_value(COUNTED, labels) or 0
    client.post("/v1/predict", json={"age": "secret"})
    client.get("/secret")
    assert REGISTRY.get_sample_value(COUNTED, labels) == before + 1
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    logged = [(line["path"], line["status"]) for line in lines]
    assert logged == [("/v1/predict", 422), ("other", 404)]
    assert {"time", "level", "logger", "message", "request_id"} <= lines[0].keys()
    assert "secret" not in text


def test_a_model_that_fails_is_a_defect_and_not_shown(client: FlaskClient) -> None:
    def run(rows: Any) -> Any:
        raise RuntimeError("personal data")

    model = client.application.extensions["champion"].model
    object.__setattr__(model, "run", run)
    answer = client.post("/v1/predict", json=ROW)
    assert (answer.status_code, "personal" in answer.text) == (500, False)

"""The API in detail, with FastAPI's own client."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
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


def state_of(client: TestClient) -> Any:
    app: Any = client.app
    return app.state


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return client_of(tmp_path)


def test_a_number_is_predicted_without_probabilities(client: TestClient) -> None:
    state_of(client).champion.model = made_up_model(classes=())
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
    client.post("/v1/predict", json={"age": "secret"})
    client.get("/secret")
    assert REGISTRY.get_sample_value(COUNTED, labels) == before + 1
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/v1/predict", 422),
        ("other", 404),
    ]
    assert {"time", "level", "logger", "message", "request_id"} <= lines[0].keys()
    assert "secret" not in text


def test_a_model_that_fails_is_a_defect_and_not_shown(client: TestClient) -> None:
    def run(rows: Any) -> Any:
        raise RuntimeError("personal data")

    object.__setattr__(state_of(client).champion.model, "run", run)
    answer = client.post("/v1/predict", json=ROW)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal Server Error"}
    assert answer.headers["x-request-id"] and "x-frame-options" in answer.headers


def test_rows_with_a_defect_do_not_fail_those_that_came_with_them(
    client: TestClient,
) -> None:
    together = []

    def run(rows: Any) -> Any:
        together.append(len(rows))
        if any(row["age"] == 66 for row in rows):
            raise RuntimeError("a defect")
        return np.array([[row["age"] / 100, 1 - row["age"] / 100] for row in rows])

    object.__setattr__(state_of(client).champion.model, "run", run)

    async def ask() -> list[httpx2.Response]:
        to = httpx2.ASGITransport(client.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=to, base_url="http://it") as caller:
            rows = [ROW | {"age": age} for age in (25, 66, 75)]
            asked = [caller.post("/v1/predict", json=row) for row in rows]
            return await asyncio.gather(*asked)

    first, second, third = asyncio.run(ask())
    assert together[0] == 3
    assert [first.status_code, second.status_code, third.status_code] == [200, 500, 200]
    for answer, share in ((first, 0.25), (third, 0.75)):
        assert answer.json()["predictions"][0]["probabilities"]["no"] == share


def test_at_the_end_callers_are_told_to_go_elsewhere(client: TestClient) -> None:
    state_of(client).draining = True
    assert client.get("/ready").status_code == 503
    answer = client.post("/v1/predict", json=ROW)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")

"""The contract of the service: its routes, statuses, keys, limits and log."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from src.serving import tables
from src.serving.api import create_app
from src.serving.settings import ServingSettings
from tests.fixtures.serving import ROW, made_up_model, served_settings

LIMITS = {"max_rows": 20, "max_body_bytes": 8_000, "max_batch_rows": 30}
CSV = {"Content-Type": tables.CSV}


def client_of(folder: Path, **serving: Any) -> TestClient:
    """Return a client of a service with a made-up model, which nobody follows."""
    settings = ServingSettings.model_validate(LIMITS | serving)
    app = create_app(served_settings(folder), settings)
    app.state.champion.model = made_up_model()
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return client_of(tmp_path)


def table(count: int, **values: Any) -> bytes:
    return pd.DataFrame([ROW | values] * count).to_csv(index=False).encode()


def test_one_row_and_many_are_answered(client: TestClient) -> None:
    one = client.post("/v1/predict", json=ROW)
    answer = {
        "prediction": "yes",
        "probabilities": {"no": 0.25, "yes": 0.75},
        "unknown": [],
    }
    assert one.json() == {"model_version": "3", "predictions": [answer]}
    many = client.post("/v1/predict", json=[ROW] * 20).json()
    assert many["predictions"] == [answer] * 20


def test_a_table_is_answered_in_the_format_that_is_accepted(client: TestClient) -> None:
    parquet = {"Accept": tables.PARQUET}
    answer = client.post("/v1/predict/batch", content=table(3), headers=CSV | parquet)
    assert answer.headers["content-type"] == tables.PARQUET
    assert answer.headers["x-model-version"] == "3"
    frame = pd.read_parquet(io.BytesIO(answer.content))
    assert frame["prediction"].tolist() == ["yes"] * 3


def test_every_wrong_value_is_named(client: TestClient) -> None:
    wrong = {**ROW, "age": 7, "member": "perhaps", "more": float("nan")}
    content = json.dumps([ROW, wrong])
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/predict", content=content, headers=headers)
    assert answer.status_code == 422
    places = [problem["loc"][-2:] for problem in answer.json()["detail"]]
    assert places == [[1, "age"], [1, "member"], [1, "more"]]
    answer = client.post("/v1/predict/batch", content=table(2, age=7), headers=CSV)
    assert answer.status_code == 422
    places = [problem["loc"] for problem in answer.json()["detail"]]
    assert places == [["body", 0, "age"], ["body", 1, "age"]]


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (404, "GET", "/v1/nothing", {}),
        (405, "GET", "/v1/predict", {}),
        (413, "POST", "/v1/predict", {"json": [ROW] * 200}),
        (413, "POST", "/v1/predict/batch", {"content": table(400), "headers": CSV}),
        (415, "POST", "/v1/predict/batch", {"json": [ROW]}),
        (422, "POST", "/v1/predict", {"content": b"{"}),
        (422, "POST", "/v1/predict", {"json": [ROW] * 21}),
        (422, "POST", "/v1/predict/batch", {"content": table(31), "headers": CSV}),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    answer = client.request(method, path, **options)
    assert answer.status_code == status
    assert answer.text


def test_callers_need_a_key_where_there_are_some(tmp_path: Path) -> None:
    client = client_of(tmp_path, api_key="first,second")
    for given, status in (("", 401), ("third", 401), ("ä", 401), ("second", 200)):
        headers = {"X-API-Key": given.encode()}
        assert (
            client.post("/v1/predict", json=ROW, headers=headers).status_code == status
        )
        assert client.get("/model", headers=headers).status_code == status
    for path in ("/", "/health", "/ready", "/metrics", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_without_a_model_it_is_alive_and_says_so(client: TestClient) -> None:
    app: Any = client.app
    app.state.champion.model = None
    for answer in (client.get("/ready"), client.post("/v1/predict", json=ROW)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.get("/health").status_code == 200
    assert client.get("/openapi.json").status_code == 200

"""The contract of the service: its routes, statuses, keys, limits and log."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient

from src.serving import tables
from src.serving.api import create_app
from src.serving.champion import Champion
from src.serving.settings import ServingSettings
from tests.fixtures.serving import ROW, made_up_model, served_settings

LIMITS = {"max_rows": 20, "max_body_bytes": 8_000, "max_batch_rows": 30}


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


def test_one_row_and_many_are_answered(client: FlaskClient) -> None:
    answer = {
        "prediction": "yes",
        "probabilities": {"no": 0.25, "yes": 0.75},
        "unknown": [],
    }
    one = client.post("/v1/predict", json=ROW)
    assert one.json == {"model_version": "3", "predictions": [answer]}
    many = client.post("/v1/predict", json=[ROW] * 20)
    assert many.json == {"model_version": "3", "predictions": [answer] * 20}


@pytest.mark.parametrize("accepted", [None, tables.CSV, tables.PARQUET])
def test_a_table_is_answered_in_the_format_that_is_accepted(
    client: FlaskClient, accepted: str | None
) -> None:
    headers = {"Accept": accepted} if accepted else {}
    answer = client.post("/v1/predict/batch", headers=headers, **table(3))
    assert answer.headers["Content-Type"] == (accepted or tables.CSV)
    assert answer.headers["X-Model-Version"] == "3"
    read = pd.read_parquet if accepted == tables.PARQUET else pd.read_csv
    assert read(io.BytesIO(answer.data))["prediction"].tolist() == ["yes"] * 3


def test_every_wrong_value_is_named(client: FlaskClient) -> None:
    wrong = {**ROW, "age": 7, "member": "perhaps", "more": float("nan")}
    answer = client.post("/v1/predict", json=[ROW, wrong])
    assert (answer.status_code, answer.json["name"]) == (422, "Unprocessable Entity")
    places = [problem["loc"][-2:] for problem in answer.json["detail"]]
    assert places == [[1, "age"], [1, "member"], [1, "more"]]
    answer = client.post("/v1/predict/batch", **table(2, age=7))
    places = [problem["loc"] for problem in answer.json["detail"]]
    assert places == [["body", 0, "age"], ["body", 1, "age"]]


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (404, "GET", "/v1/nothing", {}),
        (405, "GET", "/v1/predict", {}),
        (413, "POST", "/v1/predict", {"json": [ROW] * 200}),
        (413, "POST", "/v1/predict/batch", table(400)),
        (415, "POST", "/v1/predict", {"data": "{}"}),
        (415, "POST", "/v1/predict/batch", {"json": [ROW]}),
        (422, "POST", "/v1/predict", {"data": "{", "content_type": "application/json"}),
        (422, "POST", "/v1/predict", {"json": [ROW] * 21}),
        (422, "POST", "/v1/predict/batch", table(31)),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: FlaskClient, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    answer = client.open(path, method=method, **options)
    assert answer.status_code == status
    assert (answer.json["code"], bool(answer.json["description"])) == (status, True)


def test_callers_need_a_key_where_there_are_some(tmp_path: Path) -> None:
    client = client_of(tmp_path, api_key="first,second")
    for given, status in (("", 401), ("third", 401), ("ä", 401), ("second", 200)):
        headers = {"X-API-Key": given}
        answer = client.post("/v1/predict", json=ROW, headers=headers)
        assert answer.status_code == status
        assert client.get("/model", headers=headers).status_code == status
    for path in ("/", "/health", "/ready", "/metrics", "/openapi.json"):
        assert client.get(path, buffered=True).status_code == 200


def test_without_a_model_it_is_alive_and_says_so(client: FlaskClient) -> None:
    client.application.extensions["champion"].model = None
    for answer in (client.get("/ready"), client.post("/v1/predict", json=ROW)):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert client.get("/health").status_code == 200
    assert client.get("/openapi.json").status_code == 200

"""The service as FastAPI runs it, with what a team adds to it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from src.serving import api
from tests.fixtures.serving import ROW, MadeUpService

KEY = "a secret of nobody"


def make_app(monkeypatch: pytest.MonkeyPatch, **serving: Any) -> FastAPI:
    service = MadeUpService(**serving)
    monkeypatch.setattr(api, "make_service", lambda *_: service)
    app = api.create_app()

    @app.get("/theirs")
    async def theirs(number: int) -> dict[str, int]:
        """Say what a team has added."""
        if number == 0:
            raise RuntimeError("a defect")
        return {"number": number}

    return app


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    # Entered, so that the service starts and stops as a server has it.
    with TestClient(make_app(monkeypatch)) as client:
        yield client


def test_the_contract_is_answered(client: TestClient) -> None:
    answer = client.post("/v1/predict", json=ROW)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["prediction"] == "yes"
    assert answer.headers["x-model-version"] == "3"
    assert client.get("/ready").json() == {"status": "ready"}
    assert client.get("/").headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/theirs?number=1", 200),
        ("/theirs?number=one", 422),
        ("/theirs?number=0", 500),
        ("/nothing", 404),
        ("/v1/predict", 405),
    ],
)
def test_every_answer_has_the_same_form_and_headers(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path, headers={"x-request-id": "id-7"})
    assert answer.status_code == status
    assert "detail" in answer.json() or status == 200
    assert answer.headers["x-request-id"] == "id-7"
    assert answer.headers["x-model-version"] == "3"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_origins_are_told_nothing(client: TestClient) -> None:
    headers = {
        "Origin": "https://example.com",
        "Access-Control-Request-Method": "POST",
    }
    for answer in (
        client.options("/v1/predict", headers=headers),
        client.post("/v1/predict", json=ROW, headers=headers),
    ):
        assert not [n for n in answer.headers if n.startswith("access-control")]


def test_what_a_team_adds_needs_the_key_too(monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(make_app(monkeypatch, api_key=KEY))
    assert client.get("/theirs?number=1").status_code == 401
    given = client.get("/theirs?number=1", headers={"X-API-Key": KEY})
    assert given.json() == {"number": 1}


def test_what_a_team_adds_is_described_beside_the_contract(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/theirs", "/v1/predict", "/model"} <= set(paths)
    assert client.app.openapi()["paths"] == paths  # type: ignore[attr-defined]

"""What Flask adds to the contract, of which test_contract.py has the rest."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from src.serving.api import Server, create_app
from src.serving.service import make_service
from src.serving.settings import ServingSettings
from src.utils.config import Settings
from tests.conftest import ProjectMaker

KEY = "a secret of nobody"


@pytest.fixture
def settings(make_project: ProjectMaker) -> Settings:
    return make_project()


def app_of(settings: Settings, **serving: Any) -> Flask:
    app = create_app(make_service(settings, ServingSettings.model_validate(serving)))

    @app.get("/theirs")
    def theirs() -> dict[str, str]:
        return {"said": "by the team"}

    @app.get("/broken")
    def broken() -> dict[str, str]:
        raise RuntimeError("personal data")

    return app


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return app_of(settings).test_client()


def test_what_a_team_adds_answers_beside_the_contract(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "alive"}
    answer = client.get("/theirs")
    assert answer.json == {"said": "by the team"}
    assert answer.headers["X-Model-Version"] == "none"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_team_adds_needs_the_key(settings: Settings) -> None:
    client = app_of(settings, api_key=KEY).test_client()
    assert client.get("/theirs").status_code == 401
    assert client.get("/theirs", headers={"X-API-Key": KEY}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nothing", 404, "not found"),
        ("POST", "/theirs", 405, "not allowed"),
        ("GET", "/broken", 500, "internal error; request id-7"),
    ],
)
def test_flask_refuses_in_the_form_of_the_contract(
    client: FlaskClient, method: str, path: str, status: int, detail: str
) -> None:
    answer = client.open(path, method=method, headers={"X-Request-ID": "id-7"})
    assert answer.status_code == status
    assert answer.json is not None
    assert list(answer.json) == ["detail"]
    assert detail in answer.json["detail"]
    assert "personal data" not in answer.text
    assert answer.headers["X-Request-ID"] == "id-7"


def test_one_thread_is_left_to_refuse_when_all_others_work(settings: Settings) -> None:
    serving = ServingSettings(host="0.0.0.0", port=7, max_in_flight=5, drain_seconds=0)
    options = Server(settings, serving).cfg
    assert options.bind == ["0.0.0.0:7"]
    assert options.workers == 1
    assert options.threads > 5
    assert options.graceful_timeout == 1

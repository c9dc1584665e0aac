"""What BentoML adds to the contract, of which test_contract.py has the rest."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from src.serving.api import Contract, Predictions, bentoml, nothing
from src.serving.service import make_service
from src.serving.settings import ServingSettings
from tests.fixtures.synthetic import make_settings

KEY = "a secret of nobody"
# BentoML asks pathspec and pydantic for what they are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = make_settings(tmp_path_factory.mktemp("empty"), "classification")
    service = make_service(settings, ServingSettings.model_validate({"api_key": KEY}))

    @bentoml.service(metrics={"enabled": False})
    @bentoml.asgi_app(nothing)
    class Extended:
        @bentoml.api(route="/theirs")
        def theirs(self) -> dict[str, str]:
            return {"said": "by the team"}

    Extended.add_asgi_middleware(Contract, service=service)
    with TestClient(Extended.to_asgi(is_main=False)) as client:
        yield client


def ask(client: TestClient, path: str, **headers: str) -> Any:
    return client.post(path, json={}, headers=headers)


def test_what_a_team_adds_passes_the_gate_of_the_contract(client: TestClient) -> None:
    assert ask(client, "/theirs").status_code == 401
    answer = ask(client, "/theirs", **{"X-API-Key": KEY})
    assert answer.json() == {"said": "by the team"}
    assert answer.headers["x-model-version"] == "none"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_nobody_answers_is_refused_in_the_form_of_the_contract(
    client: TestClient,
) -> None:
    answer = ask(client, "/nothing", **{"X-API-Key": KEY})
    assert answer.status_code == 404
    assert answer.json() == {"detail": "there is nothing at this path"}


def test_the_contract_has_its_own_metrics(client: TestClient) -> None:
    assert "http_requests_in_flight" in client.get("/metrics").text


def test_its_use_is_reported_to_nobody() -> None:
    assert os.environ["BENTOML_DO_NOT_TRACK"] == "True"


def test_the_commands_of_bentoml_find_a_service_with_the_contract() -> None:
    assert Predictions.name == "Predictions"
    assert [middleware for middleware, _ in Predictions.middlewares] == [Contract]

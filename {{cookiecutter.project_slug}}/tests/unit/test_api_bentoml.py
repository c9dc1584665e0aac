"""The contract of the service: its routes, statuses, keys and limits."""

import asyncio
import io
import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from src.serving import schemas, tables
from src.serving.champion import Champion
from src.serving.middleware import draining
from src.serving.settings import ServingSettings
from src.utils.config import load_settings
from tests.fixtures.serving import ROW, SCHEMA, made_up_model, served_settings

if not load_settings().data.schema_path.exists():
    pytest.skip("`make data` infers the schema first", allow_module_level=True)
with warnings.catch_warnings():  # BentoML uses what other libraries are about to remove
    warnings.simplefilter("ignore", DeprecationWarning)
    from src.serving.api import create_service

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LIMITS = {"max_rows": 20, "max_body_bytes": 8_000, "max_batch_rows": 30}
ANSWER = {
    "prediction": "yes",
    "probabilities": {"no": 0.25, "yes": 0.75},
    "unknown": [],
}
CSV = {"Content-Type": tables.CSV}
champions: list[Champion] = []


def start(champion: Champion) -> None:
    """Let a made-up model answer, which nobody follows."""
    champion.model = made_up_model()
    champions.append(champion)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    settings = ServingSettings.model_validate(LIMITS | {"api_key": "first,second"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Champion, "start", start)
        yield create_service(served_settings(folder), settings)


@pytest.fixture(scope="module")  # BentoML has its metrics once a process
def client(service: Any) -> Iterator[TestClient]:
    with TestClient(service.to_asgi(), headers={"X-API-Key": "second"}) as client:
        yield client


def table(count: int, **values: Any) -> bytes:
    return pd.DataFrame([ROW | values] * count).to_csv(index=False).encode()


def test_a_service_answers_in_python(service: Any) -> None:
    row = schemas.row_model(SCHEMA).model_validate(ROW)
    # Not `to_sync`, which BentoML cannot do on Python 3.14.
    answer = asyncio.run(service().to_async.predict([row]))
    assert answer.model_dump()["predictions"] == [ANSWER]


def test_rows_are_answered(client: TestClient) -> None:
    answer = client.post("/v1/predict", json={"rows": [ROW] * 20}).json()
    assert answer == {"model_version": "3", "predictions": [ANSWER] * 20}


@pytest.mark.parametrize("accepted", [tables.CSV, tables.PARQUET])
def test_a_table_is_answered_in_the_format_that_is_accepted(
    client: TestClient, accepted: str
) -> None:
    headers = CSV | {"Accept": accepted}
    answer = client.post("/v1/predict/batch", content=table(3), headers=headers)
    assert answer.headers["content-type"].startswith(accepted)
    assert answer.headers["x-model-version"] == "3"
    read = pd.read_parquet if accepted == tables.PARQUET else pd.read_csv
    assert read(io.BytesIO(answer.content))["prediction"].tolist() == ["yes"] * 3


def test_every_wrong_value_is_named(client: TestClient) -> None:
    wrong = {**ROW, "age": 7, "member": "perhaps", "more": 1}
    answer = client.post("/v1/predict", json={"rows": [ROW, wrong]})
    places = [problem["loc"][-2:] for problem in answer.json()["detail"]]
    assert places == [[1, "age"], [1, "member"], [1, "more"]]
    answer = client.post("/v1/predict/batch", content=table(2, age=7), headers=CSV)
    places = [problem["loc"] for problem in answer.json()["detail"]]
    assert places == [["body", 0, "age"], ["body", 1, "age"]]


@pytest.mark.parametrize(
    ("status", "path", "options"),
    [
        (400, "/v1/predict", {"content": b"{"}),
        (400, "/v1/predict", {"json": [ROW]}),
        (400, "/v1/predict", {"json": {"rows": [ROW] * 21}}),
        (400, "/v1/predict/batch", {"content": table(31), "headers": CSV}),
        (400, "/v1/predict/batch", {"content": "http://[", "headers": CSV}),
        (404, "/v1/nothing", {"json": {}}),
        (413, "/v1/predict", {"json": {"rows": [ROW] * 200}}),
        (413, "/v1/predict/batch", {"content": iter([table(400)]), "headers": CSV}),
        (415, "/v1/predict", {"data": {"rows": "[]"}}),
        (415, "/v1/predict/batch", {"json": [ROW]}),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, status: int, path: str, options: dict[str, Any]
) -> None:
    assert client.post(path, **options).status_code == status


def test_callers_need_a_key(client: TestClient) -> None:
    for given, status in (("", 401), ("third", 401), ("ä", 401), ("first", 200)):
        headers = {"X-API-Key": given.encode()}
        answer = client.post("/v1/predict", json={"rows": [ROW]}, headers=headers)
        assert answer.status_code == status
        assert client.post("/model", headers=headers).status_code == status
    for path in ("/", "/livez", "/readyz", "/docs.json"):
        assert client.get(path, headers={"X-API-Key": ""}).status_code == 200


def test_without_a_model_it_is_alive_and_not_ready(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for champion in champions:
        monkeypatch.setattr(champion, "model", None)
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = client.post("/v1/predict", json={"rows": [ROW]})
    assert answer.status_code == 503


def test_the_model_is_described(client: TestClient) -> None:
    described = client.post("/model").json()
    assert (described["version"], described["runtime"]) == ("3", "onnxruntime")


def test_a_row_is_documented(client: TestClient) -> None:
    row = client.get("/docs.json").json()["components"]["schemas"]["Row"]
    age = row["properties"]["age"]
    assert (age["type"], age["minimum"], age["maximum"]) == ("integer", 18, 79)


def test_what_is_refused_is_documented(client: TestClient) -> None:
    document = client.get("/docs.json").json()
    asked = document["paths"]["/v1/predict"]["post"]
    assert asked["requestBody"]["required"]
    assert {"400", "401", "413", "415", "503"} <= asked["responses"].keys()
    assert asked["security"] == [{"key": []}]


def test_at_the_end_callers_are_told_to_go_elsewhere(client: TestClient) -> None:
    draining.set()
    try:
        assert client.get("/readyz").status_code == 503
        answer = client.post("/v1/predict", json={"rows": [ROW]})
    finally:
        draining.clear()
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")

"""The service: what it answers, what it refuses, and how it says so."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from scripts.data_download import download
from src.data.preprocessing import preprocess
from src.data.schema import ColumnSchema, DataSchema, write_schema
from src.models.artifact import load_model, save_model
from src.models.release import release
from src.serving.api import create_app
from src.serving.rows import row_model
from src.serving.settings import ServingSettings
from src.training.train import train
from src.utils.config import PROJECT_ROOT, Settings, Task
from tests.fixtures.synthetic import TARGET, make_frame, make_settings

KEY = "a secret of nobody"
CITIES = ["Cairo", "Lima", "Oslo"]
ROW = {
    "income": 61.5,
    "age": 40,
    "city": "Oslo",
    "member": True,
    "signed up": "2024-05-01",
}


def schema_of(task: Task) -> DataSchema:
    kind = "category" if task == "classification" else "number"
    columns: dict[str, dict[str, Any]] = {
        "income": {"type": "number", "max_missing": 0.2, "description": "A year's."},
        "age": {"type": "integer", "min": 18, "max": 79},
        "city": {
            "type": "category",
            "max_missing": 0.2,
            "values": CITIES if task == "classification" else None,
        },
        "member": {"type": "boolean"},
        "signed up": {"type": "date", "min": "2024-01-01", "max": "2024-12-31"},
        "comment": {"type": "category", "role": "ignored", "max_missing": 1.0},
        TARGET: {"type": kind, "role": "target"},
    }
    return DataSchema.model_validate({"name": "Synthetic", "columns": columns})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Task], Settings]:
    """A function that trains a model for a task, once, and gives its settings."""
    made: dict[Task, Settings] = {}

    def make(task: Task) -> Settings:
        if task not in made:
            folder = tmp_path_factory.mktemp(task)
            settings = make_settings(folder, task)
            make_frame(task).to_csv(folder / "source.csv", index=False)
            write_schema(schema_of(task), settings.data.schema_path)
            download(settings)
            preprocess(settings)
            train(settings)
            made[task] = settings
        return made[task]

    return make


@pytest.fixture(scope="module")
def settings(trained: Callable[[Task], Settings]) -> Settings:
    return trained("classification")


def client_of(settings: Settings, **serving: Any) -> TestClient:
    app = create_app(settings, ServingSettings.model_validate(serving))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(settings: Settings) -> TestClient:
    return client_of(settings)


def expected(settings: Settings, frame: pd.DataFrame) -> list[Any]:
    pipeline, _ = load_model(settings.paths.models / "latest_model.joblib")
    answers: list[Any] = pipeline.predict(frame).tolist()
    return answers


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_service_answers_what_the_pipeline_answers(
    trained: Callable[[Task], Settings], task: Task
) -> None:
    settings = trained(task)
    frame = pd.read_csv(settings.paths.processed / "test.csv", dtype={"member": "str"})
    # As JSON has them: null for missing, and the target still among the columns.
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    answer = client_of(settings).post("/predict", json=rows)
    assert answer.status_code == 200, answer.text
    predictions = [item["prediction"] for item in answer.json()["predictions"]]
    assert predictions == expected(settings, frame)


def test_one_row_is_answered_with_the_probability_of_each_label(
    client: TestClient, settings: Settings
) -> None:
    answer = client.post("/predict", json=ROW).json()
    (item,) = answer["predictions"]
    pipeline, record = load_model(settings.paths.models / "latest_model.joblib")
    (shares,) = pipeline.predict_proba(pd.DataFrame([ROW])).tolist()
    assert item["probabilities"] == dict(zip(["no", "yes"], shares, strict=True))
    assert item["prediction"] == max(
        item["probabilities"], key=item["probabilities"].get
    )
    assert item["unknown"] == []
    assert answer["model_sha256"] == record["model_sha256"]


def test_columns_that_may_be_empty_may_be_left_out(client: TestClient) -> None:
    required = {name: ROW[name] for name in ("age", "member", "signed up")}
    left_out = client.post("/predict", json=required)
    null = client.post("/predict", json={**required, "city": None, "income": None})
    assert left_out.status_code == 200
    assert left_out.json() == null.json()


def test_an_unknown_category_is_answered_and_named(client: TestClient) -> None:
    answer = client.post("/predict", json=[{**ROW, "city": "Rome"}, ROW])
    unknown = [item["unknown"] for item in answer.json()["predictions"]]
    assert unknown == [["city"], []]


def test_a_category_of_which_no_values_are_listed_may_be_anything(
    trained: Callable[[Task], Settings],
) -> None:
    client = client_of(trained("regression"), unknown_categories="refuse")
    (item,) = client.post("/predict", json={**ROW, "city": "Rome"}).json()[
        "predictions"
    ]
    assert item["unknown"] == []


def test_an_unknown_category_is_refused_where_configured(settings: Settings) -> None:
    client = client_of(settings, unknown_categories="refuse")
    assert client.post("/predict", json=ROW).status_code == 200
    answer = client.post("/predict", json={**ROW, "city": "Rome"})
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["column"] == "city"
    assert "Cairo, Lima, Oslo" in problem["problem"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", 17),
        ("age", 80),
        ("age", 40.5),
        ("age", "40"),
        ("age", True),
        ("age", None),
        ("income", [1]),
        ("income", True),
        ("member", "perhaps"),
        ("signed up", "soon"),
        ("signed up", "2023-12-31"),
        ("signed up", "2025-01-01"),
        ("agee", 40),
    ],
)
def test_a_wrong_value_is_refused_with_its_column(
    client: TestClient, column: str, value: Any
) -> None:
    answer = client.post("/predict", json={**ROW, column: value})
    assert answer.status_code == 422
    assert [problem["column"] for problem in answer.json()["detail"]] == [column]


def test_a_missing_column_is_named(client: TestClient) -> None:
    row = {name: value for name, value in ROW.items() if name != "member"}
    (problem,) = client.post("/predict", json=row).json()["detail"]
    assert problem == {"column": "member", "problem": "Field required"}


@pytest.mark.parametrize("wrong", [{"age": 0}, {"signed up": "soon"}])
def test_in_many_rows_the_row_is_named_too(
    client: TestClient, wrong: dict[str, Any]
) -> None:
    answer = client.post("/predict", json=[ROW, {**ROW, **wrong}])
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert (problem["row"], problem["column"]) == (1, *wrong)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'"x"', b"[5]", b'{"age": NaN}']
)
def test_what_is_no_row_is_refused(client: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/predict", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["problem"]


def test_more_rows_than_allowed_are_refused(settings: Settings) -> None:
    client = client_of(settings, max_rows=2)
    assert client.post("/predict", json=[ROW] * 2).status_code == 200
    assert client.post("/predict", json=[ROW] * 3).status_code == 422


def test_a_larger_body_than_allowed_is_refused(settings: Settings) -> None:
    answer = client_of(settings, max_body_bytes=100).post("/predict", json=[ROW] * 9)
    assert answer.status_code == 413


def test_the_documentation_shows_the_columns(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    properties = schemas["Row"]["properties"]
    assert list(properties) == list(ROW)
    assert properties["income"]["description"] == "A year's."
    assert (properties["age"]["minimum"], properties["age"]["maximum"]) == (18, 79)
    assert schemas["Row"]["required"] == ["age", "member", "signed up"]


def test_columns_may_have_any_name() -> None:
    names = ["class", "model_config", "copy", "a b", 'say "ä" \\ 😀', "_x", "1", "row"]
    columns = {name: ColumnSchema(type="number") for name in names}
    target = ColumnSchema(type="number", role="target")
    schema = DataSchema(name="odd", columns={**columns, "rows": target})
    row = row_model(schema, "answer").model_validate(dict.fromkeys(names, 1))
    assert row.model_dump(by_alias=True) == dict.fromkeys(names, 1.0)


def test_codes_are_read_as_the_data_are() -> None:
    columns = {
        "code": ColumnSchema(type="category"),
        "y": ColumnSchema(type="number", role="target"),
    }
    model = row_model(DataSchema(name="codes", columns=columns), "answer")
    codes = [3, 3.0, "3"]
    dumped = [model.model_validate({"code": c}).model_dump() for c in codes]
    assert dumped == [{"column_0": "3"}] * 3


def test_it_says_which_model_answers(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["model_type"] == "linear"
    assert model["classes"] == ["no", "yes"]
    assert "schema" not in model


def test_a_running_service_with_a_model_is_ready(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_without_a_model_it_lives_and_is_not_ready(settings: Settings) -> None:
    client = client_of(settings, model_path=settings.paths.models / "none.joblib")
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    assert client.get("/model").status_code == 503
    assert client.post("/predict", json=ROW).status_code == 503


def test_a_changed_model_file_is_not_loaded(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for suffix in (".joblib", ".json"):
        content = (settings.paths.models / f"latest_model{suffix}").read_bytes()
        (tmp_path / f"model{suffix}").write_bytes(content)
    with (tmp_path / "model.joblib").open("ab") as stream:
        stream.write(b"\0")
    client = client_of(settings, model_path=tmp_path / "model.joblib")
    assert client.get("/ready").status_code == 503
    assert "digest" in caplog.text


def test_a_model_without_its_schema_is_not_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    save_model({}, {}, tmp_path / "model.joblib")
    client = client_of(settings, model_path=tmp_path / "model.joblib")
    assert client.get("/ready").status_code == 503
    assert "schema" in caplog.text


def test_the_current_release_of_a_place_is_served(
    settings: Settings, tmp_path: Path
) -> None:
    assert client_of(settings, model_path=tmp_path).get("/ready").status_code == 503
    release(settings.paths.models / "latest_model.joblib", tmp_path, keep=2)
    client = client_of(settings, model_path=tmp_path)
    assert client.post("/predict", json=ROW).status_code == 200


def test_an_api_key_is_asked_where_one_is_set(settings: Settings) -> None:
    client = client_of(settings, api_key=KEY)
    assert client.get("/ready").status_code == 200
    for headers in ({}, {"X-API-Key": "wrong"}):
        assert client.get("/model", headers=headers).status_code == 401
        answer = client.post("/predict", json=ROW, headers=headers)
        assert answer.status_code == 401
    answer = client.post("/predict", json=ROW, headers={"X-API-Key": KEY})
    assert answer.status_code == 200


def test_a_defect_is_answered_with_the_identifier_of_the_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("personal data")

    monkeypatch.setattr("src.serving.predictor.Predictor.predict", fail)
    answer = client.post("/predict", json=ROW, headers={"X-Request-ID": "id-7"})
    assert answer.status_code == 500
    assert answer.json() == {"detail": "internal error; request id-7"}
    assert answer.headers["X-Request-ID"] == "id-7"


@pytest.fixture
def server(settings: Settings) -> Iterator[str]:
    """A server as a person starts it; its address."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT_ROOT),
        "MLOPS_PATHS__MODELS": str(settings.paths.models),
        "SERVING_PORT": "0",
        "SERVING_API_KEY": KEY,
    }
    environment.pop("SERVING_MODEL_PATH", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "src.serving.api"],
        cwd=PROJECT_ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        log += line
        if match := re.search(r"running on (http://\S+)", line):
            break
    assert match is not None, log
    yield match[1]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)


def test_a_real_server_answers_a_real_client(server: str) -> None:
    with httpx2.Client(base_url=server, headers={"X-API-Key": KEY}) as client:
        assert client.get("/ready").status_code == 200
        answer = client.post("/predict", json=ROW)
        assert answer.json()["predictions"][0]["prediction"] in ("yes", "no")
        too_large = client.post("/predict", content=b" " * 2_000_000)
        assert too_large.status_code == 413

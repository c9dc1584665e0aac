"""The contract, asked of a real server by a real client, whatever the framework."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pandas as pd
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scripts.data_download import download
from src.data.preprocessing import preprocess
from src.data.schema import write_schema
from src.models.artifact import load_model
from src.models.registry import ModelRegistry, Version, make_registry
from src.training.train import train
from src.utils.config import PROJECT_ROOT, Settings
from tests.fixtures.serving import ROW, SCHEMA
from tests.fixtures.synthetic import make_frame, make_settings

KEY = "a secret of nobody"
MAX_ROWS = 20
MAX_BODY_BYTES = 8_000
MAX_BATCH_ROWS = 400
MAX_BATCH_BYTES = 50_000
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
SECONDS = 20  # for what takes less than one, unless the machine is busy


class Example(NamedTuple):
    """A request, and the status that it is to be answered with."""

    status: int
    method: str
    path: str
    options: dict[str, Any] = {}


JSON = {"content-type": "application/json"}
EXAMPLES = {
    "a row": Example(200, "POST", "/v1/predict", {"json": ROW}),
    "rows": Example(200, "POST", "/v1/predict", {"json": [ROW, ROW]}),
    "the model": Example(200, "GET", "/model"),
    "no key": Example(401, "POST", "/v1/predict", {"json": ROW, "headers": {}}),
    "a wrong key": Example(401, "GET", "/model", {"headers": {"x-api-key": "wrong"}}),
    "an unknown path": Example(404, "GET", "/v1/nothing"),
    "a wrong method": Example(405, "GET", "/v1/predict"),
    "a large body": Example(
        413, "POST", "/v1/predict", {"content": b" " * 9_000, "headers": JSON}
    ),
    "a large table": Example(
        413,
        "POST",
        "/v1/predict/batch",
        {"content": b"," * 60_000, "headers": {"content-type": CSV}},
    ),
    "another type": Example(415, "POST", "/v1/predict", {"data": {"age": 40}}),
    "another type of table": Example(415, "POST", "/v1/predict/batch", {"json": [ROW]}),
    "no JSON": Example(422, "POST", "/v1/predict", {"content": b"{", "headers": JSON}),
    "a wrong value": Example(422, "POST", "/v1/predict", {"json": {**ROW, "age": 7}}),
    "too many rows": Example(
        422, "POST", "/v1/predict", {"json": [ROW] * (MAX_ROWS + 1)}
    ),
}


class Project(NamedTuple):
    """A project with two trained models, and a registry that may have a champion."""

    settings: Settings
    models: tuple[Path, Path]

    @property
    def registry(self) -> ModelRegistry:
        return make_registry(self.settings)

    def promote(self, number: int) -> Version:
        version = self.registry.register(self.models[number], "trained")
        self.registry.promote(version, "better")
        return version


def make_project(folder: Path) -> Project:
    make_frame("classification").to_csv(folder / "source.csv", index=False)
    models = []
    for strength in (1.0, 0.01):
        settings = make_settings(
            folder,
            "classification",
            model={"type": "linear", "params": {"C": strength}},
            export={"format": "onnx"},
        )
        if not models:
            write_schema(SCHEMA, settings.data.schema_path)
            download(settings)
            preprocess(settings)
        train(settings)
        models.append(folder / f"{strength}" / "model.joblib")
        models[-1].parent.mkdir()
        for file in settings.paths.models.glob("latest_model.*"):
            file.rename(models[-1].with_suffix(file.suffix))
    return Project(settings, (models[0], models[1]))


@dataclass
class Server:
    """A server that runs as a person starts it.

    Attributes:
        project: Whose champion it answers by.
        process: What was started.
        url: Where it listens.
        before: What it answered before there was a champion, by path.
    """

    project: Project
    process: subprocess.Popen[bytes]
    url: str
    before: dict[str, httpx2.Response] = field(default_factory=dict)

    @classmethod
    def start(cls, project: Project, log: Path) -> "Server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLOPS_", "SERVING_"))
        } | {
            "PYTHONPATH": str(PROJECT_ROOT),
            "MLOPS_PATHS__MODELS": str(project.settings.paths.models),
            "MLOPS_REGISTRY__BACKEND": "directory",
            "SERVING_PORT": str(port),
            "SERVING_API_KEY": KEY,
            "SERVING_REFRESH_SECONDS": "0.05",
            "SERVING_MAX_ROWS": str(MAX_ROWS),
            "SERVING_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "SERVING_MAX_BATCH_ROWS": str(MAX_BATCH_ROWS),
            "SERVING_MAX_BATCH_BYTES": str(MAX_BATCH_BYTES),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "src.serving.api"],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        return cls(project, process, f"http://127.0.0.1:{port}")

    def client(self) -> httpx2.Client:
        client = self.anybody()
        client.headers["x-api-key"] = KEY
        return client

    def anybody(self) -> httpx2.Client:
        # To read the certificates, which nothing here has, takes longer than a request.
        return httpx2.Client(base_url=self.url, verify=False)

    def status(self, path: str) -> int:
        with self.anybody() as client:
            return client.get(path).status_code

    def version(self) -> str:
        with self.client() as client:
            return client.get("/health").headers["x-model-version"]


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail if it does not come to."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if holds():
                return
        except httpx2.TransportError:  # it does not listen yet
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(server: Server) -> bool:
    assert server.process.poll() is None
    return server.status("/health") == 200


def follows(server: Server, version: str) -> bool:
    return server.version() == version


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers of one project: one is asked, the other is there to be ended."""
    folder = tmp_path_factory.mktemp("served")
    project = make_project(folder)
    started = [Server.start(project, folder / f"{name}.log") for name in "ab"]
    try:
        for server in started:
            eventually(partial(is_alive, server))
        with started[0].client() as client:
            for path in ("/health", "/ready", "/model", "/metrics", "/openapi.json"):
                started[0].before[path] = client.get(path)
            answer = client.post("/v1/predict", json=ROW)
            started[0].before["/v1/predict"] = answer
        project.promote(0)
        for server in started:
            eventually(partial(follows, server, "1"))
        yield started
    finally:
        for server in started:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def server(servers: list[Server]) -> Server:
    return servers[0]


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def ask(server: Server, example: Example) -> httpx2.Response:
    options = dict(example.options)
    headers = options.pop("headers", None)
    if headers != {}:
        options["headers"] = {"x-api-key": KEY} | (headers or {})
    with server.anybody() as anybody:
        return anybody.request(example.method, example.path, **options)


def expected(server: Server, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the probabilities that scikit-learn computes."""
    pipeline, _ = load_model(server.project.models[0])
    return pd.DataFrame(pipeline.predict_proba(frame), columns=["no", "yes"])


def rows_of(server: Server, count: int) -> pd.DataFrame:
    path = server.project.settings.paths.processed / "test.csv"
    frame = pd.read_csv(path, dtype={"member": "str"})
    assert len(frame) >= count
    return frame.head(count)


def counted(client: httpx2.Client, name: str, **labels: str) -> float:
    """Return the value of a metric, summed over the labels that are not given."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_kind_of_request_has_its_status_which_is_documented(
    server: Server, client: httpx2.Client, name: str
) -> None:
    example = EXAMPLES[name]
    answer = ask(server, example)
    assert answer.status_code == example.status, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["detail"]
    if example.status not in (404, 405):
        paths = client.get("/openapi.json").json()["paths"]
        documented = paths[example.path][example.method.lower()]["responses"]
        assert str(example.status) in documented


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_answer_says_who_answered_what_and_how_to_treat_it(
    server: Server, name: str
) -> None:
    first, second = (ask(server, EXAMPLES[name]) for _ in range(2))
    assert first.headers["x-model-version"] == "1"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert SECURITY_HEADERS.items() <= dict(first.headers).items()
    assert int(first.headers["content-length"]) == len(first.content)


def test_the_identifier_of_a_proxy_is_kept(client: httpx2.Client) -> None:
    for path in ("/health", "/v1/nothing"):
        answer = client.get(path, headers={"X-Request-ID": "from.a-proxy_7"})
        assert answer.headers["x-request-id"] == "from.a-proxy_7"


def test_refusals_say_what_would_do(server: Server) -> None:
    no_key = ask(server, EXAMPLES["no key"])
    assert "www-authenticate" in no_key.headers
    assert KEY not in no_key.text
    wrong_method = ask(server, EXAMPLES["a wrong method"])
    assert wrong_method.headers["allow"] == "POST"
    assert "application/json" in ask(server, EXAMPLES["another type"]).text
    table = ask(server, EXAMPLES["another type of table"]).text
    assert all(media_type in table for media_type in (CSV, PARQUET, ARROW))


def test_without_a_champion_it_is_alive_and_says_that_it_cannot_answer(
    server: Server,
) -> None:
    statuses = {path: answer.status_code for path, answer in server.before.items()}
    assert statuses == {
        "/health": 200,
        "/ready": 503,
        "/model": 503,
        "/v1/predict": 503,
        "/metrics": 200,
        "/openapi.json": 200,
    }
    assert server.before["/v1/predict"].headers["retry-after"] == "1"
    assert server.before["/ready"].headers["x-model-version"] == "none"


def test_with_a_champion_it_is_ready_and_says_which(
    client: httpx2.Client, server: Server
) -> None:
    with server.anybody() as anybody:
        assert anybody.get("/ready").json() == {"status": "ready"}
    model = client.get("/model").json()
    assert (model["version"], model["role"]) == ("1", "champion")
    assert model["runtime"] == "onnxruntime"
    assert model["classes"] == ["no", "yes"]
    assert model["challenger"] is None
    assert set(model["schema"]["columns"]) >= set(ROW)


def test_rows_are_answered_as_scikit_learn_would(
    client: httpx2.Client, server: Server
) -> None:
    frame = rows_of(server, MAX_ROWS)
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    answer = client.post("/v1/predict", json=rows).json()
    assert answer["model_version"] == "1"
    shares = pd.DataFrame([item["probabilities"] for item in answer["predictions"]])
    wanted = expected(server, frame)
    pd.testing.assert_frame_equal(shares, wanted, rtol=0, atol=1e-9)
    labels = [item["prediction"] for item in answer["predictions"]]
    assert labels == wanted.idxmax(axis=1).tolist()


def test_one_row_is_answered_like_a_list_of_one(client: httpx2.Client) -> None:
    one = client.post("/v1/predict", json=ROW)
    assert one.json() == client.post("/v1/predict", json=[ROW]).json()
    assert len(one.json()["predictions"]) == 1


def test_every_wrong_value_is_named(client: httpx2.Client) -> None:
    wrong = {"income": "much", "age": 7, "member": True, "signed up": "soon", "x": 1}
    problems = client.post("/v1/predict", json=wrong).json()["detail"]
    assert {p["column"] for p in problems} == {"income", "age", "signed up", "x"}
    problems = client.post("/v1/predict", json=[ROW, wrong]).json()["detail"]
    assert {p["row"] for p in problems} == {1}
    assert all(problem["problem"] for problem in problems)


def write(frame: pd.DataFrame, media_type: str) -> bytes:
    if media_type == CSV:
        return frame.to_csv(index=False).encode()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = BytesIO()
    if media_type == PARQUET:
        frame.to_parquet(sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def read(content: bytes, media_type: str) -> pd.DataFrame:
    if media_type == CSV:
        return pd.read_csv(BytesIO(content))
    if media_type == PARQUET:
        return pd.read_parquet(BytesIO(content))
    with pa.ipc.open_stream(content) as reader:
        return reader.read_pandas()


@pytest.mark.parametrize("given", [CSV, PARQUET, ARROW])
@pytest.mark.parametrize("wanted", [None, CSV, PARQUET, ARROW])
def test_a_table_is_answered_in_its_own_format_or_the_one_that_is_accepted(
    client: httpx2.Client, server: Server, given: str, wanted: str | None
) -> None:
    frame = rows_of(server, 40)
    frame["member"] = frame["member"] == "True"
    headers = {"content-type": given} | ({"accept": wanted} if wanted else {})
    content = write(frame, given)
    answer = client.post("/v1/predict/batch", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == (wanted or given)
    found = read(answer.content, wanted or given)
    shares = expected(server, frame).add_prefix("probability of ")
    pd.testing.assert_frame_equal(found[shares.columns], shares, rtol=0, atol=1e-9)
    labels = shares.idxmax(axis=1).str.removeprefix("probability of ")
    assert found["prediction"].tolist() == labels.tolist()


def test_in_a_table_every_wrong_column_is_named(client: httpx2.Client) -> None:
    frame = pd.DataFrame([ROW, {**ROW, "age": 7}]).assign(x=1)
    answer = client.post(
        "/v1/predict/batch", content=write(frame, CSV), headers={"content-type": CSV}
    )
    assert answer.status_code == 422
    problems = {problem["column"]: problem for problem in answer.json()["detail"]}
    assert set(problems) == {"age", "x"}
    assert (problems["age"]["rows"], problems["age"]["count"]) == ([1], 1)


def test_a_table_of_too_many_rows_is_refused(client: httpx2.Client) -> None:
    frame = pd.DataFrame([ROW] * (MAX_BATCH_ROWS + 1))
    answer = client.post(
        "/v1/predict/batch", content=write(frame, CSV), headers={"content-type": CSV}
    )
    assert answer.status_code in (413, 422)


def test_a_body_without_a_length_has_the_same_limit(client: httpx2.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 1_000

    answer = client.post("/v1/predict", content=chunks(), headers=JSON)
    assert answer.status_code == 413


def test_the_head_of_an_answer_can_be_asked_for(client: httpx2.Client) -> None:
    head, whole = client.head("/health"), client.get("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


def test_the_description_for_programs_has_the_columns_and_an_example_that_works(
    client: httpx2.Client,
) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {
        *("/v1/predict", "/v1/predict/batch", "/model"),
        *("/health", "/ready", "/metrics"),
    }
    row = document["components"]["schemas"]["Row"]
    assert set(row["properties"]) >= set(ROW)
    age = row["properties"]["age"]
    assert (age["minimum"], age["maximum"]) == (18, 79)
    body = document["paths"]["/v1/predict"]["post"]["requestBody"]
    for example in body["content"]["application/json"]["examples"].values():
        answer = client.post("/v1/predict", json=example["value"])
        assert answer.status_code == 200, answer.text


def test_what_happens_is_counted(server: Server, client: httpx2.Client) -> None:
    def counts() -> list[float]:
        route = {"method": "POST", "route": "/v1/predict"}
        return [
            counted(client, "http_requests_total", status="200", **route),
            counted(client, "http_requests_total", status="422", **route),
            counted(client, "http_request_duration_seconds_count", **route),
            counted(client, "predictions_total"),
            counted(client, "feature_range_violations_total", column="age"),
            counted(client, "http_requests_total", route="other", status="404"),
        ]

    before = counts()
    ask(server, EXAMPLES["rows"])
    ask(server, EXAMPLES["a wrong value"])
    ask(server, EXAMPLES["an unknown path"])
    moved = [after - old for after, old in zip(counts(), before, strict=True)]
    assert moved == [1, 1, 2, 2, 1, 1]
    assert counted(client, "model_info", version="1", role="champion") == 1


def test_another_champion_answers_without_a_restart_and_so_does_a_rollback(
    server: Server, client: httpx2.Client
) -> None:
    first = client.post("/v1/predict", json=ROW).json()
    try:
        server.project.promote(1)
        eventually(partial(follows, server, "2"))
        second = client.post("/v1/predict", json=ROW).json()
    finally:
        server.project.registry.rollback("it was a test")
    eventually(partial(follows, server, "1"))
    third = client.post("/v1/predict", json=ROW).json()
    assert (first["model_version"], second["model_version"]) == ("1", "2")
    assert first["predictions"] != second["predictions"]
    assert third == first


def test_requests_under_way_are_answered_before_the_process_ends(
    servers: list[Server],
) -> None:
    server = servers[1]
    body = json.dumps(ROW).encode()
    headers = {**JSON, "x-api-key": KEY, "content-length": str(len(body))}
    host, port = server.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=SECONDS)) as caller:
        caller.request("POST", "/v1/predict", body[:10], headers)
        time.sleep(0.2)  # so that it is read
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not is_ready(server))
        caller.send(body[10:])
        closes = False
        while not closes:  # who was not told that the connection ends may ask again
            answer = caller.getresponse()
            closes = answer.will_close
            assert answer.status == 200
            assert json.loads(answer.read())["model_version"] == "1"
            if not closes:
                caller.request("POST", "/v1/predict", body, headers)
    assert server.process.wait(SECONDS) == 0


def is_ready(server: Server) -> bool:
    try:
        return server.status("/ready") == 200
    except httpx2.TransportError:
        return False

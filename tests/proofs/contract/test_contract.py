"""The contract, asked of a real server by a real client, whatever the framework."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.data.preprocessing import preprocess
from src.data.schema import write_schema
from src.models.artifact import load_model
from src.models.registry import Registry
from src.serving.tables import ANSWERS, CSV, EXCEL, PARQUET
from src.training.train import train
from src.utils.config import PROJECT_ROOT, Settings
from tests.fixtures.serving import ROW, SCHEMA
from tests.fixtures.synthetic import bring, make_frame, make_settings

# Libraries below the registry ask each other for what they are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Framework(NamedTuple):
    """What one framework has its own way of; all else is the same for all of them."""

    health: str = "/health"
    ready: str = "/ready"
    document: str = "/openapi.json"
    model: tuple[str, str] = ("GET", "/model")
    takes_one_row: bool = True  # as an object; else rows are a list in {"rows": ...}
    wrong_value: int = 422
    not_json: int = 422
    request_id: str = "x-request-id"
    requests: str = "http_request_duration_seconds_count"


API = (PROJECT_ROOT / "src/serving/api.py").read_text(encoding="utf-8")
NAME = next(n for n in ("fastapi", "flask", "bentoml") if f"from {n}" in API)
FRAMEWORK = {
    "fastapi": Framework(),
    "flask": Framework(not_json=415),
    "bentoml": Framework(
        health="/livez",
        ready="/readyz",
        document="/docs.json",
        model=("POST", "/model"),
        takes_one_row=False,
        wrong_value=400,
        not_json=415,
        request_id="x-bentoml-request-id",
        requests="bentoml_service_request_total",
    ),
}[NAME]

KEY = "a secret of nobody"
MAX_ROWS = 20
MAX_BODY_BYTES = 50_000
MAX_BATCH_ROWS = 400
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
SECONDS = 60  # for what takes less than one, unless the machine is busy
PREDICT, BATCH = "/v1/predict", "/v1/predict/batch"


def body(*rows: dict[str, Any]) -> Any:
    """Return the body that asks about rows."""
    if not FRAMEWORK.takes_one_row:
        return {"rows": list(rows)}
    return rows[0] if len(rows) == 1 else list(rows)


class Example(NamedTuple):
    """A request, and the status that it is to be answered with."""

    status: int
    method: str
    path: str
    options: dict[str, Any] = {}


JSON = {"content-type": "application/json"}
EXAMPLES = {
    "a row": Example(200, "POST", PREDICT, {"json": body(ROW)}),
    "rows": Example(200, "POST", PREDICT, {"json": body(ROW, ROW)}),
    "the model": Example(200, *FRAMEWORK.model),
    "no key": Example(401, "POST", PREDICT, {"json": body(ROW), "headers": {}}),
    "a wrong key": Example(401, *FRAMEWORK.model, {"headers": {"x-api-key": "wrong"}}),
    "an unknown path": Example(404, "GET", "/v1/nothing"),
    "a wrong method": Example(405, "GET", PREDICT),
    "a large body": Example(
        413, "POST", PREDICT, {"content": b" " * 60_000, "headers": JSON}
    ),
    "a large table": Example(
        413, "POST", BATCH, {"content": b"," * 60_000, "headers": {"content-type": CSV}}
    ),
    "another type": Example(FRAMEWORK.not_json, "POST", PREDICT, {"data": {"age": 40}}),
    "another type of table": Example(415, "POST", BATCH, {"json": [ROW]}),
    "no JSON": Example(
        FRAMEWORK.wrong_value, "POST", PREDICT, {"content": b"{", "headers": JSON}
    ),
    "a wrong value": Example(
        FRAMEWORK.wrong_value, "POST", PREDICT, {"json": body({**ROW, "age": 7})}
    ),
    "too many rows": Example(
        FRAMEWORK.wrong_value, "POST", PREDICT, {"json": body(*[ROW] * (MAX_ROWS + 1))}
    ),
}


class Project(NamedTuple):
    """A project with two trained models, and a registry that may have a champion."""

    settings: Settings
    models: tuple[Path, Path]

    @property
    def registry(self) -> Registry:
        return Registry(self.settings)

    def promote(self, number: int) -> int:
        registry = self.registry
        version = registry.register(self.models[number])
        registry.promote(version, "better", registry.at("champion"))
        return version.number


def make_project(folder: Path) -> Project:
    make_frame("classification").to_csv(folder / "source.csv", index=False)
    models = []
    for strength in (1.0, 0.01):
        model = {"type": "linear", "params": {"C": strength}}
        settings = make_settings(folder, "classification", model=model)
        if not models:
            bring(settings)
            write_schema(SCHEMA, settings.data.schema_path)
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
        log: What it wrote.
        before: What it answered before there was a champion, by path.
    """

    project: Project
    process: subprocess.Popen[bytes]
    url: str
    log: Path
    before: dict[str, httpx2.Response] = field(default_factory=dict)

    @classmethod
    def start(cls, project: Project, log: Path, **variables: str) -> "Server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = project.settings
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLOPS_", "SERVING_", "MLFLOW_TRACKING"))
        } | {
            "PYTHONPATH": str(PROJECT_ROOT),
            "MLOPS_TASK": settings.task,
            "MLOPS_PATHS__DATA": str(settings.paths.data),
            "MLOPS_PATHS__MODELS": str(settings.paths.models),
            "MLOPS_REGISTRY__MODEL": settings.registry.model,
            "MLOPS_DATA__TARGET": settings.data.target,
            "MLOPS_DATA__SCHEMA_PATH": str(settings.data.schema_path),
            "SERVING_PORT": str(port),
            "SERVING_API_KEY": f"another,{KEY}",
            "SERVING_REFRESH_SECONDS": "0.05",
            "SERVING_DRAIN_SECONDS": "1",
            "SERVING_MAX_ROWS": str(MAX_ROWS),
            "SERVING_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "SERVING_MAX_BATCH_ROWS": str(MAX_BATCH_ROWS),
            # Where one framework keeps the metrics, which servers must not share.
            "BENTOML_HOME": str(log.with_suffix(".bentoml")),
            **variables,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "src.serving.api"],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        return cls(project, process, f"http://127.0.0.1:{port}", log)

    def client(self) -> httpx2.Client:
        client = self.anybody()
        client.headers["x-api-key"] = KEY
        return client

    def anybody(self) -> httpx2.Client:
        # To read the certificates, which nothing here has, takes longer than a request.
        return httpx2.Client(base_url=self.url, verify=False, timeout=SECONDS)

    def status(self, path: str) -> int:
        with self.anybody() as client:
            return client.get(path).status_code

    def version(self) -> str | None:
        with self.client() as client:
            answer = client.request(*FRAMEWORK.model)
            return answer.json()["version"] if answer.status_code == 200 else None


def eventually(holds: Callable[[], bool], log: Path | None = None) -> None:
    """Wait until something holds; fail if it does not come to."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if holds():
                return
        except httpx2.TransportError:  # it does not listen yet
            pass
        if time.monotonic() > deadline:
            pytest.fail(log.read_text()[-3000:] if log else "it takes too long")
        time.sleep(0.02)


def is_alive(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()[-3000:]
    return server.status(FRAMEWORK.health) == 200


def follows(server: Server, version: str) -> bool:
    return server.version() == version


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three servers of one project: one is asked, the others are there to be ended."""
    folder = tmp_path_factory.mktemp("served")
    project = make_project(folder)
    # MLflow's database, if it is there, cannot be made by several processes at once.
    assert project.registry.at("champion") is None
    started = [Server.start(project, folder / f"{name}.log") for name in "abc"]
    try:
        for server in started:
            eventually(partial(is_alive, server), server.log)
        with started[0].client() as client:
            for path in (FRAMEWORK.health, FRAMEWORK.ready, FRAMEWORK.document):
                started[0].before[path] = client.get(path)
            started[0].before["model"] = client.request(*FRAMEWORK.model)
            started[0].before["predict"] = client.post(PREDICT, json=body(ROW))
        project.promote(0)
        for server in started:
            eventually(partial(follows, server, "1"), server.log)
        yield started
    finally:
        for server in started:
            server.process.terminate()  # a killed one would leave its workers
        for server in started:
            server.process.wait(SECONDS)


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
def test_each_kind_of_request_has_its_status(server: Server, name: str) -> None:
    example = EXAMPLES[name]
    answer = ask(server, example)
    assert answer.status_code == example.status, answer.text
    assert KEY not in answer.text


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_answer_says_how_to_treat_it_and_how_it_is_called(
    server: Server, name: str
) -> None:
    first, second = (ask(server, EXAMPLES[name]) for _ in range(2))
    assert SECURITY_HEADERS.items() <= dict(first.headers).items()
    assert int(first.headers["content-length"]) == len(first.content)
    if first.status_code == 200:
        identifiers = {a.headers[FRAMEWORK.request_id] for a in (first, second)}
        assert len(identifiers) == 2


def test_refusals_say_what_would_do(server: Server) -> None:
    assert "www-authenticate" in ask(server, EXAMPLES["no key"]).headers
    table = ask(server, EXAMPLES["another type of table"]).text
    assert all(media_type in table for media_type in (CSV, PARQUET))


def test_without_a_champion_it_is_alive_and_the_log_says_what_to_do(
    server: Server,
) -> None:
    statuses = {path: answer.status_code for path, answer in server.before.items()}
    assert statuses == {
        FRAMEWORK.health: 200,
        FRAMEWORK.ready: 503,
        FRAMEWORK.document: 200,
        "model": 503,
        "predict": 503,
    }
    log = server.log.read_text()
    assert log.count("`make promote` names one") == 1
    assert "Traceback" not in log


def test_without_a_data_schema_one_line_says_what_to_do(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    commands = [["src.serving.api"]]
    if NAME == "bentoml":
        commands.append(["bentoml", "serve", "src.serving.api:Predictions"])
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=PROJECT_ROOT,
            env=os.environ | {"MLOPS_DATA__SCHEMA_PATH": str(missing)},
            capture_output=True,
            text=True,
            check=False,
        )
        line = f"error: {missing}: file not found; run `make data` to infer it\n"
        assert (done.returncode, done.stderr) == (1, line)


def test_with_a_champion_it_is_ready_and_says_which(
    client: httpx2.Client, server: Server
) -> None:
    assert server.status(FRAMEWORK.ready) == 200
    model = client.request(*FRAMEWORK.model).json()
    assert model["version"] == "1"
    assert model["runtime"] == "onnxruntime"
    assert model["classes"] == ["no", "yes"]
    assert set(model["schema"]["columns"]) >= set(ROW)
    assert "configuration" not in model


def test_rows_are_answered_as_scikit_learn_would(
    client: httpx2.Client, server: Server
) -> None:
    frame = rows_of(server, MAX_ROWS)
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    answer = client.post(PREDICT, json=body(*rows)).json()
    assert answer["model_version"] == "1"
    shares = pd.DataFrame([item["probabilities"] for item in answer["predictions"]])
    wanted = expected(server, frame)
    pd.testing.assert_frame_equal(shares, wanted, rtol=0, atol=1e-4)
    labels = [item["prediction"] for item in answer["predictions"]]
    assert labels == wanted.idxmax(axis=1).tolist()


def test_every_wrong_value_is_named(client: httpx2.Client) -> None:
    wrong = {"income": "much", "age": 7, "member": True, "signed up": "soon", "x": 1}
    text = client.post(PREDICT, json=body(ROW, wrong)).text
    for column in ("income", "age", "signed up", "x"):
        assert re.search(rf"\b{column}\b", text), text
    assert "member" not in text


def write(frame: pd.DataFrame, media_type: str) -> bytes:
    if media_type == CSV:
        return frame.to_csv(index=False).encode()
    sink = BytesIO()
    if media_type == PARQUET:
        frame.to_parquet(sink)
    else:
        frame.to_excel(sink, index=False)
    return sink.getvalue()


def read(content: bytes, media_type: str) -> pd.DataFrame:
    if media_type == CSV:
        return pd.read_csv(BytesIO(content))
    return pd.read_parquet(BytesIO(content))


@pytest.mark.parametrize("given", [CSV, PARQUET, EXCEL])
@pytest.mark.parametrize("wanted", [None, CSV, PARQUET])
def test_a_table_is_answered_in_its_own_format_or_the_one_that_is_accepted(
    client: httpx2.Client, server: Server, given: str, wanted: str | None
) -> None:
    frame = rows_of(server, 40)
    frame["member"] = frame["member"] == "True"
    headers = {"content-type": given} | ({"accept": wanted} if wanted else {})
    answer = client.post(BATCH, content=write(frame, given), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == (wanted or ANSWERS[given])
    assert answer.headers["x-model-version"] == "1"
    found = read(answer.content, wanted or ANSWERS[given])
    shares = expected(server, frame).add_prefix("probability of ")
    pd.testing.assert_frame_equal(found[shares.columns], shares, rtol=0, atol=1e-4)
    labels = shares.idxmax(axis=1).str.removeprefix("probability of ")
    assert found["prediction"].tolist() == labels.tolist()


def test_in_a_table_wrong_values_and_columns_are_named(client: httpx2.Client) -> None:
    frame = pd.DataFrame([ROW, {**ROW, "age": 7}]).assign(x=1)
    headers = {"content-type": CSV}
    answer = client.post(BATCH, content=write(frame, CSV), headers=headers)
    assert answer.status_code == FRAMEWORK.wrong_value
    assert re.search(r"\bage\b", answer.text) and re.search(r"\bx\b", answer.text)


def test_a_table_of_too_many_rows_is_refused(client: httpx2.Client) -> None:
    frame = pd.DataFrame([ROW] * (MAX_BATCH_ROWS + 1))
    headers = {"content-type": CSV}
    answer = client.post(BATCH, content=write(frame, CSV), headers=headers)
    assert answer.status_code == FRAMEWORK.wrong_value
    assert str(MAX_BATCH_ROWS) in answer.text


def test_a_body_without_a_length_has_the_same_limit(client: httpx2.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(60):
            yield b" " * 1_000

    answer = client.post(PREDICT, content=chunks(), headers=JSON)
    assert answer.status_code == 413


def test_what_is_sent_behind_a_refused_body_is_answered(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    refused = f"POST {PREDICT} HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\n\r\n..."
    asked = f"GET {FRAMEWORK.health} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=SECONDS) as caller:
        caller.sendall((refused + asked).encode())
        with caller.makefile("rb") as answers:
            statuses = re.findall(rb"HTTP/1.1 (\d+)", answers.read())
    assert statuses == [b"401", b"200"]


def test_the_description_for_programs_has_the_columns_and_an_example_that_works(
    client: httpx2.Client,
) -> None:
    document = client.get(FRAMEWORK.document).json()
    assert set(document["paths"]) >= {PREDICT, BATCH, "/model"}
    row = document["components"]["schemas"]["Row"]
    assert set(row["properties"]) >= set(ROW)
    age = row["properties"]["age"]
    assert (age["minimum"], age["maximum"]) == (18, 79)
    for example in row.get("examples", []):
        assert client.post(PREDICT, json=body(example)).status_code == 200


def test_what_happens_is_counted(server: Server, client: httpx2.Client) -> None:
    def counts() -> list[float]:
        return [
            counted(client, "predictions_total"),
            counted(client, FRAMEWORK.requests),
        ]

    before = counts()
    ask(server, EXAMPLES["rows"])
    ask(server, EXAMPLES["a wrong value"])
    moved = [after - old for after, old in zip(counts(), before, strict=True)]
    assert moved[0] == 2
    assert moved[1] >= 2
    assert counted(client, "model_info", version="1") == 1


def test_another_champion_answers_without_a_restart_and_so_does_a_rollback(
    server: Server, client: httpx2.Client
) -> None:
    first = client.post(PREDICT, json=body(ROW)).json()
    try:
        server.project.promote(1)
        eventually(partial(follows, server, "2"))
        second = client.post(PREDICT, json=body(ROW)).json()
        assert counted(client, "model_info", version="1") == 0
    finally:
        server.project.registry.rollback("it was a test")
    eventually(partial(follows, server, "1"))
    third = client.post(PREDICT, json=body(ROW)).json()
    assert (first["model_version"], second["model_version"]) == ("1", "2")
    assert first["predictions"] != second["predictions"]
    assert third == first


def test_requests_under_way_are_answered_before_the_process_ends(
    servers: list[Server],
) -> None:
    server = servers[1]
    content = json.dumps(body(ROW)).encode()
    headers = {**JSON, "x-api-key": KEY, "content-length": str(len(content))}
    host, port = server.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=SECONDS)) as caller:
        caller.request("POST", PREDICT, content[:10], headers)
        time.sleep(0.2)  # so that it is read
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not is_ready(server))
        caller.send(content[10:])
        answer = caller.getresponse()
        assert answer.status == 200
        # Of which version: it may not have noticed yet that another one was rolled back.
        assert json.loads(answer.read())["predictions"]
    assert server.process.wait(SECONDS) in (0, -signal.SIGTERM)


def test_nobody_who_goes_when_told_loses_a_request_at_the_end(
    servers: list[Server],
) -> None:
    server = servers[2]
    content = json.dumps(body(ROW)).encode()
    headers = {**JSON, "x-api-key": KEY}
    host, port = server.url.removeprefix("http://").split(":")

    def ask_until_told(_: int) -> int:
        with closing(HTTPConnection(host, int(port), timeout=SECONDS)) as caller:
            for number in count():
                caller.request("POST", PREDICT, content, headers)
                answer = caller.getresponse()  # raises if the request is lost
                is_last = answer.will_close
                assert (answer.status, bool(answer.read())) == (200, True)
                if is_last:
                    return number
        raise AssertionError("nobody was told")

    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(ask_until_told, range(8))
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        assert min(asked) > 1
    assert server.process.wait(SECONDS) in (0, -signal.SIGTERM)


def is_ready(server: Server) -> bool:
    try:
        return server.status(FRAMEWORK.ready) == 200
    except httpx2.TransportError:
        return False

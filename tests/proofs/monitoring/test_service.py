"""A real server writes down what it answers, makes nobody wait for that, and takes
labels, whatever the framework."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import parquet

from src.serving.tables import CSV
from src.utils.config import PROJECT_ROOT
from tests.fixtures.serving import ROW
from tests.fixtures.synthetic import TARGET
from tests.proofs.contract.test_contract import BATCH, FRAMEWORK, PREDICT, Project
from tests.proofs.contract.test_contract import Server, body, eventually, follows
from tests.proofs.contract.test_contract import make_project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a champion."""
    made = make_project(tmp_path_factory.mktemp("watched"))
    made.promote(0)
    return made


@contextmanager
def serving(project: Project, data: Path, **variables: str) -> Iterator[Server]:
    """A server that answers, whose data folder is this."""
    variables |= {"MLOPS_PATHS__DATA": str(data)}
    server = Server.start(project, data.with_suffix(".log"), **variables)
    try:
        eventually(partial(follows, server, "1"), server.log)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)


def rows_of(data: Path, kind: str = "*") -> list[dict[str, object]]:
    """Return what is in the files of a data folder, each of which can be read."""
    paths = sorted((data / "predictions").glob(f"{kind}/[!.]*.parquet"))
    tables = [parquet.ParquetFile(path).read() for path in paths]
    return pa.concat_tables(tables).to_pylist() if tables else []


def counted(server: Server, name: str) -> float:
    with server.anybody() as client:
        text = client.get("/metrics").text
    found = text_string_to_metric_families(text)
    return sum(s.value for f in found for s in f.samples if s.name == f"{name}_total")


def test_what_is_answered_is_in_files_when_the_server_has_ended(
    project: Project, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(project, data) as server, server.client() as client:
        answer = client.post(PREDICT, json=body(ROW), headers={"x-request-id": "abc-1"})
        assert answer.headers["x-request-id"] == "abc-1"
        table = pd.DataFrame([ROW] * 300).to_csv(index=False)
        sent = {"content-type": CSV, "x-request-id": "table"}
        answered = client.post(BATCH, content=table, headers=sent)
        refused = client.post(PREDICT, json=body({**ROW, "age": 7}))
        assert refused.status_code == FRAMEWORK.wrong_value
        # Wrong in its last row, when a thousand have been predicted.
        table = pd.DataFrame([ROW] * 1500 + [{**ROW, "age": 7}]).to_csv(index=False)
        refused = client.post(BATCH, content=table, headers={"content-type": CSV})
        assert refused.status_code == FRAMEWORK.wrong_value
    lines = rows_of(data)
    (one,) = [line for line in lines if line["request_id"] == "abc-1"]
    said = answer.json()["predictions"][0]
    assert one["prediction"] == said["prediction"]
    assert dict(one["probabilities"]) == pytest.approx(said["probabilities"])
    assert one["features"]["age"] == ROW["age"]
    many = [line for line in lines if line["request_id"] == "table"]
    assert [line["row"] for line in many] == list(range(300))
    wanted = pd.read_csv(BytesIO(answered.content))["prediction"]
    assert [line["prediction"] for line in many] == wanted.tolist()
    assert len(lines) == 301  # and nothing of what was refused


def test_each_line_of_the_log_is_json_and_says_which_request_it_is_of(
    project: Project, tmp_path: Path
) -> None:
    with serving(project, tmp_path / "data", MLOPS_LOGGING__FORMAT="json") as server:
        with server.client() as client:
            client.post(PREDICT, json=body(ROW), headers={"x-request-id": "abc-1"})
    text = server.log.read_text(encoding="utf-8").splitlines()
    lines = [json.loads(line) for line in text if "[cli]" not in line]  # of BentoML
    assert all({"time", "level", "logger", "message"} <= {*line} for line in lines)
    (access,) = [line for line in lines if line.get("request_id") == "abc-1"]
    assert "access" in access["logger"]


def test_labels_are_taken_from_callers_with_a_key_alone(
    project: Project, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    label = {"request_id": "abc", TARGET: "yes"}
    with serving(project, data) as server, server.client() as client:
        ask = partial(client.post, "/v1/labels")
        assert ask(json=[label, label | {"row": 1}]).json() == {"labels": 2}
        for wrong in (
            [label | {TARGET: ""}],
            [{TARGET: "yes"}],
            [],
            [label | {"x": 1}],
        ):
            assert ask(json=wrong).status_code == FRAMEWORK.wrong_value
        with server.anybody() as nobody:
            assert nobody.post("/v1/labels", json=[label]).status_code == 401
    found = rows_of(data, "labels/*")
    assert [(line["row"], line["label"]) for line in found] == [(0, "yes"), (1, "yes")]


def test_each_answer_of_many_at_once_is_written_with_its_own_identifier(
    project: Project, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(project, data, MONITORING_LOG__PART_SECONDS="0.1") as server:
        with closing(server.client()) as client:

            def ask(number: int) -> None:
                headers = {"x-request-id": f"n{number}"}
                row = {**ROW, "income": float(number)}
                assert client.post(PREDICT, json=body(row), headers=headers).is_success

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, range(400)))
        eventually(lambda: counted(server, "prediction_log_rows") == 400)
        assert counted(server, "prediction_log_dropped_rows") == 0
    said = {line["request_id"]: line["features"]["income"] for line in rows_of(data)}
    assert said == {f"n{number}": float(number) for number in range(400)}


def test_a_disk_that_refuses_drops_rows_and_breaks_no_request(
    project: Project, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.write_text("no folder")
    with serving(project, data, MONITORING_LOG__PART_SECONDS="0.1") as server:
        with server.client() as client:
            assert client.post(PREDICT, json=body(ROW)).is_success
            eventually(lambda: counted(server, "prediction_log_dropped_rows") == 1)
            assert client.post(PREDICT, json=body(ROW)).is_success
    assert "predictions are not written down" in server.log.read_text()


WRITING = """
from pathlib import Path
from src.monitoring.prediction_log import PredictionLog
from tests.fixtures.serving import SCHEMA, served_settings
from tests.unit.test_monitoring import ANSWER, ROW
log = PredictionLog(served_settings(Path({folder!r})), SCHEMA)
while True:
    log.add("3", [ROW] * 20, [ANSWER] * 20)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.2])
def test_a_process_that_is_killed_leaves_files_that_can_be_read(
    tmp_path: Path, seconds: float
) -> None:
    code = WRITING.format(folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env=os.environ | {"MONITORING_LOG__PART_ROWS": "20"},
    )
    try:
        eventually(lambda: bool(rows_of(tmp_path / "data")))
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    assert rows_of(tmp_path / "data")

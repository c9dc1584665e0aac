"""Runs in MLflow, in a local store and on a real server."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import mlflow
import numpy as np
import pandas as pd
import pytest

from scripts.evaluation import evaluate_files
from src.data.preprocessing import preprocess
from scripts.promote import promote
from src.models.artifact import load_model, load_record
from src.models.registry import Registry
from src.tracking.tracker import add_to_run, connect, run
from src.training.train import train
from src.utils import cli
from src.utils.config import PROJECT_ROOT, Settings
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_settings

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
SMALL: dict[str, dict[str, Any]] = {
    "dummy": {},
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}
PROCESSES = multiprocessing.get_context("forkserver")


# A process that does not find the project: without the finder that an editable install
# puts in place, nor a folder that holds the code.
ELSEWHERE = """
import importlib.util, json, os, sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
assert importlib.util.find_spec("src") is None, sys.path
import mlflow, pandas
uri, rows = sys.argv[1:]
rows = pandas.DataFrame(json.loads(rows))
answers = mlflow.pyfunc.load_model(uri).predict(rows).tolist()
import src
print(json.dumps({"answers": answers, "code": src.__file__}))
"""


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the store of the test before: mlflow leaves it in the environment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def tracked(make_project: ProjectMaker) -> ProjectMaker:
    """A function as ``make_project``, whose project is split and records runs."""

    def make(*task: Any, **sections: Any) -> Settings:
        recorded = {"tracking": {"enabled": True}}
        settings = make_project(*task, **recorded | sections)
        bring(settings)
        preprocess(settings)
        return settings

    return make


def model_of(settings: Settings) -> Path:
    return settings.paths.models / "latest_model.joblib"


def raw_frames(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield raw rows as people have them: with and without gaps, of several types."""
    yield rows.assign(age=rows["age"].astype("int64"))
    yield rows.assign(age=rows["age"].astype("float64").where(rows.index % 2 == 0))
    yield rows.assign(age=rows["age"].astype("Int64").where(rows.index % 2 == 0))
    yield rows.assign(income=50, city=None, member=np.nan)
    yield rows.astype("object").where(rows.notna(), None)
    yield rows.astype("str").drop(columns=["signed up"])
    yield rows.assign(another="column")


def test_the_champion_predicts_where_the_project_is_not(
    tracked: ProjectMaker, tmp_path: Path
) -> None:
    settings = tracked()
    trained = train(settings)
    registry = Registry(settings)
    registry.promote(registry.register(model_of(settings)), "a test", None)
    rows = pd.read_csv(settings.paths.processed / "test.csv").head(9)
    rows = rows.astype("object").where(rows.notna(), None)
    rows.loc[0, "age"] = None
    left_out = {"PYTHONPATH", "PYTHONSAFEPATH"}
    variables = {k: v for k, v in os.environ.items() if k not in left_out}
    variables["MLFLOW_TRACKING_URI"] = mlflow.get_tracking_uri()
    uri = f"models:/{registry.name}@champion"
    asked = [uri, rows.to_json(orient="records")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, *asked],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["answers"] == trained.predict(rows).tolist()
    assert not Path(told["code"]).is_relative_to(PROJECT_ROOT)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", SMALL)
def test_the_logged_model_predicts_the_same_and_has_signature_and_example(
    tracked: ProjectMaker, kind: str, task: str
) -> None:
    settings = tracked(task, model={"type": kind, "params": SMALL[kind]})

    trained = train(settings)

    run_id = load_record(model_of(settings))["run_id"]
    connect(settings)
    (logged,) = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run_id}'", output_format="list"
    )
    rows = pd.read_csv(settings.paths.processed / "test.csv").head(20)
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert (loaded.predict(rows) == trained.predict(rows)).all()
    generic = mlflow.pyfunc.load_model(logged.model_uri)
    for frame in raw_frames(rows):
        assert (generic.predict(frame) == trained.predict(frame)).all()
    info = mlflow.models.get_model_info(logged.model_uri)
    assert "income" in info.signature.inputs.input_names()
    assert info.saved_input_example_info is not None
    assert info.flavors["sklearn"]["serialization_format"] == "skops"


def test_a_tuned_threshold_is_logged_with_the_model(tracked: ProjectMaker) -> None:
    settings = tracked(training={"decision_threshold": "tuned", "folds": 3})

    trained = train(settings)

    run_id = load_record(model_of(settings))["run_id"]
    connect(settings)
    (logged,) = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run_id}'", output_format="list"
    )
    rows = pd.read_csv(settings.paths.processed / "test.csv")
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert (loaded.predict(rows) == trained.predict(rows)).all()


def test_an_evaluation_and_a_promotion_add_to_the_run_that_made_the_model(
    tracked: ProjectMaker,
) -> None:
    settings = tracked()
    cards = settings.registry.cards
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.", "utf-8")
    train(settings)
    path = model_of(settings)
    for _ in range(2):  # what is measured again replaces what was there
        evaluate_files(path, settings.paths.processed / "test.csv", settings)
    promote(path, settings, "a test", override=True)

    client, _ = connect(settings)
    run_id = load_record(path)["run_id"]
    found = client.get_run(run_id)
    assert {"test.roc_auc", "test.roc_auc.low"} <= set(found.data.metrics)
    (given,) = found.inputs.dataset_inputs
    digest = load_record(path)["data"]["files"]["train.csv"]["sha256"]
    assert (given.dataset.name, given.dataset.digest) == ("train.csv", digest[:36])
    version = client.get_model_version_by_alias(settings.registry.model, "champion")
    assert version.run_id == run_id
    shown = float(version.tags["test.roc_auc"])
    assert shown == found.data.metrics["test.roc_auc"]
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert model.source_run_id == run_id
    measured = {metric.key: metric.value for metric in model.metrics}
    assert measured["test.roc_auc"] == shown and "train.roc_auc" in measured
    assert found.data.tags["version"] == "1"
    assert found.data.tags["gate"] in ("passed", "overridden")
    reports = {file.path for file in client.list_artifacts(run_id, "report")}
    assert {"report/evaluation.html", "report/gate.md"} <= reports


def test_a_model_that_was_trained_unrecorded_is_registered_as_a_model_of_mlflow(
    tracked: ProjectMaker,
) -> None:
    settings = tracked(tracking={"enabled": False})
    trained = train(settings)
    registry = Registry(settings)
    registry.register(model_of(settings))
    rows = pd.read_csv(settings.paths.processed / "test.csv")
    model = mlflow.pyfunc.load_model(f"models:/{registry.name}@challenger")
    assert (model.predict(rows) == trained.predict(rows)).all()


def test_a_run_whose_files_cannot_be_written_is_reported_in_one_line(
    tracked: ProjectMaker, tmp_path: Path
) -> None:
    models = tmp_path / "own" / "models"
    settings = tracked(paths={"models": models})
    models.parent.mkdir()
    (models.parent / "mlruns").write_text("a file where a folder has to be", "utf-8")

    with pytest.raises(DataError, match="Not a directory.*the model is saved") as error:
        train(settings)

    assert "\n" not in str(error.value)
    client, experiment = connect(settings)
    (found,) = client.search_runs([experiment])
    assert found.info.status == "FAILED"


def test_a_store_that_is_damaged_is_reported_in_one_line(
    tracked: ProjectMaker, tmp_path: Path
) -> None:
    settings = tracked(paths={"models": tmp_path / "own" / "models"})

    with pytest.raises(DataError, match="mlflow.db") as caught:
        with run(settings, "cut off"):
            (tmp_path / "own/mlflow.db").write_bytes(b"no database" * 1000)

    assert "\n" not in str(caught.value)


class Quiet(WSGIRequestHandler):
    """Prints nothing about requests."""

    def log_message(self, *_: Any) -> None: ...


class MortalServer:
    """A server of MLflow that answers no more once it is asked for a certain thing.

    It runs in a process of its own; a file says what ends it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deadly = folder / "deadly"

    def dies_at(self, part: str) -> None:
        """Choose the part of an address; none for a server that lives."""
        self.deadly.write_text(part, "utf-8")

    @property
    def is_dead(self) -> bool:
        """Whether it was asked for the thing, and is asked in vain since."""
        return self.deadly.read_text("utf-8") == "/"

    def listen(self, answer: Connection) -> None:
        """Say the port, and answer until the process ends."""
        from mlflow import server

        for name, value in {
            server.BACKEND_STORE_URI_ENV_VAR: f"sqlite:///{self.folder / 'mlflow.db'}",
            server.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
            server.ARTIFACTS_DESTINATION_ENV_VAR: str(self.folder / "files"),
            server.SERVE_ARTIFACTS_ENV_VAR: "true",
        }.items():
            os.environ[name] = value

        def mortal(
            request: dict[str, Any], start: Callable[..., Any]
        ) -> Iterable[bytes]:
            part = self.deadly.read_text("utf-8")
            if part and part in request["PATH_INFO"]:
                self.dies_at("/")
                raise ConnectionResetError  # which ends it without an answer
            return server.app(request, start)

        with make_server("127.0.0.1", 0, mortal, handler_class=Quiet) as listening:
            answer.send(listening.server_port)
            listening.serve_forever()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server, and its address."""
    folder = tmp_path_factory.mktemp("server")
    connect(make_settings(folder, "classification", tracking={"experiment": "x"}))
    mortal = MortalServer(folder)
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=mortal.listen, args=(theirs,), daemon=True)
    process.start()
    with ours, theirs:
        yield mortal, f"http://127.0.0.1:{ours.recv()}"
    process.kill()
    process.join()


@pytest.fixture
def server(running: Any, monkeypatch: pytest.MonkeyPatch) -> MortalServer:
    """A server that lives, and to which everything goes that is recorded."""
    mortal, uri = running
    mortal.dies_at("")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found: MortalServer = mortal
    return found


def said_by(command: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which a command ends that cannot go on."""
    with pytest.raises(SystemExit) as ended:
        cli.run(command)
    line = str(ended.value.code)
    assert line.startswith("error: ") and "\n" not in line
    assert "Traceback" not in capsys.readouterr().err
    return line


@pytest.mark.parametrize(
    "deadly", ["log-batch", "saved/", "logged-models", "runs/update"]
)
def test_a_server_that_dies_loses_no_trained_model(
    tracked: ProjectMaker,
    server: MortalServer,
    deadly: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tracked()
    model = model_of(settings)
    server.dies_at(deadly)

    line = said_by(lambda: train(settings), capsys)

    assert "cannot be recorded in MLflow at http://127.0.0.1" in line
    assert f"the model is saved, as {model}" in line
    load_model(model)
    server.dies_at("")
    mlflow.end_run()
    evaluate_files(model, settings.paths.processed / "test.csv", settings)


def test_a_server_that_dies_before_the_training_is_not_said_to_have_kept_a_model(
    tracked: ProjectMaker, server: MortalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tracked()
    server.dies_at("runs/create")

    line = said_by(lambda: train(settings), capsys)

    assert "cannot be recorded" in line and "is saved" not in line
    assert not settings.paths.models.exists()


@pytest.mark.parametrize("deadly", ["experiments", "runs/set-tag", "log-batch"])
def test_a_server_that_dies_loses_no_report(
    tracked: ProjectMaker,
    server: MortalServer,
    deadly: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tracked()
    train(settings)
    server.dies_at(deadly)
    test = settings.paths.processed / "test.csv"

    line = said_by(lambda: evaluate_files(model_of(settings), test, settings), capsys)

    page = settings.paths.reports / "evaluation.html"
    assert str(page) in line and page.exists()
    mlflow.end_run()


def test_a_promotion_whose_server_dies_is_completed_when_it_is_run_again(
    tracked: ProjectMaker,
    server: MortalServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.\n", "utf-8")
    settings = tracked(registry={"model": "mortal", "cards": cards})
    train(settings)
    model = model_of(settings)

    def promoted() -> bool:
        return promote(model, settings, "a test", override=True).promoted

    for deadly in (
        "registered-models/create",
        "model-versions/create",
        "registered-models/set-tag",
        "registered-models/alias",
    ):
        server.dies_at(deadly)
        line = said_by(promoted, capsys)
        assert server.is_dead, deadly
        assert "127.0.0.1" in line
        server.dies_at("")

    promoted()
    registry = Registry(settings)
    champion = registry.at("champion")
    assert champion is not None and champion.number == 1
    actions = [event.action for event in registry.history()]
    assert actions == ["register", "promote"]


def test_the_first_error_is_the_one_that_is_told(
    tracked: ProjectMaker, server: MortalServer
) -> None:
    with pytest.raises(KeyboardInterrupt), run(tracked(), "broken"):
        server.dies_at("/")
        raise KeyboardInterrupt

    server.dies_at("")
    mlflow.end_run()


def test_a_run_that_fails_says_so(make_project: ProjectMaker) -> None:
    settings = make_project(tracking={"enabled": True})

    with pytest.raises(KeyboardInterrupt), run(settings, "broken") as run_id:
        raise KeyboardInterrupt

    assert connect(settings)[0].get_run(run_id).info.status == "FAILED"


def test_a_run_that_another_store_has_is_named_in_one_line(
    make_project: ProjectMaker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_project(tracking={"enabled": True})

    add_to_run(settings, {"run_id": "abc"}, {"gate": "passed"}, [])

    (said,) = (record.getMessage() for record in caplog.records)
    assert "abc is not in this MLflow" in said and "\n" not in said


def test_a_server_that_is_down_is_told_in_one_line_without_its_password(
    tracked: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")

    with pytest.raises(DataError, match=r"127.0.0.1:9.*start the server") as error:
        train(tracked())

    assert "\n" not in str(error.value) and "secret" not in str(error.value)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

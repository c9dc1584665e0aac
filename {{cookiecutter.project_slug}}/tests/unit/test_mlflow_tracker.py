"""Runs in MLflow, read back from a real store."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pandas as pd
import pytest

from scripts.evaluation import evaluate_files
from src.data.preprocessing import preprocess
from src.evaluation.promotion import promote
from src.models.artifact import load_model
from src.models.registry import make_registry
from src.tracking import mlflow_connection
from src.tracking import mlflow_tracker as module
from src.tracking.mlflow_connection import connect
from src.training.train import train
from src.utils import cli
from src.utils.config import Settings
from src.utils.errors import ConfigError, ProjectError, TrackingError
from tests.fixtures.registry_suite import PROCESSES
from tests.fixtures.synthetic import bring, make_settings

# SQLAlchemy leaves the connections of the store to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

MakeProject = Callable[..., Settings]
SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: making its tables takes seconds, copying it does not."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(module.URI_NAME, raising=False)
        settings = make_settings(folder, "classification", tracking={"experiment": "x"})
        connect(settings)
    return folder / "mlflow.db"


@pytest.fixture
def tracked(
    make_project: MakeProject,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeProject:
    """A function as ``make_project``, whose project is split and records runs."""
    monkeypatch.delenv(module.URI_NAME, raising=False)
    shutil.copy(store, tmp_path / "mlflow.db")

    def make(**sections: Any) -> Settings:
        tracking = {"backend": "mlflow", "experiment": "synthetic"}
        settings = make_project(tracking=tracking, **sections)
        bring(settings)
        preprocess(settings)
        return settings

    return make


def record_of(settings: Settings) -> dict[str, Any]:
    text = (settings.paths.models / "latest_model.json").read_text("utf-8")
    return dict(json.loads(text))


def files_of(client: Any, run_id: str, folder: str = "") -> set[str]:
    return {f.path for f in client.list_artifacts(run_id, folder or None)}


def test_a_training_its_evaluation_and_its_promotion_are_one_run(
    tracked: MakeProject, tmp_path: Path
) -> None:
    settings = tracked(
        training={"strategy": "cross_validation", "folds": 2},
        registry={"cards": tmp_path},
    )
    (tmp_path / "intended_use.md").write_text("To test.", "utf-8")

    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    evaluate_files(model, settings.paths.processed / "test.csv", settings)
    promote(model, settings, "a test")

    client, experiment = connect(settings)
    runs = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    whole, *folds = runs
    run_id = whole.info.run_id
    assert record_of(settings)["tracking"] == {"backend": "mlflow", "run_id": run_id}
    assert whole.info.status == "FINISHED"
    assert whole.data.params["model_type"] == "linear"
    assert {"train.roc_auc", "test.roc_auc", "test.roc_auc.low"} <= set(
        whole.data.metrics
    )
    assert len(whole.data.tags["train_sha256"]) == 64
    assert (whole.data.tags["version"], whole.data.tags["gate"]) == ("1", "passed")
    parents = [fold.data.tags["mlflow.parentRunId"] for fold in folds]
    assert parents == [run_id, run_id]
    assert all("roc_auc" in fold.data.metrics for fold in folds)
    assert {"configuration.yaml", "environment.txt"} <= files_of(client, run_id)
    reports = files_of(client, run_id, "report")
    assert {"report/evaluation.html", "report/gate.md"} <= reports
    assert "plots/roc_curve.svg" in files_of(client, run_id, "plots")
    assert "saved/latest_model.joblib" in files_of(client, run_id, "saved")


@pytest.mark.parametrize("kind", SMALL)
def test_the_logged_model_predicts_the_same_and_has_signature_and_example(
    tracked: MakeProject, kind: str
) -> None:
    import mlflow

    settings = tracked(model={"type": kind, "params": SMALL[kind]})

    trained = train(settings)

    run_id = record_of(settings)["tracking"]["run_id"]
    (logged,) = mlflow.search_logged_models(
        experiment_ids=[connect(settings)[1]], output_format="list"
    )
    assert logged.source_run_id == run_id
    rows = pd.read_csv(settings.paths.processed / "test.csv").head(20)
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert (loaded.predict(rows) == trained.predict(rows)).all()
    info = mlflow.models.get_model_info(logged.model_uri)
    assert "income" in info.signature.inputs.input_names()
    assert info.saved_input_example_info is not None
    assert info.flavors["sklearn"]["serialization_format"] == "skops"


def test_a_figure_that_is_measured_again_replaces_the_one_before(
    tracked: MakeProject,
) -> None:
    settings = tracked()
    tracker = module.make_tracker(settings)

    with tracker.run("twice") as run_id:
        tracker.log_metrics(run_id, {"test.roc_auc": 0.9})
        time.sleep(0.002)  # the time of a figure is kept in milliseconds
        tracker.log_metrics(run_id, {"test.roc_auc": 0.5})

    client, _ = connect(settings)
    assert client.get_run(run_id).data.metrics == {"test.roc_auc": 0.5}


def test_a_run_that_fails_says_so(tracked: MakeProject) -> None:
    settings = tracked()
    tracker = module.make_tracker(settings)

    with pytest.raises(KeyboardInterrupt), tracker.run("broken") as run_id:
        raise KeyboardInterrupt

    client, _ = connect(settings)
    assert client.get_run(run_id).info.status == "FAILED"


def test_a_run_that_is_in_another_store_is_named_in_one_line(
    tracked: MakeProject,
) -> None:
    tracker = module.make_tracker(tracked())

    with (
        pytest.raises(ConfigError, match="mlflow.db' has no run abc, .*BACKEND=none"),
        tracker.resume("abc"),
    ):
        pass


def test_a_server_that_is_down_is_named_in_one_line(
    tracked: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tracked()
    monkeypatch.setenv(module.URI_NAME, "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(ConfigError, match="127.0.0.1:9.*start the server"):
        train(settings)


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
def running(
    store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MortalServer, str]]:
    """A server, and its address."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(store, folder)
    mortal = MortalServer(folder)
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=mortal.listen, args=(theirs,), daemon=True)
    process.start()
    with ours, theirs:
        yield mortal, f"http://127.0.0.1:{ours.recv()}"
    process.kill()
    process.join()


@pytest.fixture
def server(
    running: tuple[MortalServer, str], monkeypatch: pytest.MonkeyPatch
) -> MortalServer:
    """A server that lives, and to which everything goes that is recorded."""
    mortal, uri = running
    mortal.dies_at("")
    for place in (module, mlflow_connection):  # `tracked` unsets the other
        monkeypatch.setattr(place, "URI_NAME", "MORTAL_URI")
    monkeypatch.setenv("MORTAL_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return mortal


def said_by(command: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which a command ends that cannot go on."""
    with pytest.raises(SystemExit) as ended:
        cli.run(command)
    line = str(ended.value.code)
    assert line.startswith("error: ") and "\n" not in line
    assert "Traceback" not in capsys.readouterr().err
    return line


@pytest.mark.parametrize(
    "deadly",
    ["log-batch", "configuration.yaml", "saved/", "logged-models", "runs/update"],
)
def test_a_server_that_dies_loses_no_trained_model(
    tracked: MakeProject,
    server: MortalServer,
    deadly: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tracked()
    model = settings.paths.models / "latest_model.joblib"
    server.dies_at(deadly)

    line = said_by(lambda: train(settings), capsys)

    assert "cannot be recorded in MLflow at http://127.0.0.1" in line
    assert f"the model is saved, as {model}" in line
    load_model(model)
    server.dies_at("")
    evaluate_files(model, settings.paths.processed / "test.csv", settings)


def test_a_server_that_dies_before_the_training_is_not_said_to_have_kept_a_model(
    tracked: MakeProject, server: MortalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tracked()
    server.dies_at("runs/create")

    line = said_by(lambda: train(settings), capsys)

    assert "cannot be recorded" in line and "is saved" not in line
    assert not settings.paths.models.exists()


@pytest.mark.parametrize("deadly", ["experiments", "runs/update", "log-batch"])
def test_a_server_that_dies_loses_no_report(
    tracked: MakeProject,
    server: MortalServer,
    deadly: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tracked()
    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    server.dies_at(deadly)

    line = said_by(
        lambda: evaluate_files(model, settings.paths.processed / "test.csv", settings),
        capsys,
    )

    page = settings.paths.reports / "evaluation.html"
    assert f"the report is written, as {page}" in line
    assert page.exists()


def test_a_promotion_whose_server_dies_is_completed_when_it_is_run_again(
    tracked: MakeProject,
    server: MortalServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.\n", "utf-8")
    kept = {"backend": "mlflow", "model": "mortal", "cards": cards}
    settings = tracked(registry=kept)
    train(settings)
    model = settings.paths.models / "latest_model.joblib"

    def promoted() -> bool:
        return promote(model, settings, "a test", override=True).promoted

    for deadly in (
        "registered-models/get",
        "registered-models/create",
        "model-versions/create",
        "registered-models/set-tag",
        "registered-models/alias",
        "registered-models/delete-tag",
        "version-1/gate.json",
    ):
        server.dies_at(deadly)
        line = said_by(promoted, capsys)
        assert server.is_dead, deadly
        assert "cannot be" in line
        server.dies_at("")

    assert promoted()
    registry = make_registry(settings)
    champion = registry.champion()
    assert champion is not None and champion.number == 1
    assert [e.action for e in registry.history()] == ["register", "promote"]


def test_the_first_error_is_the_one_that_is_told(
    tracked: MakeProject, server: MortalServer, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = module.make_tracker(tracked())

    with pytest.raises(KeyboardInterrupt), tracker.run("broken"):
        server.dies_at("/")
        raise KeyboardInterrupt

    assert "the end of the run is not recorded" in caplog.text


def test_a_run_whose_files_cannot_be_written_is_reported_in_one_line(
    tracked: MakeProject, tmp_path: Path
) -> None:
    settings = tracked()
    (tmp_path / "mlruns").write_text("a file where a folder has to be", "utf-8")

    with pytest.raises(TrackingError, match="mlruns.*the model is saved"):
        train(settings)

    client, experiment = connect(settings)
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FAILED"


def test_a_store_that_is_damaged_is_reported_in_one_line(
    tracked: MakeProject, tmp_path: Path
) -> None:
    settings = tracked()
    tracker = module.make_tracker(settings)

    with pytest.raises(ProjectError, match="mlflow.db") as caught:
        with tracker.run("cut off") as run_id:
            (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
            tracker.log_params(run_id, {"a": 1})

    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_told_to_nobody(
    tracked: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tracked()
    monkeypatch.setenv(module.URI_NAME, "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(ConfigError, match=r"//me:\*\*\*@127.0.0.1:9") as caught:
        train(settings)

    assert "secret" not in str(caught.value)


def test_nothing_is_told_to_anybody() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

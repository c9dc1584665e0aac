"""Runs in MLflow, read back from a real store."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scripts.evaluation import evaluate_files
from src.data.preprocessing import preprocess
from src.evaluation.promotion import promote
from src.tracking import mlflow_tracker as module
from src.tracking.mlflow_tracker import connect
from src.training.train import train
from src.utils.config import Settings
from src.utils.errors import ConfigError
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


def test_nothing_is_told_to_anybody() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

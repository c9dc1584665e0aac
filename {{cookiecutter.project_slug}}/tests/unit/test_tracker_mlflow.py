"""Runs in MLflow, read back from a real store."""

import pytest

from src.models.artifact import load_record
from src.tracking.tracker import add_to_run, connect, run
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model

import mlflow

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_a_training_its_evaluation_and_the_decision_are_one_run(
    make_project: ProjectMaker,
) -> None:
    training = {"strategy": "hyperparameter_search", "folds": 2}
    search = {"trials": 2, "space": {"linear": {"C": {"low": 0.1, "high": 1}}}}
    tracking = {"enabled": True}
    settings = make_project(training=training, search=search, tracking=tracking)
    path = train_model(settings)
    record = load_record(path)
    scores = {"roc_auc": {"value": 0.9, "low": 0.8, "high": None}}
    found = {"test": scores, "test_sha256": "123"}
    add_to_run(settings, record, found, [path.with_suffix(".json")])
    add_to_run(settings, record, {"version": 7, "gate": "passed"}, [])

    client, experiment = connect(settings)
    run_id = record["run_id"]
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params["model_type"] == "linear"
    assert found.data.metrics["test.roc_auc"] == 0.9
    assert {"train.roc_auc", "test.roc_auc.low"} < set(found.data.metrics)
    tags = {"version": "7", "gate": "passed", "test_sha256": "123"}
    assert found.data.tags.items() >= tags.items()
    within = f"tags.`mlflow.parentRunId` = '{run_id}'"
    nested = {r.info.run_name: r for r in client.search_runs([experiment], within)}
    assert set(nested) == {"fold 0", "fold 1", "trial 0", "trial 1"}
    assert "roc_auc" in nested["fold 0"].data.metrics
    assert nested["trial 0"].data.metrics.keys() == {"value"}
    folders = ("saved", "report")
    kept = [f.path for d in folders for f in client.list_artifacts(run_id, d)]
    assert {"saved/latest_model.joblib", "report/latest_model.json"} <= set(kept)

    (logged,) = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run_id}'", output_format="list"
    )
    signature = mlflow.models.get_model_info(logged.model_uri).signature
    assert "income" in signature.inputs.input_names()


def test_nothing_is_recorded_if_the_configuration_says_so(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(tracking={"enabled": False, "uri": "http://127.0.0.1:9"})

    with run(settings, "none") as run_id:
        assert run_id is None
    add_to_run(settings, {"run_id": "abc"}, {"gate": "passed"}, [])

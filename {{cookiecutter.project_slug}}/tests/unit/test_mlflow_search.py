"""A search in MLflow: its trials are runs within the run of the training."""

from collections.abc import Callable

import pytest

from src.data.preprocessing import preprocess
from src.models.artifact import load_record
from src.tracking import mlflow_tracker as module
from src.training.train import train
from src.utils.config import Settings
from tests.fixtures.synthetic import bring

# SQLAlchemy leaves the connections of the store to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_each_trial_is_a_nested_run_with_its_parameters_state_folds_and_value(
    make_project: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(module.URI_NAME, raising=False)
    settings = make_project(
        rows=150,
        tracking={"backend": "mlflow", "experiment": "searched"},
        training={"strategy": "hyperparameter_search", "folds": 3},
        # A negative one is refused.
        search={"trials": 4, "space": {"linear": {"C": {"choices": [1.0, -1.0]}}}},
    )
    bring(settings)
    preprocess(settings)

    train(settings)

    record = load_record(settings.paths.models / "latest_model.joblib")
    trials, whole = record["search"]["trials"], record["tracking"]["run_id"]
    assert {trial["state"] for trial in trials} == {"complete", "fail"}
    client, experiment = module.connect(settings)
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == (
        {"train linear"}
        | {f"fold {n}" for n in range(3)}
        | {f"trial {n}" for n in range(4)}
    )
    assert runs["train linear"].info.run_id == whole
    for trial in trials:
        run = runs[f"trial {trial['number']}"]
        folds = client.get_metric_history(run.info.run_id, "fold")
        assert run.data.tags["mlflow.parentRunId"] == whole
        assert run.data.tags["state"] == trial["state"]
        assert run.data.params == {"C": str(trial["params"]["C"])}
        assert [(m.step, m.value) for m in folds] == list(
            enumerate(trial["intermediate"])
        )
        assert run.data.metrics.get("value") == trial["value"]
        assert run.info.status == "FINISHED"

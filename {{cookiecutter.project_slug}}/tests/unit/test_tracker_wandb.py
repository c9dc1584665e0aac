"""Runs of Weights & Biases, read back from what was written offline."""

import pytest

from src.models.artifact import load_record
from src.tracking.tracker import add_to_run, run
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model

import wandb

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_an_offline_run_holds_what_is_synced_later(make_project: ProjectMaker) -> None:
    training = {"strategy": "cross_validation", "folds": 2}
    settings = make_project(
        training=training, tracking={"enabled": True, "experiment": "synthetic"}
    )
    path = train_model(settings)
    record = load_record(path)
    scores = {"roc_auc": {"value": 0.9}}
    found = {"test": scores, "test_sha256": "123"}
    add_to_run(settings, record, found, [path.with_suffix(".json")])
    add_to_run(settings, record, {"version": 7, "gate": "passed"}, [])
    wandb.teardown()  # as at the end of a command: waits until all is written

    # What `wandb sync` reads: a log of records, whose texts are not compressed.
    home = settings.paths.models.parent / "wandb"
    folders = list(home.glob(f"offline-run-*-{record['run_id']}*"))
    logs = [file.read_bytes() for folder in folders for file in folder.glob("*.wandb")]
    written = b"".join(logs)
    for word in ("train", "test", "roc_auc", "hyperparameters", "gate", "folds"):
        assert word.encode() in written
    assert b"synthetic-model" in written
    files = {path.name for folder in folders for path in folder.rglob("*")}
    assert "latest_model.json" in files


def test_nothing_is_recorded_if_the_configuration_says_so(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(tracking={"enabled": False})

    with run(settings, "none") as run_id:
        assert run_id is None
    add_to_run(settings, {"run_id": "abc"}, {"gate": "passed"}, [])

    assert wandb.run is None

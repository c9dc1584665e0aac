"""Runs of Weights & Biases, read back from what was written offline."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.evaluation import evaluate_files
from src.data.preprocessing import preprocess
from src.evaluation.promotion import promote
from src.tracking import wandb_tracker as module
from src.training.train import train
from src.utils.config import Settings
from src.utils.errors import TrackingError
from tests.fixtures.synthetic import bring

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MakeProject = Callable[..., Settings]


@pytest.fixture
def tracked(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A project that is split, trained with folds, evaluated and promoted, offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    settings = make_project(
        tracking={"backend": "wandb", "experiment": "synthetic"},
        training={"strategy": "cross_validation", "folds": 2},
        registry={"cards": tmp_path},
    )
    (tmp_path / "intended_use.md").write_text("To test.", "utf-8")
    bring(settings)
    preprocess(settings)
    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    evaluate_files(model, settings.paths.processed / "test.csv", settings)
    promote(model, settings, "a test")
    module.wandb.teardown()  # as at the end of a command: waits until all is written
    yield settings


def test_an_offline_run_holds_what_is_synced_later(tracked: Settings) -> None:
    record = json.loads((tracked.paths.models / "latest_model.json").read_text("utf-8"))
    run_id = record["tracking"]["run_id"]
    folders = sorted((tracked.paths.models.parent / "wandb").glob("offline-run-*"))

    # What `wandb sync` reads: a log of records, whose texts are not compressed.
    written = {
        folder: b"".join(file.read_bytes() for file in folder.glob("*.wandb"))
        for folder in folders
    }
    own = b"".join(written[f] for f in folders if run_id in f.name)
    others = [log for f, log in written.items() if run_id not in f.name]
    words = ["train.roc_auc", "test.roc_auc", "model_type"]
    words += [f"tags.{name}" for name in ("train_sha256", "test_sha256", "gate")]
    for word in words:
        assert word.encode() in own
    assert len(others) == 2, "one run for each fold"
    assert all(run_id.encode() in log and b"roc_auc" in log for log in others)
    files = {path.name for folder in folders for path in folder.rglob("*")}
    assert {"configuration.yaml", "latest_model.json"} <= files
    assert {"evaluation.html", "gate.md"} <= files


def test_a_file_that_cannot_be_written_is_reported_in_one_line(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    settings = make_project(tracking={"backend": "wandb", "experiment": "synthetic"})
    tracker = module.make_tracker(settings)

    with pytest.raises(TrackingError, match="with wandb.*taken") as caught:
        with tracker.run("broken") as run_id:
            tracker.log_text(run_id, "a file", "taken")
            tracker.log_text(run_id, "beside it", "taken/too")

    assert "\n" not in str(caught.value)


def test_nothing_is_sent_to_anybody_unasked() -> None:
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    assert module.MODE_NAME in os.environ

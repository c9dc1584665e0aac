"""Runs of Weights & Biases, read back from what was written offline."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import wandb

from scripts.evaluation import evaluate_files
from src.data.preprocessing import preprocess
from scripts.promote import promote
from src.models.artifact import load_record
from src.tracking import tracker
from src.tracking.tracker import run
from src.training.train import train
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def tracked(make_project: ProjectMaker, **sections: Any) -> Settings:
    """Return the settings of a split project that records runs."""
    recorded = {"enabled": True, "experiment": "synthetic"}
    settings = make_project(tracking=recorded, **sections)
    bring(settings)
    preprocess(settings)
    return settings


def test_search_evaluation_and_promotion_are_one_run(
    make_project: ProjectMaker,
) -> None:
    training = {"strategy": "hyperparameter_search", "folds": 2}
    space = {"linear": {"C": {"low": 0.1, "high": 1}}}
    search = {"trials": 3, "space": space}
    settings = tracked(make_project, training=training, search=search)
    cards = settings.registry.cards
    cards.mkdir()
    (cards / "intended_use.md").write_text("To test.", "utf-8")
    path = settings.paths.models / "latest_model.joblib"

    train(settings)
    evaluate_files(path, settings.paths.processed / "test.csv", settings)
    promote(path, settings, "a test", override=True)
    wandb.teardown()

    run_id = load_record(path)["run_id"]
    home = settings.paths.models.parent / "wandb"
    folders = list(home.glob(f"offline-run-*-{run_id}*"))
    assert len(folders) == 3, "one for each command, which are synced as one run"
    (table,) = [f for d in folders for f in d.rglob("trials*.table.json")]
    content = json.loads(table.read_text("utf-8"))
    assert len(content["data"]) == 3 and "value" in content["columns"]
    files = {file.name for folder in folders for file in folder.rglob("*")}
    assert {"evaluation.html", "evaluation.json", "gate.md"} <= files


def test_a_run_that_fails_says_so_and_the_first_error_is_told(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int | None] = []
    finish = wandb.Run.finish

    def spy(self: Any, exit_code: int | None = None, **kwargs: Any) -> None:
        ends.append(exit_code)
        finish(self, exit_code, **kwargs)

    monkeypatch.setattr(wandb.Run, "finish", spy)
    settings = make_project(tracking={"enabled": True})

    with pytest.raises(KeyboardInterrupt), tracker.run(settings, "broken"):
        raise KeyboardInterrupt

    assert ends == [1]


def test_a_model_is_saved_even_if_its_run_cannot_be_recorded(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tracked(make_project)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wandb.Artifact, "add_file", full)
    with pytest.raises(DataError, match="No space left.*the model is saved") as error:
        train(settings)

    assert "\n" not in str(error.value)
    assert load_record(settings.paths.models / "latest_model.joblib")


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    make_project: ProjectMaker, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    settings = make_project(
        tracking={"enabled": True}, paths={"models": tmp_path / "file" / "models"}
    )

    with pytest.raises(DataError, match="cannot be recorded with wandb") as error:
        with tracker.run(settings, "none"):
            pass

    assert "\n" not in str(error.value)


def test_a_run_that_cannot_be_written_is_reported_in_one_line(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wandb, "init", full)

    with pytest.raises(DataError, match="with wandb.*No space.*ENABLED=false") as error:
        with run(make_project(tracking={"enabled": True}), "broken"):
            pass
    assert "\n" not in str(error.value)


def test_nothing_is_sent_to_anybody_unasked() -> None:
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"

"""The evaluation command: from a saved model and a file of rows to the report."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scripts import evaluation as command
from scripts.evaluation import evaluate_files, main
from src.data.preprocessing import preprocess
from src.evaluation.run import check_model
from src.training.train import train
from src.utils.config import Settings, Task
from src.utils.errors import DataError, ModelError
from tests.fixtures.synthetic import bring, make_frame, make_settings

Trained = tuple[Settings, Path, Path]


def run_until_trained(settings: Settings) -> Trained:
    """Run a project up to training; return settings, model and test rows."""
    bring(settings)
    preprocess(settings)
    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    return settings, model, settings.paths.processed / "test.csv"


def make_trained(folder: Path, task: Task) -> Trained:
    """Train on made-up rows, with all files in ``folder``."""
    make_frame(task).to_csv(folder / "source.csv", index=False)
    return run_until_trained(make_settings(folder, task))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained project for the tests that leave it as it is."""
    return make_trained(tmp_path_factory.mktemp("shared"), "classification")


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_evaluation_is_said_and_reported(
    shared: Trained, tmp_path: Path, task: Task
) -> None:
    trained = shared if task == "classification" else make_trained(tmp_path, task)
    settings, model, test = trained
    said = evaluate_files(model, test, settings)
    assert ("ROC AUC" if task == "classification" else "RMSE") in said
    assert "the model is better than the baseline" in said
    content = json.loads((settings.paths.reports / "evaluation.json").read_text())
    record = json.loads(model.with_suffix(".json").read_text())
    assert content["model"]["sha256"] == record["model_sha256"]
    assert content["data"]["source_sha256"] == record["data"]["source_sha256"]
    assert content["data"]["test_rows"] == len(pd.read_csv(test))
    assert {s["column"] for s in content["slices"]} == {"city"}
    page = (settings.paths.reports / "evaluation.html").read_text("utf-8")
    assert "Synthetic" in page


def test_the_command_takes_model_and_rows_from_the_settings(
    shared: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, model, test = shared
    monkeypatch.setattr(command, "settings_from", lambda _: settings)
    monkeypatch.setattr(command, "evaluate_files", lambda *files: f"{files}")
    monkeypatch.setattr(sys, "argv", ["evaluation.py"])
    main()
    said = capsys.readouterr().out
    assert said.startswith(f"{(model, test, settings)}\n")


def test_rows_from_elsewhere_can_be_measured(shared: Trained, tmp_path: Path) -> None:
    settings, model, test = shared
    elsewhere = tmp_path / "new.csv"
    pd.read_csv(test).query("outcome == 'yes'").to_csv(elsewhere, index=False)
    said = evaluate_files(model, elsewhere, settings)
    assert "not defined: all rows are of one class" in said
    assert "not shown to be better" in said


def test_a_changed_model_is_refused(shared: Trained, tmp_path: Path) -> None:
    settings, model, test = shared
    changed = tmp_path / model.name
    changed.write_bytes(model.read_bytes() + b"x")
    shutil.copy(model.with_suffix(".json"), changed.with_suffix(".json"))
    with pytest.raises(ModelError, match="digest"):
        evaluate_files(changed, test, settings)


def test_the_training_rows_are_refused_under_any_name(
    shared: Trained, tmp_path: Path
) -> None:
    settings, model, test = shared
    copy = tmp_path / "innocent.csv"
    shutil.copy(test.with_name("train.csv"), copy)
    with pytest.raises(DataError, match="the model was trained on"):
        evaluate_files(model, copy, settings)


def test_a_model_for_another_task_is_refused(shared: Trained) -> None:
    settings, model, _ = shared
    record = json.loads(model.with_suffix(".json").read_text())
    record["configuration"]["task"] = "regression"
    with pytest.raises(ModelError, match="trained for regression"):
        check_model(model, record, settings)


def test_rows_that_changed_since_the_training_are_refused(
    make_project: Callable[..., Settings],
) -> None:
    settings, model, test = run_until_trained(make_project(rows=60))
    test.write_text(test.read_text() + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="changed"):
        evaluate_files(model, test, settings)
    preprocess(settings.model_copy(update={"seed": settings.seed + 1}))
    with pytest.raises(ModelError, match="trained on other rows"):
        evaluate_files(model, test, settings)

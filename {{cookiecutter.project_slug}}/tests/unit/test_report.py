"""The report of a trained model, as a page for people and as JSON for programs."""

import json

import pytest

from scripts import evaluation as command
from src.utils.config import Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_evaluation_is_said_and_reported(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    settings = make_project(task, project={"name": "<b>&", "description": ""})
    model, test = train_model(settings), settings.paths.processed / "test.csv"
    monkeypatch.setattr(command, "run_audits", lambda *_: [])
    said = command.evaluate_files(model, test, settings)
    assert ("ROC AUC" if task == "classification" else "RMSE") in said
    assert "the model is better than the baseline" in said
    content = json.loads((settings.paths.reports / "evaluation.json").read_text())
    record = json.loads(model.with_suffix(".json").read_text())
    assert content["model"]["sha256"] == record["model_sha256"]
    assert content["data"]["test_rows"] == 60
    assert {part["column"] for part in content["slices"]} == {"city"}
    assert content["verdict"] == "better" and content["improvement"]["low"] > 0
    page = (settings.paths.reports / "evaluation.html").read_text("utf-8")
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page  # text, not markup
    for outside in ("<script", "http://", "https://", "<link"):
        assert outside not in page.replace("http%3A//", "")  # loads nothing

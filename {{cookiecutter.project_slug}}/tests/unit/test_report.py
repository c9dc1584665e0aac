"""The report of a trained model, as a page for people and as JSON for programs."""

import json
from pathlib import Path

import pytest

from scripts import evaluation as command
from src.data.preprocessing import preprocess
from src.evaluation.performance import Audit, Evaluation, Rule, Table
from src.evaluation.performance import evaluate, load_inputs
from src.evaluation.report import write_report
from src.training.train import train
from src.utils.config import Settings, Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring


def trained(make_project: ProjectMaker, task: Task) -> tuple[Settings, Path, Path]:
    """Return the settings, the model and the test rows of a small trained project."""
    settings = make_project(task, project={"name": "<b>&", "description": ""})
    bring(settings)
    preprocess(settings)
    train(settings)
    model = settings.paths.models / "latest_model.joblib"
    return settings, model, settings.paths.processed / "test.csv"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_evaluation_is_said_and_reported(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    settings, model, test = trained(make_project, task)
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


def test_audits_and_the_same_bytes_each_time(make_project: ProjectMaker) -> None:
    settings, model, test = trained(make_project, "classification")
    inputs = load_inputs(model, test, settings)
    rules = [Rule("limit", "0.3", "at most 0.2", False)]
    tables = [Table("a table", ["head"], [["<i>cell</i>"]])]
    audit = Audit("x", "An audit", "Intro.", tables, {}, rules, {"figure": 1})
    found: list[tuple[bytes, bytes]] = []
    for _ in range(2):
        evaluation: Evaluation = evaluate(inputs, settings)
        report = write_report(evaluation, [audit], inputs, settings)
        found.append((report.page.read_bytes(), report.summary.read_bytes()))
    assert found[0] == found[1]
    page = found[0][0].decode()
    assert "<h2>An audit</h2>" in page and "&lt;i&gt;cell&lt;/i&gt;" in page
    assert "not held" in page and report.content["audits"]["x"]["figure"] == 1

"""The report of a trained model, as a page for people and as JSON for programs."""

import json
from pathlib import Path

import pytest

from scripts import evaluation as command
from src.evaluation import report
from src.evaluation.performance import Audit, Rule, Table, evaluate, load_inputs
from src.evaluation.report import write_report
from src.utils.config import Settings, Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model


def trained(make_project: ProjectMaker, task: Task) -> tuple[Settings, Path, Path]:
    """Return the settings, the model and the test rows of a small trained project."""
    settings = make_project(task, project={"name": "<b>&", "description": ""})
    model = train_model(settings)
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


def test_the_findings_of_an_audit_are_reported(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "to_svg", lambda _: "<svg/>")  # drawing takes long
    settings, model, test = trained(make_project, "classification")
    inputs = load_inputs(model, test, settings)
    rules = [Rule("limit", "0.3", "at most 0.2", False)]
    tables = [Table("a table", ["head"], [["<i>cell</i>"]])]
    audit = Audit("x", "An audit", "Intro.", tables, {}, rules, {"figure": 1})
    found = write_report(evaluate(inputs, settings), [audit], inputs, settings)
    page = found.page.read_text("utf-8")
    assert "<h2>An audit</h2>" in page and "&lt;i&gt;cell&lt;/i&gt;" in page
    assert "not held" in page and found.content["audits"]["x"]["figure"] == 1

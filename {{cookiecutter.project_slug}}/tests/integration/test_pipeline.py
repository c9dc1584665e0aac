"""The pipeline from end to end: source, rows, model, report, predictions; and the
notebooks, from top to bottom on the configured data."""

import json
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from scripts import evaluation
from src.data.ingestion import read_table
from src.models.artifact import load_model
from src.utils.config import PROJECT_ROOT, Settings, Task
from src.utils.files import read_json
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, train_model


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_source_becomes_a_model_with_a_report_that_predicts_raw_rows(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    monkeypatch.setattr(evaluation, "run_audits", lambda *_: [])
    settings = make_project(task, project={"name": "<b>&", "description": ""})
    path, test = train_model(settings), settings.paths.processed / "test.csv"
    said = evaluation.evaluate_files(path, test, settings)
    assert ("ROC AUC" if task == "classification" else "RMSE") in said
    assert "the model is better than the baseline" in said

    pipeline, record = load_model(path)
    raw = read_table(settings.paths.data / "raw" / "source.csv").drop(columns=TARGET)
    assert len(pipeline.predict(raw)) == len(raw)
    report = read_json(settings.paths.reports / "evaluation.json")
    assert report["model"]["sha256"] == record["model_sha256"]
    assert report["verdict"] == "better" and report["improvement"]["low"] > 0
    assert {part["column"] for part in report["slices"]} == {"city"}
    page = (settings.paths.reports / "evaluation.html").read_text("utf-8")
    assert "columns used: " in page  # what was read, and is not used or doubtful
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page  # text, not markup
    for outside in ("<script", "http://", "https://", "<link"):
        assert outside not in page.replace("http%3A//", "")  # loads nothing


NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(
    path: Path, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "models", "reports"):
        folder = getattr(configured.paths, name)
        monkeypatch.setenv(f"MLOPS_PATHS__{name.upper()}", str(folder))
    monkeypatch.setenv("MLOPS_DATA__SCHEMA_PATH", str(configured.data.schema_path))
    monkeypatch.setenv("MLOPS_TRAINING__FOLDS", "2")  # to see that it runs
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(path.parent)
    shell = InteractiveShell()
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs"), "stored with output"
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"])).raise_error()

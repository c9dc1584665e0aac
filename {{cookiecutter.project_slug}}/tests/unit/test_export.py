"""The export of a trained model, and what is done where there is none."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from src.data.preprocessing import preprocess
from src.models import export
from src.models.artifact import load_onnx, load_record
from src.training.train import train
from src.utils.config import Settings, Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


def trained(make_project: ProjectMaker, *task: Task, **sections: Any) -> Settings:
    settings = make_project(*task, **sections)
    bring(settings)
    preprocess(settings)
    train(settings)
    return settings


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", SMALL)
def test_an_export_is_kept_with_the_model_that_it_answers_as(
    make_project: ProjectMaker, kind: str, task: Task
) -> None:
    model = {"type": kind, "params": SMALL[kind]}
    settings = trained(make_project, task, model=model)

    content, record = load_onnx(settings.paths.models / "latest_model.joblib")
    assert record["export"]["rows"] == 240
    assert record["export"]["max_difference"] < 1e-5
    described = onnxruntime.InferenceSession(content).get_modelmeta()
    assert '"signed up: month"' in described.custom_metadata_map["features"]
    labels = '["no", "yes"]' if task == "classification" else "[]"
    assert described.custom_metadata_map["classes"] == labels


@pytest.mark.parametrize("wrong", [0.001, np.nan])
def test_an_export_that_answers_otherwise_is_left_out_with_the_figures(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    run = export._run
    monkeypatch.setattr(export, "_run", lambda *given: run(*given) + wrong)

    settings = trained(make_project)

    record = load_record(settings.paths.models / "latest_model.joblib")
    assert record["export"]["reason"].startswith("on 240 rows the largest difference")

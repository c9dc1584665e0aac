"""The export of a trained model, and what is done where there is none."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from src.data.preprocessing import load_processed
from src.models import export
from src.models.artifact import load_model, load_onnx
from src.utils.config import load_settings
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model

SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


@pytest.mark.parametrize("kind", SMALL)
def test_an_export_is_kept_with_the_model_that_it_answers_as(
    make_project: ProjectMaker, kind: str
) -> None:
    task, model = load_settings().task, {"type": kind, "params": SMALL[kind]}
    path = train_model(make_project(task, model=model))

    content, record = load_onnx(path)
    assert record["export"]["rows"] == record["data"]["files"]["train.csv"]["rows"]
    assert record["export"]["max_difference"] < 1e-5
    described = onnxruntime.InferenceSession(content).get_modelmeta()
    assert '"signed up: month"' in described.custom_metadata_map["features"]
    labels = '["no", "yes"]' if task == "classification" else "[]"
    assert described.custom_metadata_map["classes"] == labels


def test_an_export_that_answers_otherwise_is_left_out_with_the_figures(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = make_project(), export._run
    pipeline, _ = load_model(train_model(settings))
    rows = load_processed(settings, "train")

    for wrong in (0.001, np.nan):
        monkeypatch.setattr(export, "_run", lambda *given: run(*given) + wrong)
        content, record = export.make_export(pipeline, rows)
        assert content is None and record is not None
        assert record["reason"].startswith(
            f"on {len(rows)} rows the largest difference"
        )

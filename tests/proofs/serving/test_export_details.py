"""A model without an export."""

from typing import Any

import pytest

from src.data.preprocessing import preprocess
from src.models.artifact import export_path, has_onnx, load_onnx, load_record
from src.training.train import train
from src.utils.config import Settings, Task
from src.utils.errors import DataError
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


def test_a_model_that_cannot_be_exported_is_saved_with_the_reason(
    make_project: ProjectMaker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = trained(make_project, model={"type": "dummy"})

    path = settings.paths.models / "latest_model.joblib"
    assert not has_onnx(load_record(path))
    assert "DummyClassifier" in load_record(path)["export"]["reason"]
    assert "no ONNX export, scikit-learn will serve" in caplog.text
    assert export_path(path).read_bytes() == b""
    with pytest.raises(DataError, match="no verified export"):
        load_onnx(path)

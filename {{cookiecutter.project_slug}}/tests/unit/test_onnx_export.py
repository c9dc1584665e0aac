"""The ONNX export: it answers as scikit-learn does, or training says why not."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from src.data.preprocessing import preprocess
from src.data.processed import load_processed
from src.data.schema import DataSchema
from src.features.creation import FeatureCreator, feature_columns
from src.features.transformation import fitted_steps
from src.models.artifact import export_path, load_export, load_model, load_record
from src.models.factory import ModelFactory
from src.models.onnx_export import compare
from src.models.onnx_graph import export_pipeline
from src.serving.engine import load_engine
from src.serving.onnx_engine import OnnxEngine
from src.serving.rows import RowReader
from src.training.train import MODEL_FILE, train
from src.utils.config import (
    PROJECT_ROOT,
    ExportSettings,
    FeatureSettings,
    Settings,
    Task,
    load_settings,
)
from src.utils.errors import ConfigError
from src.utils.files import sha256_of
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, bring, make_frame, make_schema

EXPORT = ExportSettings(format="onnx")
TREES = ("random_forest", "hist_gradient_boosting")
SIZES: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 3},
    "hist_gradient_boosting": {"max_iter": 3},
}
EXTREMES = [-3.4e38, -1e30, -0.0, 0.0, 1e-300, 1e30, 3.4e38]


def fit(model_type: str, regression: bool = False, **params: Any) -> Any:
    """Return a fitted pipeline on rows of every kind of column."""
    task: Any = "regression" if regression else "classification"
    rows, schema = make_frame(task), make_schema(task)
    params = SIZES.get(model_type, {}) | params
    model = ModelFactory.get_model(model_type, task=task, **params)
    target = rows[TARGET].abs() + 1 if regression else rows[TARGET]
    steps = fitted_steps(FeatureSettings(), model.scaled)
    creation = FeatureCreator(feature_columns(schema))
    return model.after([("creation", creation), *steps]).fit(rows, target).pipeline


def difference(pipeline: Pipeline, rows: pd.DataFrame) -> float:
    """Return how far the export is from its pipeline."""
    columns = rows.assign(
        **{
            "age": rows["age"].astype(float),
            "member": rows["member"].astype("boolean"),
            "signed up": pd.to_datetime(rows["signed up"]),
        }
    )
    found = compare(export_pipeline(pipeline), pipeline, None, columns)
    assert found.labels == 0
    return found.difference


@pytest.mark.parametrize("model_type", TREES)
def test_numbers_on_a_threshold_and_beyond_all_others_take_the_same_branch(
    model_type: str,
) -> None:
    pipeline = fit(model_type)
    estimator = pipeline.steps[-1][1]
    if model_type == "random_forest":
        thresholds = np.concatenate([t.tree_.threshold for t in estimator.estimators_])
    else:
        trees = [tree for trees in estimator._predictors for tree in trees]
        thresholds = np.concatenate([t.nodes["num_threshold"] for t in trees])
    thresholds = thresholds[np.isfinite(thresholds)]
    around = [np.nextafter(thresholds, to) for to in (-np.inf, np.inf)]
    numbers = np.concatenate([thresholds, *around, EXTREMES])
    rows = make_frame("classification").iloc[np.arange(len(numbers)) % 300]

    assert difference(pipeline, rows.assign(income=numbers)) <= 1e-9


@pytest.mark.parametrize("model_type", TREES)
@pytest.mark.parametrize("regression", [False, True])
def test_trees_of_one_leaf_are_exported(model_type: str, regression: bool) -> None:
    pipeline = fit(model_type, regression, min_samples_leaf=200)

    assert difference(pipeline, make_frame("classification")) <= 1e-9


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_boosting_of_logarithms_answers_in_numbers(loss: str) -> None:
    pipeline = fit("hist_gradient_boosting", regression=True, loss=loss)

    assert difference(pipeline, make_frame("regression")) <= 1e-9


def trained(make_project: ProjectMaker, **sections: Any) -> Settings:
    """Prepare the rows of a project, and train its model with an export."""
    settings = make_project(**sections)
    bring(settings)
    preprocess(settings)
    train(settings.model_copy(update={"export": EXPORT}))
    return settings


def model_of(settings: Settings) -> Path:
    return settings.paths.models / MODEL_FILE


@pytest.mark.parametrize("model_type", ["linear", *TREES])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_training_exports_a_model_that_was_held_against_the_test_rows(
    make_project: ProjectMaker, model_type: str, task: Task
) -> None:
    params = SIZES.get(model_type, {})
    model = {"type": model_type, "params": params}
    settings = trained(make_project, task=task, model=model)

    content, record = load_export(model_of(settings))

    assert record["export"]["rows"] == len(load_processed(settings, "test"))
    assert record["export"]["max_difference"] <= 1e-9
    assert record["export"]["sha256"] == sha256(content).hexdigest()
    assert load_engine(model_of(settings))[0].runtime == "onnxruntime"


def test_the_labels_are_compared_by_the_threshold_that_was_tuned(
    make_project: ProjectMaker,
) -> None:
    settings = trained(make_project, training={"decision_threshold": "tuned"})
    record = load_record(model_of(settings))
    assert record["decision_threshold"] not in (None, 0.5)
    assert record["export"]["verified"]

    pipeline, _ = load_model(model_of(settings))
    content = export_path(model_of(settings)).read_bytes()
    rows = load_processed(settings, "test").drop(columns=TARGET)
    assert compare(content, pipeline, 1.1, rows).labels > 0


def test_a_model_that_cannot_be_exported_is_served_by_scikit_learn(
    make_project: ProjectMaker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = trained(make_project, model={"type": "dummy"})

    export = load_record(model_of(settings))["export"]
    assert export["format"] == "onnx" and export["verified"] is False
    assert "Dummy" in export["reason"] and export["reason"] in caplog.text
    assert export_path(model_of(settings)).read_bytes() == b""
    assert load_engine(model_of(settings))[0].runtime == "scikit-learn"


def test_an_export_that_answers_otherwise_is_left_out_with_the_figures(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = OnnxEngine.run
    monkeypatch.setattr(OnnxEngine, "run", lambda self, X: run(self, X)[:, ::-1])

    settings = trained(make_project)

    export = load_record(model_of(settings))["export"]
    assert export["verified"] is False
    assert "test rows" in export["reason"] and "1e-05" in export["reason"]
    assert export_path(model_of(settings)).read_bytes() == b""


def test_the_model_is_the_same_whatever_the_test_rows_are(
    make_project: ProjectMaker,
) -> None:
    settings = trained(make_project)
    digest = sha256_of(model_of(settings))
    (settings.paths.processed / "test.csv").write_text("poison", "utf-8")

    train(settings.model_copy(update={"export": EXPORT}))

    export = load_record(model_of(settings))["export"]
    assert export["verified"] is False and "test.csv" in export["reason"]
    assert sha256_of(model_of(settings)) == digest
    (settings.paths.processed / "test.csv").unlink()
    train(settings.model_copy(update={"export": EXPORT}))
    assert load_record(model_of(settings))["export"]["verified"] is False
    assert sha256_of(model_of(settings)) == digest


def test_an_unknown_format_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLOPS_EXPORT__FORMAT", "tarot")

    with pytest.raises(ConfigError, match="(?s)export.format.*none, onnx") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_example_of_the_record_is_a_row_that_the_service_accepts(
    make_project: ProjectMaker, task: Task
) -> None:
    settings = trained(make_project, task=task)
    record = load_record(model_of(settings))
    reader = RowReader(DataSchema.model_validate(record["schema"]), "refuse", 1)

    assert len(reader.read(json.dumps(record["example"]).encode())) == 1


def test_what_a_running_service_imports_of_the_models_needs_no_scikit_learn() -> None:
    names = ("artifact", "registry", "directory_registry", "release", "encoding")
    modules = ["src.data.schema", *(f"src.models.{name}" for name in names)]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True
    )

    loaded = found.stdout.split()
    assert set(modules) <= set(loaded), found.stderr
    assert not {"pandas", "sklearn", "scipy", "joblib"} & set(loaded)

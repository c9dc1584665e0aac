"""Engines: whatever computes, the answers are those of the pipeline on data frames."""

import json
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from src.data.schema import DataSchema
from src.features.creation import FeatureCreator, feature_columns
from src.features.transformation import fitted_steps
from src.models.artifact import save_model
from src.models.base import BaseModel
from src.models.factory import ModelFactory
from src.models.onnx_graph import export_pipeline
from src.serving.engine import Engine, load_engine
from src.serving.onnx_engine import OnnxEngine
from src.serving.rows import RowReader
from src.serving.sklearn_engine import FrameEngine, SklearnEngine
from src.utils.config import FeatureSettings, Task

CODES = ["1", "2", "30"]
COLUMNS: dict[str, dict[str, Any]] = {
    "income": {"type": "number", "max_missing": 1},
    "age": {"type": "integer", "max_missing": 1},
    "city": {"type": "category", "max_missing": 1, "values": ["Oslo", "Lima", "Rome"]},
    "code": {"type": "category", "max_missing": 1, "values": CODES},
    "member": {"type": "boolean", "max_missing": 1},
    "since": {"type": "date", "max_missing": 1},
    "until": {"type": "date", "max_missing": 1, "format": "%d.%m.%Y %H:%M"},
    "y": {"type": "category", "role": "target"},
}
SCHEMA = DataSchema.model_validate({"name": "rows", "columns": COLUMNS})
MODELS = ("linear", "random_forest", "hist_gradient_boosting")
TARGETS = ("two labels", "three labels", "numbers")
TRAINED = [(model, target) for model in MODELS for target in TARGETS]
PARAMS: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


def training_rows(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 9e8, rows), "s")
    frame = pd.DataFrame(
        {
            "income": rng.normal(50, 15, rows),
            "age": rng.integers(18, 80, rows).astype(float),
            "city": rng.choice(
                ["Oslo", "Lima", "Rome", "Bern"], rows, p=[0.6, 0.3, 0.09, 0.01]
            ),
            "code": rng.choice(CODES, rows),
            "member": rng.choice(["yes", "no"], rows),
            "since": days.strftime("%Y-%m-%dT%H:%M:%S"),
            "until": days.strftime("%d.%m.%Y %H:%M"),
        }
    ).astype(object)
    gaps = rng.random(frame.shape) < 0.08
    gaps[:, 3] = False  # of one category, none is missing in training
    return frame.mask(gaps)


def fit(model_type: str, task: Task = "classification", classes: int = 2) -> BaseModel:
    frame = training_rows()
    rng = np.random.default_rng(4)
    signal = frame["income"].fillna(50).astype(float) + 9 * (frame["city"] == "Oslo")
    signal += rng.normal(0, 9, len(frame))
    if task == "classification":
        y = pd.Series(pd.qcut(signal, classes, labels=False)).map("label {}".format)
    else:
        y = signal
    model = ModelFactory.get_model(model_type, task=task, **PARAMS.get(model_type, {}))
    steps = fitted_steps(FeatureSettings(), model.scaled)
    creator = ("creation", FeatureCreator(feature_columns(SCHEMA)))
    return model.after([creator, *steps]).fit(frame, y)


def expected(pipeline: Any, rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    frame = pd.DataFrame(rows, columns=SCHEMA.features)
    method = getattr(pipeline, "predict_proba", pipeline.predict)
    return np.asarray(method(frame), dtype=float)


def answers(engine: Engine, rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    reader = RowReader(SCHEMA, "answer", 1000)
    return engine.run(
        engine.make_encoder().encode(reader.read(json.dumps(rows).encode()))
    )


blanks = st.sampled_from(["", " ", "\t", "\u00a0", "\n "])
missing = st.sampled_from([None, "", "?", "NA", "null", " NaN "])
texts = st.one_of(
    st.builds("{1}{0}{1}".format, st.sampled_from(["Oslo", "Lima", "Rome"]), blanks),
    st.sampled_from(["Bern", "None", "oslo"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
codes = st.one_of(
    st.integers(), st.sampled_from([1, 1.0, "1", " 2", 30, 30.0, 2.5, 1e22, "1.0"])
)
numbers = st.floats(-3.4e38, 3.4e38, allow_subnormal=False)
moments = st.datetimes(datetime(1700, 1, 1), datetime(9999, 12, 30))
offsets = st.sampled_from(["", "Z", "+05:30", "-1100"])
row = st.fixed_dictionaries(
    {},
    optional={
        "income": st.one_of(st.none(), numbers, st.integers(-(10**30), 10**30)),
        "age": st.one_of(st.none(), st.integers(-(2**60), 2**60), st.just(40.0)),
        "city": texts | missing,
        "code": codes | missing,
        "member": st.sampled_from(
            [True, False, "Yes", "n", 1, 0, 1.0, " T ", None, "?"]
        ),
        "since": st.one_of(
            missing,
            st.sampled_from(["2024-02-29", "None"]),
            st.builds(lambda d, o: d.isoformat(" ", "seconds") + o, moments, offsets),
            moments.map(datetime.isoformat),
        ),
        "until": st.one_of(
            missing, moments.map(lambda d: d.strftime("%d.%m.%Y %H:%M"))
        ),
        "y": st.just("label 0"),
    },
)


@pytest.fixture(scope="module", params=TRAINED, ids=" ".join)
def engines(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Any, ...]:
    """A fitted pipeline, and what computes the same."""
    model_type, target = request.param
    if target == "numbers":
        pipeline = fit(model_type, "regression").pipeline
    else:
        classes = 3 if target == "three labels" else 2
        pipeline = fit(model_type, classes=classes).pipeline
    path = tmp_path_factory.mktemp("engines") / "model.joblib"
    save_model(pipeline, {}, path)
    engine, _ = load_engine(path)
    assert isinstance(engine, SklearnEngine)
    export = {"export": {"format": "onnx", "verified": True}}
    save_model(pipeline, export, path, export_pipeline(pipeline))
    compiled, _ = load_engine(path)
    assert isinstance(compiled, OnnxEngine)
    return pipeline, engine, compiled, FrameEngine(pipeline)


@given(rows=st.lists(row, min_size=1, max_size=20))
@hypothesis_settings(max_examples=10, deadline=None)
def test_all_engines_answer_what_the_pipeline_answers_to_a_data_frame(
    engines: tuple[Any, ...], rows: list[dict[str, Any]]
) -> None:
    pipeline, *others = engines
    wanted = expected(pipeline, rows)
    for engine in others:
        found = answers(engine, rows)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)

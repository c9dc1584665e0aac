"""Exports answer as their models, for every type, task and sort of row."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from scripts.infer_schema import infer_schema
from src.features.creation import create_features, feature_columns
from src.features.transformation import fitted_steps
from src.models.export import TOLERANCE, make_export
from src.models.factory import ModelFactory
from src.utils.config import FeatureSettings, Task

SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "random_forest": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 40},
}
TARGETS = ("binary", "multi-class", "number")
ROWS = 500
STRANGE = ['ma"ny, ✓', "a b", "a_b", "a:b", "label", "0", "größe  ", "variable"]


def frame_of(target: str, rows: int = ROWS, seed: int = 3) -> pd.DataFrame:
    """Return rows with every kind of column, gaps, and names that ONNX has not."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D")
    frame = pd.DataFrame(
        {
            "amount": rng.lognormal(8, 2, rows).round(2),
            "count": rng.integers(0, 40, rows),
            STRANGE[0]: rng.choice([f"w{k}" for k in range(60)], rows),
            STRANGE[1]: rng.choice(["x", "y", "z"], rows, p=[0.6, 0.38, 0.02]),
            STRANGE[2]: rng.normal(size=rows),
            STRANGE[3]: rng.normal(size=rows),
            STRANGE[4]: rng.choice(["yes", "no"], rows),
            STRANGE[5]: rng.normal(size=rows),
            STRANGE[6]: rng.normal(size=rows),
            STRANGE[7]: rng.normal(size=rows),
            "day": days.strftime("%Y-%m-%d"),
        }
    ).astype("object")
    frame = frame.mask(rng.random(frame.shape) < 0.05)
    numbers = frame[[*STRANGE[2:4], "count"]].astype(float).fillna(0)
    signal = numbers.sum(axis=1) + 5 * (frame[STRANGE[1]] == "x")
    signal = signal + rng.normal(size=rows)
    if target == "number":
        return frame.assign(outcome=signal)
    edges = {"binary": [20], "multi-class": [10, 20, 30]}[target]
    labels = np.array(["low", "mid", "high", "top"], dtype=object)
    return frame.assign(outcome=labels[np.searchsorted(edges, signal)])


def pipeline_of(
    kind: str,
    frame: pd.DataFrame,
    task: Task,
    threshold: float | None = None,
    **params: Any,
) -> Any:
    """Return a pipeline as training saves it, fitted to rows."""
    columns = feature_columns(infer_schema(frame.astype("str"), "outcome", "own", task))
    model = ModelFactory.get_model(kind, task=task, **(SMALL[kind] | params))
    two = "binary" if frame["outcome"].nunique() == 2 else None
    target = "continuous" if task == "regression" else two
    model.after(fitted_steps(FeatureSettings(), model.imputed, model.scaled, target))
    model.fit(create_features(frame, columns), frame["outcome"])
    if threshold is not None:
        model.with_threshold(threshold)
    step = FunctionTransformer(create_features, kw_args={"columns": columns})
    return model.after([("creation", step)]).pipeline


def fitted(
    kind: str, target: str, threshold: float | None = None, **params: Any
) -> Any:
    """Return a pipeline that is fitted to the rows of ``frame_of``."""
    task: Task = "regression" if target == "number" else "classification"
    return pipeline_of(kind, frame_of(target), task, threshold, **params)


def answers(content: bytes, pipeline: Pipeline, rows: pd.DataFrame) -> Any:
    """Return what an export answers, fed as the service does: by order."""
    session = onnxruntime.InferenceSession(content)
    features = pipeline[:-2].transform(rows)
    described = session.get_modelmeta().custom_metadata_map
    assert json.loads(described["features"]) == list(features)
    feeds = {}
    for node, name in zip(session.get_inputs(), features, strict=True):
        is_text = node.type == "tensor(string)"
        kind = object if is_text else np.float32
        feeds[node.name] = features[name].to_numpy(dtype=kind).reshape(-1, 1)
    found = session.run(None, feeds)[-1]
    return found, json.loads(described["classes"])


def difference(content: bytes, pipeline: Pipeline, rows: pd.DataFrame) -> float:
    """Return the largest difference, of numbers relative to their size."""
    found, classes = answers(content, pipeline, rows)
    if not classes:
        expected = pipeline.predict(rows).reshape(-1, 1)
        return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
    assert classes == [str(label) for label in pipeline.classes_]
    return float(np.abs(found - pipeline.predict_proba(rows)).max())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", SMALL)
def test_an_export_answers_as_its_model_on_rows_it_has_not_seen(
    kind: str, target: str
) -> None:
    pipeline = fitted(kind, target)
    content, record = make_export(pipeline, frame_of(target))
    assert record is not None and record["verified"] and content is not None

    assert difference(content, pipeline, frame_of(target, 3000, seed=4)) <= TOLERANCE


NUMBERS = st.one_of(
    st.none(),
    st.floats(-1e4, 1e4, width=32),
    st.sampled_from(["", "?", "NaN", "1e3", "-0", "seven", "inf"]),
)
TEXTS = st.one_of(
    st.none(), st.sampled_from([*"xyz", "yes", "w1", "", " x "]), st.text(max_size=8)
)
DATES = st.one_of(
    st.none(), st.just("soon"), st.dates().map(lambda date: date.isoformat())
)
TEXT_COLUMNS = {STRANGE[0], STRANGE[1], STRANGE[4]}
ROW = st.fixed_dictionaries(
    {
        name: DATES if name == "day" else TEXTS if name in TEXT_COLUMNS else NUMBERS
        for name in frame_of("number").columns.drop("outcome")
    }
)


@pytest.fixture(scope="module")
def exported() -> dict[tuple[str, str], tuple[Any, bytes]]:
    """A pipeline and its export, by type and target."""
    found = {}
    for kind in SMALL:
        for target in TARGETS:
            pipeline = fitted(kind, target)
            content, _ = make_export(pipeline, frame_of(target))
            assert content is not None
            found[kind, target] = pipeline, content
    return found


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_generated_rows_get_the_same_answers(
    exported: dict[tuple[str, str], tuple[Any, bytes]], rows: list[dict[str, Any]]
) -> None:
    frame = pd.DataFrame(rows, dtype="object")
    for pipeline, content in exported.values():
        assert difference(content, pipeline, frame) <= TOLERANCE


@pytest.mark.parametrize("kind", ["random_forest", "hist_gradient_boosting"])
def test_numbers_on_a_threshold_take_the_same_branch(kind: str) -> None:
    frame = frame_of("number")[["amount", "count", "outcome"]].dropna().astype(float)
    frame["amount"] = frame["amount"].mod(40).round(2)
    pipeline = pipeline_of(kind, frame, "regression")
    model = pipeline["model"]
    if kind == "random_forest":
        trees = [tree.tree_ for tree in model.estimators_]
        cuts = np.unique(np.concatenate([t.threshold[t.feature == 0] for t in trees]))
    else:
        nodes = np.concatenate([tree[0].nodes for tree in model._predictors])
        is_cut = (nodes["is_leaf"] == 0) & (nodes["feature_idx"] == 0)
        cuts = np.unique(nodes["num_threshold"][is_cut])
    assert len(cuts) > 20
    rows = pd.DataFrame({"amount": cuts, "count": 7.0})
    content, _ = make_export(pipeline, frame)
    assert content is not None

    assert difference(content, pipeline, rows) <= TOLERANCE


@pytest.mark.parametrize("kind", SMALL)
def test_missing_and_unseen_values_get_the_same_answers(
    exported: dict[tuple[str, str], tuple[Any, bytes]], kind: str
) -> None:
    frame = frame_of("binary", 40, seed=9)
    for name in frame.columns.drop("outcome"):
        for value in (None, "never seen before", ""):
            changed = frame.assign(**{name: value})
            for target in TARGETS:
                pipeline, content = exported[kind, target]
                assert difference(content, pipeline, changed) <= TOLERANCE


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_a_tuned_threshold_gives_the_same_labels(threshold: float) -> None:
    pipeline = fitted("hist_gradient_boosting", "binary", threshold)
    content, record = make_export(pipeline, frame_of("binary"))
    assert content is not None and record is not None

    rows = frame_of("binary", 2000, seed=5)
    found, classes = answers(content, pipeline, rows)
    labels = np.array(classes)[(found[:, 1] >= threshold).astype(int)]
    away = np.abs(pipeline.predict_proba(rows)[:, 1] - threshold) > TOLERANCE
    assert (labels == pipeline.predict(rows))[away].all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["random_forest", "hist_gradient_boosting"])
def test_trees_of_one_leaf_are_exported(kind: str, target: str) -> None:
    pipeline = fitted(kind, target, min_samples_leaf=ROWS)
    content, record = make_export(pipeline, frame_of(target))

    assert content is None or difference(content, pipeline, frame_of(target)) < 1e-6
    assert record is not None and record["verified"] is (content is not None)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_what_converts_wrong_is_refused(loss: str) -> None:
    frame = frame_of("number")
    frame["outcome"] = frame["outcome"].abs() + 1
    pipeline = pipeline_of("hist_gradient_boosting", frame, "regression", loss=loss)

    content, record = make_export(pipeline, frame)

    assert content is None or difference(content, pipeline, frame) <= TOLERANCE
    assert record is not None and record["verified"] is (content is not None)


def test_timestamps_of_a_size_that_float32_has_not_are_refused() -> None:
    rng = np.random.default_rng(0)
    when = 1.7e9 + rng.integers(0, 100, 400)
    frame = pd.DataFrame({"when": when, "x": rng.normal(size=400)})
    frame["outcome"] = when - 1.7e9 + frame["x"]

    content, record = make_export(pipeline_of("linear", frame, "regression"), frame)

    assert content is None
    assert record is not None and "largest difference" in record["reason"]


@pytest.mark.parametrize("columns", [["plan"], ["plan", "town"]])
def test_rare_values_are_exported_where_skl2onnx_can(columns: list[str]) -> None:
    rng = np.random.default_rng(0)
    values = [*["a"] * 60, *["b"] * 30, *"cdefghi"]
    frame = pd.DataFrame({name: rng.permutation(values) for name in columns})
    frame["x"] = rng.normal(size=len(values))
    frame["outcome"] = frame["x"] + (frame["plan"] == "a")
    pipeline = pipeline_of("linear", frame, "regression")

    content, record = make_export(pipeline, frame)

    # Version 1.20 cannot if there is no other category: scikit-learn serves.
    assert (content is not None) or len(columns) == 1
    assert record is not None and record["verified"] is (content is not None)
    if content is not None:
        unseen = frame.assign(plan="never seen")
        for rows in (frame, unseen):
            assert difference(content, pipeline, rows) <= TOLERANCE


def test_what_is_needed_to_feed_an_export_needs_no_pandas_or_scikit_learn() -> None:
    code = (
        "import sys; import src.features.creation, src.models.artifact;"
        "print({'pandas', 'sklearn', 'joblib'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"

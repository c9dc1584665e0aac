"""Trainings: folds, thresholds, data of any kind, and the same model again."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.infer_schema import infer_schema
from src.data.columns import to_schema_types
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema
from src.data.splitting import Keys
from src.features.transformation import fitted_steps
from src.models.artifact import load_model, load_record, record_path
from src.models.base import BaseModel
from src.models.factory import MODEL_TYPES, ModelFactory
from src.training.base_trainer import ModelTrainingTemplate
from src.training.train import ModelTrainer, train
from src.training.validation import cross_validate, make_folds, summarise
from src.utils.config import FeatureSettings, PROJECT_ROOT, Task
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_frame, make_schema, make_settings

ROWS = 120
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("abc"))
LABELS = pd.Series(np.where(X["a"] + X["b"] > 0, "yes", "no"))
NUMBERS = X["a"] * 2 + X["b"]


def test_what_a_fold_predicts_for_a_row_depends_on_no_other_row_of_that_fold() -> None:
    settings = make_settings(Path(), "regression", training={"folds": 3})
    folds = make_folds(settings, NUMBERS)
    model = ModelFactory.get_model("linear", task="regression")
    model.after(fitted_steps(FeatureSettings(), model.imputed, model.scaled))
    seen: list[float] = []
    predictions = BaseModel.predictions

    def spy(self: Any, rows: pd.DataFrame, target: Any) -> Any:
        found = predictions(self, rows, target)
        seen.append(found.y_pred[0])
        return found

    first, *others = folds[0][1]
    changed = X.copy()
    changed.iloc[others] = 1e6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseModel, "predictions", spy)
        for frame in (X, changed):
            cross_validate(model, frame, NUMBERS, folds)

    assert seen[0] == seen[3]
    assert seen[1] != seen[4], "the change does not matter"


def test_data_without_a_usable_feature_are_refused(make_project: ProjectMaker) -> None:
    columns = {"always": {"type": "number"}}
    target = {"outcome": {"type": "category", "role": "target"}}
    schema = DataSchema.model_validate({"name": "useless", "columns": columns | target})
    rows = pd.DataFrame({"always": [1.0] * 40, "outcome": ["a", "b"] * 20})

    with pytest.raises(DataError, match="no usable feature .*'always': it is constant"):
        ModelTrainer(make_project(), schema).run_pipeline(rows)


def test_cross_validation_leaves_the_model_the_same(make_project: ProjectMaker) -> None:
    records = []
    for training in ({}, {"strategy": "cross_validation", "folds": 3}):
        settings = make_project(training=training)
        bring(settings)
        preprocess(settings)
        train(settings)
        path = settings.paths.models / "latest_model.joblib"
        records.append(load_model(path)[1])

    assert records[0]["model_sha256"] == records[1]["model_sha256"]
    assert str(path.parent) not in record_path(path).read_text("utf-8")


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["a", "b"]])
def test_a_threshold_is_tuned_between_two_classes_only(
    make_project: ProjectMaker, labels: list[str]
) -> None:
    settings = make_project(training={"decision_threshold": "tuned", "folds": 3})
    frame = make_frame("classification").assign(outcome=labels * (300 // len(labels)))
    trainer = ModelTrainer(settings, make_schema("classification"))
    model, data = trainer.build_model(), trainer.preprocess(frame)
    if len(labels) == 2:
        trainer.train(model, data)
        assert trainer.threshold is not None
    else:
        with pytest.raises(ConfigError, match="two classes, not of 3;"):
            trainer.train(model, data)


def test_a_threshold_that_a_fold_of_one_class_cannot_tell_is_refused(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(training={"decision_threshold": "tuned", "folds": 3})
    frame = make_frame("classification").assign(outcome=["a"] * 250 + ["b"] * 50)
    by_time = {"time_columns": ["signed up"]}
    schema = make_schema("classification").model_copy(update=by_time)
    trainer = ModelTrainer(settings, schema)

    with pytest.raises(DataError, match="decision_threshold.*set it to default") as e:
        trainer.train(trainer.build_model(), trainer.preprocess(frame))

    assert "\n" not in str(e.value)


def test_the_template_fixes_the_order_of_the_steps() -> None:
    class Recorder(ModelTrainingTemplate):
        steps: list[str] = []

        def preprocess(self, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
            self.steps.append("preprocess")
            return data, data["y"]

        def build_model(self) -> BaseModel:
            self.steps.append("build_model")
            return ModelFactory.get_model("dummy", task="regression")

        def train(self, model: BaseModel, processed_data: Any) -> BaseModel:
            self.steps.append("train")
            return model.fit(*processed_data)

        def evaluate(self, trained_model: BaseModel, data: pd.DataFrame) -> Any:
            self.steps.append("evaluate")
            return {"mean": trained_model.predict(data)[0]}

        def log(self, trained_model: BaseModel, metrics: dict[str, Any]) -> None:
            self.steps.append(f"log {metrics['mean']}")

    trainer = Recorder()
    assert isinstance(trainer.run_pipeline(pd.DataFrame({"y": [1.0, 2.0]})), BaseModel)
    order = ["preprocess", "build_model", "train", "evaluate", "log 1.5"]
    assert trainer.steps == order


def test_the_summary_has_mean_and_deviation_of_each_metric() -> None:
    summary = summarise([{"rmse": 1.0, "r2": 0.5}, {"rmse": 3.0}])

    assert summary["rmse"] == {"mean": 2.0, "std": 1.0}
    assert summary["r2"] == {"mean": 0.5, "std": 0.0}


def test_a_threshold_that_means_nothing_is_refused(make_project: ProjectMaker) -> None:
    tuned = {"training": {"decision_threshold": "tuned", "folds": 3}}
    numbers = make_project("regression", **tuned)
    bring(numbers)
    preprocess(numbers)
    with pytest.raises(ConfigError, match="decision_threshold: .* of two classes"):
        train(numbers)

    constant = make_project(**tuned, model={"type": "dummy"})
    bring(constant)
    preprocess(constant)
    with pytest.raises(DataError, match="decision_threshold.* set it to default") as e:
        train(constant)
    assert "\n" not in str(e.value)


def test_a_label_with_fewer_rows_than_folds_is_no_obstacle() -> None:
    settings = make_settings(Path(), "classification")
    labels = LABELS.where(X.index != 7, "alone")
    model = ModelFactory.get_model("linear", task="classification")

    assert len(cross_validate(model, X, labels, make_folds(settings, labels))) == 5
    assert not hasattr(model.estimator, "coef_"), "it is copies that are fitted"


def keys_of(what: str | None, rows: int) -> Keys:
    """Return what holds the first rows together, two by two, if anything."""
    pairs = pd.Series(np.arange(rows) // 2)
    return Keys(pairs if what else None, pairs.to_frame() if what == "times" else None)


@pytest.mark.parametrize(
    ("rows", "what", "said"),
    [
        (4, None, "4 training rows"),
        (8, "groups", "4 training groups"),
        (10, "times", "5 training moments"),
    ],
)
def test_fewer_rows_than_folds_are_refused(
    rows: int, what: str | None, said: str
) -> None:
    settings = make_settings(Path(), "classification")

    with pytest.raises(DataError, match=f"{said} are .*folds 5; expected at least"):
        make_folds(settings, LABELS.head(rows), keys_of(what, rows))
    assert make_folds(settings, LABELS.head(rows + 2), keys_of(what, rows + 2))


def test_a_gap_that_leaves_a_fold_nothing_to_learn_from_is_refused() -> None:
    split = {"split": {"gap": 9}}
    settings = make_settings(Path(), "classification", preprocessing=split)
    with pytest.raises(DataError, match="split.gap: 9 leaves a fold no rows"):
        make_folds(settings, LABELS.head(20), keys_of("times", 20))


def test_what_is_not_possible_keeps_the_model_that_is_there(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(model={"type": "dummy"})
    bring(settings)
    preprocess(settings)
    train(settings)
    before = load_model(settings.paths.models / "latest_model.joblib")[1]
    (settings.paths.processed / "train.csv").unlink()

    wrong = make_project(model={"type": "linear", "params": {"depth": 3}})
    with pytest.raises(ConfigError, match="model.params: Invalid parameter .depth"):
        train(wrong)  # which is found without the data

    assert load_model(settings.paths.models / "latest_model.joblib")[1] == before


def test_a_target_with_one_value_is_refused(make_project: ProjectMaker) -> None:
    trainer = ModelTrainer(make_project(), make_schema("classification"))

    with pytest.raises(DataError, match="one value in the target column 'outcome'"):
        trainer.run_pipeline(make_frame("classification").assign(outcome="yes"))


SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


def own_data(kind: str) -> pd.DataFrame:
    """Return 300 rows of features of one kind, as text like in a file."""
    rng = np.random.default_rng(1)
    rows = 300
    numbers = pd.DataFrame(rng.normal(size=(rows, 3)).round(3), columns=list("abc"))
    words = pd.DataFrame(
        {
            "few": rng.choice(["x", "y", "z"], rows),
            'ma"ny, ✓': rng.choice([f"w{k}" for k in range(60)], rows),
        }
    )
    days = pd.to_timedelta(rng.integers(0, 900, rows), "D")
    dates = pd.DataFrame({"day": (pd.Timestamp("2021-03-01") + days).strftime("%F")})
    frames = {
        "numbers": numbers,
        "categories": words,
        "dates": dates,
        "mostly missing": pd.concat([numbers, words, dates], axis=1).where(
            rng.random((rows, 6)) < 0.1
        ),
    }
    return frames[kind].astype("str")


def own_target(kind: str) -> tuple[Task, pd.Series]:
    rng = np.random.default_rng(2)
    if kind == "number":
        return "regression", pd.Series(rng.normal(size=300)).astype("str")
    labels = {
        "binary": rng.choice(["1", "0"], 300),
        "multi-class": rng.choice(["low", "mid", "high", "top"], 300),
        "rare class": np.array(["a"] * 150 + ["b"] * 147 + ["c", "c", "d"]),
    }
    return "classification", pd.Series(labels[kind])


COLUMNS = ("numbers", "categories", "dates", "mostly missing")
TARGETS = ("binary", "multi-class", "rare class", "number")


# A Latin square: each kind of columns meets each type and each target once, and each
# type each target.
@pytest.mark.parametrize(
    ("columns", "target", "model_type"),
    [
        (COLUMNS[i], TARGETS[(i + j) % 4], model_type)
        for i in range(4)
        for j, model_type in enumerate(MODEL_TYPES)
    ],
)
def test_own_data_of_any_kind_train_with_every_type(
    make_project: ProjectMaker,
    columns: str,
    target: str,
    model_type: str,
) -> None:
    task, values = own_target(target)
    frame = own_data(columns).assign(outcome=values)
    model = {"type": model_type, "params": SMALL.get(model_type, {})}
    settings = make_project(
        task, model=model, training={"strategy": "cross_validation"}
    )
    schema = infer_schema(frame, "outcome", "own", task)
    rows = to_schema_types(frame, schema)
    trainer = ModelTrainer(settings, schema)

    trained = trainer.train(trainer.build_model(), trainer.preprocess(rows))

    assert len(trained.predict(frame.drop(columns="outcome"))) == len(frame)
    assert trainer.evaluate(trained, rows)["train"]


@pytest.mark.parametrize(("regularization", "diverges"), [(0, True), (1, False)])
def test_boosting_that_diverges_on_rare_classes_says_so_and_what_to_change(
    make_project: ProjectMaker,
    caplog: pytest.LogCaptureFixture,
    regularization: float,
    diverges: bool,
) -> None:
    rng, y = np.random.default_rng(0), np.repeat(["a", "b"], 3000).astype(object)
    y[:10] = [f"rare {n}" for n in range(10)]
    frame = pd.DataFrame({"n": rng.normal(size=6000) + (y == "b"), "outcome": y})
    params = {"max_iter": 30, "l2_regularization": regularization}
    model = {"type": "hist_gradient_boosting", "params": params}
    settings = make_project("classification", model=model)
    schema = infer_schema(frame, "outcome", "own", "classification")
    rows, trainer = to_schema_types(frame, schema), ModelTrainer(settings, schema)
    trained = trainer.train(trainer.build_model(), trainer.preprocess(rows))
    trainer.evaluate(trained, rows)
    assert ("by guessing" in caplog.text and "'rare " in caplog.text) == diverges


TRAIN = """
import sys
from src.training.train import train
from src.utils.config import Settings
for line in sys.stdin:
    train(Settings.model_validate_json(line))
"""


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_other_processes_make_the_same_model_files(
    make_project: ProjectMaker, tmp_path: Path, task: Task
) -> None:
    tuned = {"decision_threshold": "tuned", "strategy": "cross_validation"}
    projects = []
    for model_type in MODEL_TYPES:
        # Of one probability no threshold can be told, nor of a number.
        is_tuned = task == "classification" and model_type != "dummy"
        projects.append(
            make_project(
                task,
                model={"type": model_type, "params": SMALL.get(model_type, {})},
                training=tuned if is_tuned else {},
                paths={"models": tmp_path / model_type},
            )
        )
    bring(projects[0])
    preprocess(projects[0])
    keys = ("model_type", "model_sha256", "metrics", "export", "decision_threshold")
    found = []
    for number in (1, 2):
        # Boosting keeps the number of its threads in the file, and nothing else of it.
        variables = {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            input="\n".join(settings.model_dump_json() for settings in projects),
            env={"PYTHONPATH": str(PROJECT_ROOT), **variables},
            text=True,
            check=True,
        )
        paths = [project.paths.models / "latest_model.joblib" for project in projects]
        records = [load_record(path) for path in paths]
        found.append([[record[key] for key in keys] for record in records])
    assert found[0] == found[1]
    assert [record[0] for record in found[0]] == list(MODEL_TYPES)


WATCHED = """
import os, runpy, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "sklearn":
            assert os.environ.get("OMP_WAIT_POLICY") == "passive", "src comes too late"
            print("seen")
sys.meta_path.insert(0, Watch())
runpy.run_path(sys.argv[1], run_name="imported")
"""
COMMANDS = ["src/training/train.py", "scripts/evaluation.py", "scripts/promote.py"]


@pytest.mark.parametrize("command", COMMANDS)
def test_waiting_threads_are_told_to_sleep_before_they_are_there(command: str) -> None:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, PROJECT_ROOT / command],
        cwd=PROJECT_ROOT,
        env=variables | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "seen" in done.stdout

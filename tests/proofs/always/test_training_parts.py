"""The parts of a training, beyond what a project's own tests say of them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from src.data.preprocessing import preprocess
from src.data.schema import DataSchema
from src.features.creation import create_features, feature_columns
from src.features.selection import FeatureSelector
from src.features.transformation import build_transformer, fitted_steps
from src.models import artifact
from src.models.artifact import copy_model, load_model, record_path, save_model
from src.models.base import BaseModel
from src.models.factory import MODEL_TYPES, ModelFactory
from src.training.base_trainer import ModelTrainingTemplate
from src.training.strategies import make_strategy
from src.training.train import ModelTrainer, train
from src.training.validation import cross_validate, make_folds, summarise
from src.utils.config import FeatureSettings, Task
from src.utils.errors import ConfigError, DataError
from src.utils.files import sha256_of
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_frame, make_schema, make_settings

ROWS = 120
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("abc"))
LABELS = pd.Series(np.where(X["a"] + X["b"] > 0, "yes", "no"))
NUMBERS = X["a"] * 2 + X["b"]


def test_the_rows_given_to_the_creation_stay_as_they_are() -> None:
    given = make_frame("classification")

    create_features(given, feature_columns(make_schema("classification")))

    pd.testing.assert_frame_equal(given, make_frame("classification"))


def test_an_entirely_missing_feature_is_left_out_even_if_gaps_are_allowed() -> None:
    frame = pd.DataFrame({"kept": X["a"], "empty": [np.nan] * ROWS})

    assert FeatureSelector(1, 0.999, 10).fit(frame).features_ == ["kept"]


@pytest.mark.parametrize("limit", [1, 0.999])
def test_a_repeat_of_a_repeat_names_the_feature_that_is_kept(limit: float) -> None:
    frame = pd.DataFrame({"z": X["a"], "y": 2 * X["a"], "x": -X["a"], "b": X["b"]})

    selector = FeatureSelector(0.95, limit, 10).fit(frame)

    assert selector.features_ == ["z", "b"]
    assert all("it repeats 'z'" in why for why in selector.dropped_.values())


def test_a_category_of_many_values_does_not_make_as_many_columns() -> None:
    values = [f"w{k}" for k in range(300)] * 20
    transformer = build_transformer(10, True, False).fit(pd.DataFrame({"c": values}))

    assert transformer.transform(pd.DataFrame({"c": values})).shape[1] == 100


@pytest.mark.parametrize("columns", [["n", "m"], ["c"]])
@pytest.mark.parametrize("imputed", [True, False])
def test_features_of_one_kind_only_are_fine(columns: list[str], imputed: bool) -> None:
    frame = pd.DataFrame({"n": [1.0, 2] * 9, "m": [3.0] * 18, "c": ["a", ""] * 9})

    numbers = build_transformer(5, imputed, False).fit_transform(frame[columns])

    assert numbers.shape == (18, 2) and numbers.dtype == np.float64


@pytest.mark.parametrize(
    ("model_type", "size"),
    [("random_forest", "n_estimators"), ("hist_gradient_boosting", "max_iter")],
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_seed_and_nothing_else_decides_the_predictions(
    model_type: str, size: str, task: Task
) -> None:
    def predictions(seed: int) -> list[object]:
        params = {"max_features": 0.4, size: 10}
        model = ModelFactory.get_model(model_type, task=task, seed=seed, **params)
        model.fit(X, LABELS if task == "classification" else NUMBERS)
        scores = model.predict_proba(X)
        return (model.predict(X) if scores is None else scores[:, 1]).tolist()

    assert predictions(seed=5) == predictions(seed=5)
    assert predictions(seed=5) != predictions(seed=6)


def test_what_the_models_want_of_the_features() -> None:
    models = {
        name: ModelFactory.get_model(name, task="regression") for name in MODEL_TYPES
    }

    assert [name for name, model in models.items() if model.scaled] == ["linear"]
    wants_gaps = [name for name, model in models.items() if not model.imputed]
    assert wants_gaps == ["hist_gradient_boosting"]


@pytest.mark.parametrize(
    ("task", "params", "said"),
    [
        ("regression", {"solver": "lbfgs"}, "can be used only when positive=True"),
        ("classification", {"class_weight": {"x": 2}}, "are not in class_weight"),
    ],
)
def test_a_value_that_only_the_fit_refuses_is_told_in_one_line(
    task: Task, params: dict[str, Any], said: str
) -> None:
    model = ModelFactory.get_model("linear", task=task, **params)

    with pytest.raises(
        ConfigError, match=f"^config/model_config.yaml: model.params: .*{said}"
    ) as error:
        model.fit(X, LABELS if task == "classification" else NUMBERS)

    assert "\n" not in str(error.value)


def test_a_defect_in_a_step_before_the_model_is_no_mistake_in_its_parameters() -> None:
    model = ModelFactory.get_model("dummy", task="regression")
    model.after([("scaling", StandardScaler())])

    with pytest.raises(ValueError, match="could not convert string"):
        model.fit(X.astype(str) + "?", NUMBERS)


def test_a_model_whose_record_was_not_written_yet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "model.joblib"
    save_model(Ridge().fit(X, NUMBERS), {}, path)
    monkeypatch.setattr(artifact, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        save_model(Ridge(alpha=9).fit(X, NUMBERS), {}, path)

    with pytest.raises(DataError, match="digest is"):
        load_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x05garbage", b"cno_such_module\nThing\n."]
)
def test_a_file_of_other_libraries_is_told_by_their_versions(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "model.joblib"
    record = save_model("a model", {}, path)
    assert record["libraries"]["scikit-learn"] == sklearn.__version__
    path.write_bytes(content)
    record |= {"model_sha256": sha256_of(path), "libraries": {"scikit-learn": "0.1"}}
    record_path(path).write_text(json.dumps(record), "utf-8")

    with pytest.raises(DataError, match="cannot be read .* scikit-learn 0.1") as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("lost", ["model.joblib", "model.json"])
def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "model.joblib"
    save_model("a model", {}, path)
    (tmp_path / lost).unlink()

    for command in (load_model, lambda path: copy_model(path, tmp_path / "other")):
        with pytest.raises(DataError, match=f"{lost}[:;].* `python src/training/tr"):
            command(path)


def test_the_code_revision_is_the_commit_and_whether_files_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    monkeypatch.setattr(artifact, "PROJECT_ROOT", tmp_path)
    path = tmp_path / ".git/model.joblib"
    (tmp_path / "file").write_text("one")
    assert save_model(1, {}, tmp_path / "m.joblib")["code_revision"] is None
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "First")
    commit = git("rev-parse", "HEAD")
    assert save_model(1, {}, path)["code_revision"] == commit
    (tmp_path / "file").write_text("two")
    assert save_model(1, {}, path)["code_revision"] == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert save_model(1, {}, path)["code_revision"] is None


def test_what_a_fold_predicts_for_a_row_depends_on_no_other_row_of_that_fold() -> None:
    settings = make_settings(Path(), "regression", training={"folds": 3})
    folds = make_folds(settings, NUMBERS)
    model = ModelFactory.get_model("linear", task="regression")
    model.after(fitted_steps(FeatureSettings(), model.imputed, model.scaled))
    seen: list[float] = []
    predict = BaseModel.predict

    def spy(self: Any, rows: pd.DataFrame) -> Any:
        found = predict(self, rows)
        seen.append(found[0])
        return found

    first, *others = folds[0][1]
    changed = X.copy()
    changed.iloc[others] = 1e6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseModel, "predict", spy)
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
        with pytest.raises(ConfigError, match="two classes, not of 3 values"):
            trainer.train(model, data)


def test_a_threshold_that_a_fold_of_one_class_cannot_tell_is_refused(
    make_project: ProjectMaker,
) -> None:
    split = {"split": {"method": "time", "time_columns": ["signed up"]}}
    training = {"decision_threshold": "tuned", "folds": 3}
    settings = make_project(training=training, preprocessing=split)
    frame = make_frame("classification").assign(outcome=["a"] * 250 + ["b"] * 50)
    trainer = ModelTrainer(settings, make_schema("classification"))

    with pytest.raises(DataError, match="decision_threshold.*set it to default") as e:
        trainer.train(trainer.build_model(), trainer.preprocess(frame))

    assert "\n" not in str(e.value)


def test_the_standard_strategy_measures_nothing() -> None:
    strategy = make_strategy(make_settings(Path(), "regression"))

    strategy.train(ModelFactory.get_model("dummy", task="regression"), X, NUMBERS)

    assert strategy.fold_scores == [] and strategy.search is None


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


@pytest.mark.parametrize("size", [1, 7])
def test_a_prediction_depends_on_no_other_row_of_the_request(size: int) -> None:
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.normal(size=90), "c": rng.choice(["x", "y"], 90)})
    X.loc[::9, "a"] = np.nan
    model = ModelFactory.get_model("linear", task="regression")
    model.after(fitted_steps(FeatureSettings(), True, True)).fit(X, X["a"].fillna(3))

    parts = [model.predict(X.iloc[k : k + size]) for k in range(0, 90, size)]

    np.testing.assert_allclose(np.concatenate(parts), model.predict(X), rtol=1e-12)


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


@pytest.mark.parametrize(
    ("rows", "split"),
    [(4, {}), (5, {"split": {"method": "time", "time_columns": ["signed up"]}})],
)
def test_fewer_rows_than_folds_are_refused(rows: int, split: dict[str, Any]) -> None:
    settings = make_settings(Path(), "classification", preprocessing=split)

    with pytest.raises(DataError, match=f"{rows} training rows are .*folds 5; .* "):
        make_folds(settings, LABELS.head(rows))
    assert make_folds(settings, LABELS.head(rows + 1))

"""The training, from processed rows to a saved model."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from src.data.inference import infer_schema
from src.data.processed import write_processed
from src.data.coercion import coerce
from src.data.schema import DataSchema, write_schema
from src.data.tables import read_table
from src.features.creation import create_features
from src.models.artifact import load_model
from src.models.base import BaseModel
from src.models.factory import MODEL_TYPES, ModelFactory
from src.training import train as train_module
from src.training.base_trainer import ModelTrainingTemplate, TrainingData
from src.training.strategies import StandardTrainingStrategy, make_strategy
from src.training.train import ModelTrainer, main, train
from src.utils.config import ModelSettings, Settings, Task
from src.utils.errors import DataError, ModelError
from src.utils.files import sha256_of
from tests.fixtures.synthetic import make_frame, make_schema, make_settings

MakeProject = Callable[..., Settings]

# Small enough for a test, each of its type.
SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


def process(settings: Settings) -> DataSchema:
    """Write the source's rows as processed ones: the last 50 are the test set."""
    frame = read_table(Path(settings.data.source))
    schema = make_schema(settings.task)
    write_schema(schema, settings.data.schema_path)
    rows = coerce(frame, schema)
    write_processed(
        settings.paths.processed,
        {"train": rows.iloc[:-50], "test": rows.iloc[-50:]},
        rows.iloc[:0],
        schema,
        {"schema_sha256": sha256_of(settings.data.schema_path)},
    )
    return schema


class Trained(NamedTuple):
    """A project that was trained, and what the training returned."""

    settings: Settings
    schema: DataSchema
    model: BaseModel


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained project for the tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("trained")
    make_frame("classification").to_csv(folder / "source.csv", index=False)
    model = {"type": "linear", "params": {"C": 0.5}}
    settings = make_settings(folder, "classification", model=model, seed=13)
    schema = process(settings)
    return Trained(settings, schema, train(settings))


def model_of(settings: Settings) -> tuple[Any, dict[str, Any]]:
    return load_model(settings.paths.models / "latest_model.joblib")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_trains_and_the_saved_model_predicts_raw_rows(
    make_project: MakeProject, model_type: str, task: Task
) -> None:
    params = SMALL.get(model_type, {})
    settings = make_project(task, model={"type": model_type, "params": params})
    process(settings)
    raw = read_table(Path(settings.data.source)).drop(columns=settings.data.target)

    trained = train(settings)

    pipeline, record = model_of(settings)
    assert (pipeline.predict(raw) == trained.predict(raw)).all()
    assert record["model_type"] == model_type
    assert record["hyperparameters"].items() >= params.items()


def test_the_feature_set_is_what_the_saved_pipeline_makes_of_raw_rows(
    trained: Trained,
) -> None:
    settings, schema, _ = trained

    features = pd.read_parquet(settings.paths.features / "train.parquet")

    raw = read_table(Path(settings.data.source)).iloc[:-50]
    created = model_of(settings)[0].named_steps["creation"].transform(raw)
    pd.testing.assert_frame_equal(features.drop(columns=schema.target), created)
    assert features[schema.target].tolist() == raw[schema.target].tolist()
    pd.testing.assert_frame_equal(created, create_features(raw, schema))


@pytest.mark.parametrize("model_type", ["linear", "random_forest"])
def test_two_trainings_give_the_same_model_file_and_metrics(
    make_project: MakeProject, model_type: str
) -> None:
    params = SMALL.get(model_type, {})
    settings = make_project(model={"type": model_type, "params": params})
    process(settings)

    records = []
    for _ in range(2):
        train(settings)
        records.append(model_of(settings)[1])

    assert records[0]["model_sha256"] == records[1]["model_sha256"]
    assert records[0]["metrics"] == records[1]["metrics"]


def test_the_record_says_what_the_model_was_made_from(
    trained: Trained,
) -> None:
    settings, schema, _ = trained

    record = model_of(settings)[1]

    train_csv = settings.paths.processed / "train.csv"
    assert record["data"]["files"]["train.csv"]["sha256"] == sha256_of(train_csv)
    assert record["configuration"]["model"]["params"] == {"C": 0.5}
    assert record["configuration"]["seed"] == settings.seed
    assert record["schema"] == schema.model_dump(mode="json")
    assert record["classes"] == ["no", "yes"]
    assert "income" in record["features"]
    assert record["left_out"]["comment"] == "98% of its values are missing"
    assert 0.5 < record["metrics"]["train"]["roc_auc"] <= 1


def test_the_record_does_not_depend_on_where_the_project_is(
    trained: Trained,
) -> None:
    models = trained.settings.paths.models

    text = (models / "latest_model.json").read_text("utf-8")

    assert str(models.parent) not in text


def test_cross_validation_adds_its_scores_and_leaves_the_model_the_same(
    make_project: MakeProject,
) -> None:
    crossed = {"strategy": "cross_validation", "folds": 3}
    settings = make_project()
    process(settings)
    train(settings)
    plain = model_of(settings)[1]

    train(
        settings.model_copy(
            update={"training": make_project(training=crossed).training}
        )
    )

    record = model_of(settings)[1]
    assert record["model_sha256"] == plain["model_sha256"]
    assert set(plain["metrics"]) == {"train"}
    assert set(record["metrics"]["cross_validation"]["roc_auc"]) == {"mean", "std"}


def test_the_test_rows_are_not_needed(make_project: MakeProject) -> None:
    settings = make_project(model={"type": "dummy"})
    process(settings)
    (settings.paths.processed / "test.csv").unlink()

    train(settings)

    assert model_of(settings)[1]["metrics"]


def test_unseen_and_missing_values_are_predicted_without_a_warning(
    trained: Trained,
) -> None:
    _, schema, model = trained
    pipeline = model.pipeline
    rows = pd.DataFrame(
        {
            "income": ["not a number", None, 1e9],
            "age": [None, "33", -5],
            "city": ["Atlantis", None, 7],
            "member": ["perhaps", None, True],
            "signed up": ["soon", None, "2031-05-06"],
        },
        dtype="object",
    )

    assert schema.columns["comment"].max_missing > 0
    assert set(pipeline.predict(rows)) <= {"yes", "no"}
    assert np.isfinite(pipeline.predict_proba(rows)).all()


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
    make_project: MakeProject, columns: str, target: str, model_type: str
) -> None:
    task, values = own_target(target)
    frame = own_data(columns).assign(outcome=values)
    model = {"type": model_type, "params": SMALL.get(model_type, {})}
    settings = make_project(task, model=model)
    frame.to_csv(settings.data.source, index=False)
    schema = infer_schema(frame, "outcome", "own", task)
    rows = coerce(frame, schema)
    strategy = StandardTrainingStrategy()
    trainer = ModelTrainer(settings, schema, strategy)

    trained = trainer.train(trainer.build_model(), trainer.preprocess(rows))

    assert len(trained.predict(frame.drop(columns="outcome"))) == len(frame)
    assert trainer.evaluate(trained, rows)["train"]


def test_the_seed_and_the_scaling_reach_the_pipeline(trained: Trained) -> None:
    pipeline = trained.model.pipeline

    assert pipeline["model"].random_state == 13
    numbers = pipeline["transformation"].named_transformers_["numbers"]
    assert isinstance(numbers[-1], StandardScaler)


def test_a_target_with_one_value_is_refused(make_project: MakeProject) -> None:
    settings = make_project()
    schema = process(settings)
    rows = coerce(read_table(Path(settings.data.source)), schema)
    rows["outcome"] = "yes"
    trainer = ModelTrainer(settings, schema, make_strategy(settings))

    with pytest.raises(DataError, match="one value in the target column 'outcome'"):
        trainer.run_pipeline(rows)


def test_data_without_a_usable_feature_are_refused(make_project: MakeProject) -> None:
    schema = DataSchema.model_validate(
        {
            "name": "useless",
            "columns": {
                "always": {"type": "number"},
                "outcome": {"type": "category", "role": "target"},
            },
        }
    )
    rows = pd.DataFrame({"always": [1.0] * 40, "outcome": ["a", "b"] * 20})
    settings = make_project()
    trainer = ModelTrainer(settings, schema, make_strategy(settings))

    with pytest.raises(DataError, match="no usable feature .*'always': it is constant"):
        trainer.run_pipeline(rows)


def test_a_wrong_hyperparameter_keeps_the_model_that_is_there(
    trained: Trained,
) -> None:
    settings = trained.settings
    before = model_of(settings)[1]
    wrong = ModelSettings(type="linear", params={"depth": 3})

    with pytest.raises(ModelError, match="model.params.depth"):
        train(settings.model_copy(update={"model": wrong}))

    assert model_of(settings)[1] == before


def test_the_template_fixes_the_order_of_the_steps() -> None:
    class Recorder(ModelTrainingTemplate):
        steps: list[str] = []

        def preprocess(self, data: pd.DataFrame) -> TrainingData:
            self.steps.append("preprocess")
            return TrainingData(data, data["y"])

        def build_model(self) -> BaseModel:
            self.steps.append("build_model")
            return ModelFactory.get_model("dummy", task="regression")

        def train(self, model: BaseModel, processed_data: TrainingData) -> BaseModel:
            self.steps.append("train")
            return model.fit(*processed_data)

        def evaluate(self, trained_model: BaseModel, data: pd.DataFrame) -> Any:
            self.steps.append("evaluate")
            return {"mean": trained_model.predict(data)[0]}

        def log(self, trained_model: BaseModel, metrics: dict[str, Any]) -> None:
            self.steps.append(f"log {metrics['mean']}")

    trainer = Recorder()
    trained = trainer.run_pipeline(pd.DataFrame({"y": [1.0, 2.0]}))

    assert trainer.steps == [
        "preprocess",
        "build_model",
        "train",
        "evaluate",
        "log 1.5",
    ]
    assert isinstance(trained, BaseModel)


def test_the_command_says_where_the_model_is_and_what_comes_next(
    make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_project(model={"type": "dummy"})
    process(settings)
    monkeypatch.setattr(train_module, "settings_from", lambda arguments: settings)
    monkeypatch.setattr(sys, "argv", ["train.py", "--model-config", "m.yaml"])

    main()

    said = capsys.readouterr().out
    assert f"{settings.paths.models / 'latest_model.joblib'}: trained dummy" in said
    assert "next: python scripts/evaluation.py" in said

"""A training on data of any kind, and the same model from any process."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.columns import to_schema_types
from src.data.inference import infer_schema
from src.data.preprocessing import preprocess
from src.models.artifact import load_record
from src.models.factory import MODEL_TYPES
from src.training.train import ModelTrainer
from src.utils.config import PROJECT_ROOT, Task
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

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


TRAIN = """
import sys
from src.training.train import train
from src.utils.config import Settings
train(Settings.model_validate_json(sys.stdin.read()))
"""


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize(
    "training", [{}, {"decision_threshold": "tuned", "strategy": "cross_validation"}]
)
def test_other_processes_make_the_same_model_file(
    make_project: ProjectMaker, model_type: str, training: dict[str, Any]
) -> None:
    if training and model_type == "dummy":
        pytest.skip("no threshold can be told from one probability")
    params = SMALL.get(model_type, {})
    settings = make_project(
        model={"type": model_type, "params": params}, training=training
    )
    bring(settings)
    preprocess(settings)
    path = settings.paths.models / "latest_model.joblib"
    records = []
    for number in (1, 2):
        # Boosting keeps the number of its threads in the file, and nothing else of it.
        variables = {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            input=settings.model_dump_json(),
            env={"PYTHONPATH": str(PROJECT_ROOT), **variables},
            text=True,
            check=True,
        )
        records.append(load_record(path))

    for key in ("model_sha256", "metrics", "export", "decision_threshold"):
        assert records[0][key] == records[1][key]

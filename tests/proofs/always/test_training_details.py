"""Trainings and searches that cannot go on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.preprocessing import preprocess
from src.models.artifact import load_model
from src.models.factory import ModelFactory
from src.training import strategies
from src.training.strategies import make_strategy
from src.training.train import ModelTrainer, train
from src.training.validation import cross_validate
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_frame, make_schema, make_settings

ROWS = 90
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 2)), columns=["a", "b"])
NOISE = np.random.default_rng(1).normal(0, 3, ROWS)
NUMBERS = X["a"] + X["b"] + NOISE
SPACE = {"linear": {"alpha": {"low": 0.001, "high": 1000, "log": True}}}


def settings_of(strategy: str, folds: int = 3, **sections: Any) -> Settings:
    training = {"strategy": strategy, "folds": folds}
    task = sections.pop("task", "regression")
    folder = sections.pop("folder", Path())
    return make_settings(folder, task, training=training, **sections)


def search_in(folder: Path, trials: int = 8, space: Any = SPACE) -> Any:
    """Search in the study of a folder; return the strategy and the fitted model."""
    search = {"trials": trials, "space": space}
    strategy = make_strategy(
        settings_of("hyperparameter_search", folder=folder, search=search)
    )
    model = ModelFactory.get_model("linear", task="regression")
    return strategy, strategy.train(model, X, NUMBERS)


def test_a_search_goes_on_where_it_was_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search_in(tmp_path / "whole")[0].search
    left = iter(range(10))

    def killed(*args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return cross_validate(*args, **kwargs)

    monkeypatch.setattr(strategies, "cross_validate", killed)
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path)
    monkeypatch.undo()
    assert search_in(tmp_path)[0].search == whole

    monkeypatch.delattr(strategies, "cross_validate")  # nothing is left to be tried
    assert search_in(tmp_path)[0].search == whole


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
    with pytest.raises(ConfigError, match="model.params.depth"):
        train(wrong)  # which is found without the data

    assert load_model(settings.paths.models / "latest_model.joblib")[1] == before


def test_a_target_with_one_value_is_refused(make_project: ProjectMaker) -> None:
    trainer = ModelTrainer(make_project(), make_schema("classification"))

    with pytest.raises(DataError, match="one value in the target column 'outcome'"):
        trainer.run_pipeline(make_frame("classification").assign(outcome="yes"))

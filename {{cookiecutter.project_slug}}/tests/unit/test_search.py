"""The search for hyperparameters: what it finds, and that it finds it again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.models.factory import ModelFactory
from src.training import search as search_module
from src.training.search import HyperparameterSearchStrategy
from src.training.strategies import make_strategy
from src.training.validation import cross_validate
from src.utils.config import Settings
from src.utils.errors import ConfigError

MakeProject = Callable[..., Settings]

ROWS = 80
X = pd.DataFrame(
    np.random.default_rng(0).normal(size=(ROWS, 30)),
    columns=[f"x{i}" for i in range(30)],
)
# Few rows, many columns and much noise: it pays to shrink the weights.
Y = X["x0"] + pd.Series(np.random.default_rng(1).normal(0, 3, ROWS))
SPACE = {"linear": {"alpha": {"low": 0.001, "high": 1000, "log": True}}}


@pytest.fixture
def searched(make_project: MakeProject) -> Callable[..., Any]:
    """A function that searches, in a study of its own folder, and gives the results."""

    def run(rows: int = ROWS, folder: str = "a", **search: Any) -> Any:
        chosen = {"trials": 12, "batch": 4, "space": SPACE} | search
        training = {"strategy": "hyperparameter_search", "folds": 3}
        settings = make_project("regression", 20, search=chosen, training=training)
        paths = settings.paths.model_copy(
            update={"models": settings.paths.models / folder}
        )
        strategy = make_strategy(settings.model_copy(update={"paths": paths}))
        assert isinstance(strategy, HyperparameterSearchStrategy)
        model = ModelFactory.get_model("linear", task="regression")
        strategy.train(model, X.head(rows), Y.head(rows))
        return strategy.search

    return run


def stop_after(monkeypatch: pytest.MonkeyPatch, calls: int | None) -> list[int]:
    """Count the fits of folds, and break off in the one after ``calls``."""
    made: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        if calls is not None and len(made) == calls:
            raise KeyboardInterrupt
        made.append(1)
        return cross_validate(*args, **kwargs)

    monkeypatch.setattr(search_module, "cross_validate", counted)
    return made


def test_it_finds_better_parameters_than_the_default(
    searched: Callable[..., Any],
) -> None:
    found = searched()

    alone = searched(
        folder="b", trials=1, space={"linear": {"alpha": {"choices": [1]}}}
    )
    assert found["best"]["value"] < alone["best"]["value"]
    assert found["metric"] == "rmse"


def test_the_number_of_workers_changes_nothing(searched: Callable[..., Any]) -> None:
    assert searched(workers=1) == searched(folder="b", workers=2)


# In the first batch, at the end of a batch, and within one whose first trials are done.
@pytest.mark.parametrize("calls", [1, 12, 17])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(
    searched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    whole = searched(folder="b")
    stop_after(monkeypatch, calls)
    with pytest.raises(KeyboardInterrupt):
        searched()
    monkeypatch.undo()

    assert searched() == whole


def test_a_finished_search_is_not_run_again(
    searched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched()
    made = stop_after(monkeypatch, None)

    assert searched() == first
    assert not made


def test_other_rows_begin_another_search(searched: Callable[..., Any]) -> None:
    first, other = searched(), searched(rows=ROWS - 1)

    assert len(other["trials"]) == 12
    assert first["best"]["value"] != other["best"]["value"]


def test_trials_that_do_badly_in_the_first_folds_are_pruned(
    searched: Callable[..., Any],
) -> None:
    trials = searched(trials=32)["trials"]

    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert pruned
    assert all(len(trial["intermediate"]) < 3 for trial in pruned)
    assert all(len(t["intermediate"]) == 3 for t in trials if t not in pruned)


def test_it_says_how_far_it_is(
    searched: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    searched(trials=4)

    assert "4/4" in capsys.readouterr().err


def test_a_model_without_a_space_is_refused(searched: Callable[..., Any]) -> None:
    with pytest.raises(
        ConfigError, match="model_config.yaml: search.space.linear: not"
    ):
        searched(space={})

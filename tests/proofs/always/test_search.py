"""A search for hyperparameters comes to its end, whatever happens meanwhile."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from src.models.factory import ModelFactory
from src.training import strategies
from src.training.strategies import HyperparameterSearchStrategy, make_strategy
from src.training.validation import cross_validate, make_folds
from src.utils.config import PROJECT_ROOT
from src.utils.errors import ConfigError, DataError
from tests.fixtures.synthetic import make_settings

ROWS = 80
X = pd.DataFrame(
    np.random.default_rng(0).normal(size=(ROWS, 30)),
    columns=[f"x{i}" for i in range(30)],
)
# Few rows, many columns and much noise: it pays to shrink the weights.
Y = X["x0"] + pd.Series(np.random.default_rng(1).normal(0, 3, ROWS))
SPACE = {"linear": {"alpha": {"low": 0.001, "high": 1000, "log": True}}}
# For each line, lets a child search, and kill itself in the middle of it: before it
# fits to the folds, or within what it writes to the study, for the so manieth time.
KILLER = """
import itertools, os, pathlib, signal, sys
import optuna, sqlalchemy.dialects.sqlite
from sqlalchemy import Engine, event
from src.training import strategies
from tests.proofs.always.test_search import cross_validate, search_in
for line in sys.stdin:
    folder, what, count = line.split()
    child = os.fork()
    if child == 0:
        moments = itertools.count(1)
        def strike(*_):
            if next(moments) == int(count):
                os.kill(os.getpid(), signal.SIGKILL)
        if what == "write":
            event.listen(Engine, "before_cursor_execute", strike)
        else:
            fold = lambda *a, **k: strike() or cross_validate(*a, **k)
            strategies.cross_validate = fold
        search_in(pathlib.Path(folder))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def search_in(folder: Path, rows: int = ROWS, **search: Any) -> Any:
    """Search in the study of a folder; return the search, and what came of the best."""
    chosen = {"trials": 12, "space": SPACE} | search
    training = {"strategy": "hyperparameter_search", "folds": 3}
    settings = make_settings(folder, "regression", search=chosen, training=training)
    strategy = make_strategy(settings)
    assert isinstance(strategy, HyperparameterSearchStrategy)
    model = ModelFactory.get_model("linear", task="regression")
    trained = strategy.train(model, X.head(rows), Y.head(rows))
    return strategy.search, strategy.fold_scores, trained.estimator.coef_.tolist()


def finished(folder: Path) -> list[Any]:
    """Return the trials that a search has finished so far, as it tells them."""
    try:
        storage = f"sqlite:///{folder}/models/search.db"
        (name,) = optuna.get_all_study_names(storage)
    except ValueError:  # it was killed before there was a study
        return []
    trials = optuna.load_study(study_name=name, storage=storage).trials
    names = ("number", "params", "value", "state")
    told = [(t.number, t.params, t.value, "complete") for t in trials if t.values]
    return [dict(zip(names, line, strict=True)) for line in told]


def assert_complete(search: Any, before: list[dict[str, Any]]) -> None:
    """A search has all trials and the best, with those of before and no one twice."""
    trials = search["trials"]
    assert trials[: len(before)] == before
    assert len(trials) == len({t["params"]["alpha"] for t in trials}) == 12
    assert search["best"] == min(trials, key=lambda t: t["value"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a search comes to that is left alone."""
    return search_in(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def killer() -> Iterator[Callable[..., int]]:
    """A function that lets a process search until it is killed; gives its status.

    One process that has imported everything and forks is faster than one per kill.
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", KILLER],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        entry, said = process.stdin, process.stdout
        assert entry is not None and said is not None

        def kill(folder: Path, what: str, count: int) -> int:
            entry.write(f"{folder} {what} {count}\n")
            entry.flush()
            return int(said.readline())

        yield kill


# While the tables are made, between trials, within one, and while one is written.
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("write", 5),
        ("write", 30),
        ("fit", 2),
        ("fit", 11),
        ("write", 200),
        ("write", 301),
        ("write", 422),
    ],
)
def test_a_search_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, killer: Callable[..., int], what: str, count: int
) -> None:
    assert os.WTERMSIG(killer(tmp_path, what, count)) == signal.SIGKILL
    before = finished(tmp_path)

    assert_complete(search_in(tmp_path)[0], before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
def test_a_search_that_is_killed_again_and_again_comes_to_its_end(
    tmp_path: Path, killer: Callable[..., int]
) -> None:
    for done in (3, 6, 9):
        assert os.WTERMSIG(killer(tmp_path, "fit", 4)) == signal.SIGKILL
        assert len(finished(tmp_path)) == done
    before = finished(tmp_path)

    assert killer(tmp_path, "fit", 4) == 0  # three were left
    assert_complete(search_in(tmp_path)[0], before)


def test_a_trial_that_was_interrupted_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(strategies, "cross_validate", interrupt)
        search_in(tmp_path)

    assert_complete(search_in(tmp_path)[0], [])


def test_a_search_that_is_left_alone_gives_the_same_twice(
    tmp_path: Path, whole: Any
) -> None:
    assert search_in(tmp_path) == whole


def test_more_trials_go_on_where_the_search_was(tmp_path: Path) -> None:
    first = search_in(tmp_path, trials=7)[0]["trials"]

    assert_complete(search_in(tmp_path)[0], first)
    assert len(search_in(tmp_path, trials=3)[0]["trials"]) == 12  # these are there


def test_a_search_that_is_done_fits_no_fold_again(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_in(tmp_path)
    monkeypatch.delattr(strategies, "cross_validate")

    assert search_in(tmp_path) == whole


def test_folds_and_model_are_those_of_the_best_parameters(whole: Any) -> None:
    search, scores, weights = whole
    params = search["best"]["params"]
    best = ModelFactory.get_model("linear", task="regression", **params)
    settings = make_settings(Path(), "regression", training={"folds": 3})
    folds = make_folds(settings, Y)

    assert scores == cross_validate(best, X, Y, folds)
    assert weights == best.fit(X, Y).estimator.coef_.tolist()
    default = ModelFactory.get_model("linear", task="regression")
    plain = np.mean([f["rmse"] for f in cross_validate(default, X, Y, folds)])
    assert search["best"]["value"] < plain


def test_two_searches_at_the_same_time_are_refused(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not said:
            said.append("")
            with pytest.raises(DataError, match="process that uses it") as error:
                search_in(tmp_path)
            said.append(str(error.value))
        return cross_validate(*args, **kwargs)

    monkeypatch.setattr(strategies, "cross_validate", meanwhile)

    assert search_in(tmp_path) == whole
    assert "search.db: " in said[1] and "\n" not in said[1]


def no_database(path: Path) -> None:
    path.write_text("not a database")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def of_another_version(path: Path) -> None:
    alter(path, "update alembic_version set version_num = 'v2.4.0.a'")


def with_other_columns(path: Path) -> None:
    alter(path, "alter table trials rename column number to place")


def with_broken_content(path: Path) -> None:
    alter(path, "update trial_params set distribution_json = '{'")


def alter(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "damage",
    [
        no_database,
        truncated,
        of_another_version,
        with_other_columns,
        with_broken_content,
    ],
)
def test_a_study_that_cannot_be_read_is_named_in_one_line_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    search_in(tmp_path, trials=1)
    path = tmp_path / "models" / "search.db"
    damage(path)
    left = path.read_bytes()

    with pytest.raises(DataError, match=r"search\.db: cannot be used \(.+\); ") as e:
        search_in(tmp_path, trials=1)

    assert "\n" not in str(e.value)
    assert path.read_bytes() == left
    path.unlink()
    assert len(search_in(tmp_path, trials=1)[0]["trials"]) == 1


def test_a_study_that_fails_in_the_middle_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise optuna.exceptions.StorageInternalError("disk is full")

    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", fail)

    with pytest.raises(DataError, match=r"search\.db: cannot be used \(disk is full"):
        search_in(tmp_path, trials=1)


def test_a_study_that_another_process_keeps_locked_is_named_in_one_line(
    tmp_path: Path,
) -> None:
    search_in(tmp_path, trials=1)
    other = sqlite3.connect(tmp_path / "models" / "search.db")
    other.execute("begin exclusive")

    with pytest.raises(DataError, match=r"search\.db: cannot be used .*; wait for"):
        search_in(tmp_path, trials=1)

    other.close()


def test_other_rows_begin_another_search(tmp_path: Path) -> None:
    first, other = search_in(tmp_path)[0], search_in(tmp_path, rows=ROWS - 1)[0]

    assert len(other["trials"]) == 12
    assert first["best"]["value"] != other["best"]["value"]


def test_it_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search_in(tmp_path, trials=4)

    assert "4/4" in capsys.readouterr().err


def test_a_trial_that_cannot_be_fitted_is_a_failed_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Of ridge regression, lbfgs is for positive weights only.
    space = {"linear": {"solver": {"choices": ["svd", "lbfgs"]}}}
    found = search_in(tmp_path, trials=6, space=space)[0]

    ends = {(t["params"]["solver"], t["state"]) for t in found["trials"]}
    assert ends == {("svd", "complete"), ("lbfgs", "fail")}
    failed = [t for t in found["trials"] if t["state"] == "fail"]
    assert failed and all(t["value"] is None for t in failed)
    assert found["best"]["params"] == {"solver": "svd"}
    assert "model.params: Ridge cannot be fitted" in caplog.text


def test_a_search_in_which_nothing_can_be_fitted_is_refused(tmp_path: Path) -> None:
    space = {"linear": {"solver": {"choices": ["lbfgs"]}}}

    with pytest.raises(DataError, match="none of 2 trials .* search.space in config"):
        search_in(tmp_path, trials=2, space=space)


@pytest.mark.parametrize("space", [{}, {"linear": {}}])
def test_a_model_without_a_space_is_refused(
    tmp_path: Path, space: dict[str, Any]
) -> None:
    with pytest.raises(
        ConfigError, match="model_config.yaml: search.space.linear: not"
    ):
        search_in(tmp_path, space=space)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"low": 3}, "missing"),
        ({"low": 3, "high": 1}, "high"),
        ({"low": 0, "high": 1, "log": True}, "low"),
        ({"choices": []}, "choices"),
        ({"lwo": 1, "high": 2}, "lwo"),
    ],
)
def test_a_range_that_is_none_is_refused_with_its_name(
    tmp_path: Path, found: dict[str, Any], problem: str
) -> None:
    where = "config/model_config.yaml: search.space: alpha: found .*"
    with pytest.raises(ConfigError, match=where + problem):
        search_in(tmp_path, space={"linear": {"alpha": found}})

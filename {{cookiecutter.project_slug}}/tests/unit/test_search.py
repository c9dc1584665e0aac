"""The search for hyperparameters: what it finds, and that it finds it again."""

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
from src.training import search as search_module
from src.training import study as study_module
from src.training.search import HyperparameterSearchStrategy
from src.training.strategies import make_strategy
from src.training.validation import cross_validate, make_folds
from src.utils.config import PROJECT_ROOT
from src.utils.errors import ConfigError, ModelError
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
# fits a fold, or within what it writes to the study, for the so manieth time.
KILLER = """
import itertools, os, pathlib, signal, sys
from sqlalchemy import Engine, event
from src.training import search
from tests.unit.test_search import cross_validate, search_in
for line in sys.stdin:
    folder, workers, what, count = line.split()
    child = os.fork()
    if child == 0:
        moments = itertools.count(1)
        def strike(*_):
            if next(moments) == int(count):
                os.kill(os.getpid(), signal.SIGKILL)
        if what == "write":
            event.listen(Engine, "before_cursor_execute", strike)
        else:
            search.cross_validate = lambda *a, **k: strike() or cross_validate(*a, **k)
        search_in(pathlib.Path(folder), workers=int(workers))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def search_in(folder: Path, rows: int = ROWS, **search: Any) -> Any:
    """Search in the study of a folder; return the search, and what came of the best."""
    chosen = {"trials": 12, "batch": 4, "space": SPACE} | search
    training = {"strategy": "hyperparameter_search", "folds": 3}
    settings = make_settings(folder, "regression", search=chosen, training=training)
    strategy = make_strategy(settings)
    assert isinstance(strategy, HyperparameterSearchStrategy)
    model = ModelFactory.get_model("linear", task="regression")
    trained = strategy.train(model, X.head(rows), Y.head(rows))
    return strategy.search, strategy.fold_scores, trained.estimator.coef_.tolist()


@pytest.fixture
def searched(tmp_path: Path) -> Callable[..., Any]:
    """A function that searches, in a study of its own folder, and gives the search."""

    def run(folder: str = "a", **search: Any) -> Any:
        return search_in(tmp_path / folder, **search)[0]

    return run


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
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        entry, said = process.stdin, process.stdout
        assert entry is not None and said is not None

        def kill(folder: Path, workers: int, what: str, count: int) -> int:
            entry.write(f"{folder} {workers} {what} {count}\n")
            entry.flush()
            return int(said.readline())

        yield kill


# While the tables are made, in the first batch, within a later one, and while a trial
# is written.
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
@pytest.mark.parametrize(
    ("workers", "what", "count"),
    [
        (1, "write", 30),
        (2, "fit", 5),
        (1, "fit", 17),
        (2, "write", 200),
    ],
)
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path,
    whole: Any,
    killer: Callable[..., int],
    workers: int,
    what: str,
    count: int,
) -> None:
    status = killer(tmp_path, workers, what, count)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert search_in(tmp_path, workers=workers) == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
def test_a_search_that_is_killed_again_and_again_comes_to_its_end(
    tmp_path: Path, whole: Any, killer: Callable[..., int]
) -> None:
    for _ in range(3):
        assert os.WTERMSIG(killer(tmp_path, 2, "fit", 11)) == signal.SIGKILL

    assert killer(tmp_path, 2, "fit", 99) == 0
    assert search_in(tmp_path) == whole


def test_a_finished_search_is_not_run_again(
    searched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched()
    monkeypatch.delattr(search_module, "cross_validate")

    assert searched() == first


def test_folds_and_model_are_those_of_the_best_parameters(whole: Any) -> None:
    search, scores, weights = whole
    best = ModelFactory.get_model(
        "linear", task="regression", **search["best"]["params"]
    )
    settings = make_settings(Path(), "regression", training={"folds": 3})

    assert scores == cross_validate(best, X, Y, make_folds(settings, Y))
    assert weights == best.fit(X, Y).estimator.coef_.tolist()
    values = [trial["value"] for trial in search["trials"]]
    assert search["best"]["value"] == min(values)
    assert np.mean([fold["rmse"] for fold in scores]) == search["best"]["value"]


def test_two_searches_at_the_same_time_are_refused(
    searched: Callable[..., Any], whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not said:
            with pytest.raises(ModelError, match="another process is searching") as e:
                searched()
            said.append(str(e.value))
        return cross_validate(*args, **kwargs)

    monkeypatch.setattr(search_module, "cross_validate", meanwhile)

    assert searched() == whole[0]
    assert "search.db: " in said[0] and "\n" not in said[0]


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

    with pytest.raises(
        ModelError, match=r"search\.db: cannot be used \(.+\); remove"
    ) as e:
        search_in(tmp_path, trials=1)

    assert "\n" not in str(e.value)
    assert path.read_bytes() == left
    path.unlink()
    assert len(search_in(tmp_path, trials=1)[0]["trials"]) == 1


def test_a_study_that_fails_in_the_middle_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise optuna.exceptions.StorageInternalError("disk is full")

    monkeypatch.setattr(optuna.Study, "add_trial", fail)

    with pytest.raises(ModelError, match=r"search\.db: cannot be used \(disk is full"):
        search_in(tmp_path, trials=1)


def test_a_study_that_another_process_keeps_locked_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_in(tmp_path, trials=1)
    monkeypatch.setattr(study_module, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "models" / "search.db")
    other.execute("begin exclusive")

    with pytest.raises(ModelError, match=r"database is locked\); wait for"):
        search_in(tmp_path, trials=1)

    other.close()


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


def test_a_trial_that_has_fitted_every_fold_is_not_pruned(
    searched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_the_last(self: Any, study: Any, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.last_step == 2

    monkeypatch.setattr(optuna.pruners.MedianPruner, "prune", at_the_last)

    states = [trial["state"] for trial in searched(trials=2)["trials"]]
    assert states == ["complete", "complete"]


def test_parameters_that_are_refused_when_fitted_are_a_failed_trial(
    searched: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Of ridge regression, lbfgs is for positive weights only.
    space = {"linear": {"solver": {"choices": ["svd", "lbfgs"]}}}
    found = searched(trials=6, space=space)

    ends = {(t["params"]["solver"], t["state"]) for t in found["trials"]}
    assert ends == {("svd", "complete"), ("lbfgs", "fail")}
    failed = [t for t in found["trials"] if t["state"] == "fail"]
    assert all(t["value"] is None and t["intermediate"] == [] for t in failed)
    assert found["best"]["params"] == {"solver": "svd"}
    assert "model.params: Ridge cannot be fitted" in caplog.text


def test_a_search_in_which_nothing_can_be_fitted_is_refused(
    searched: Callable[..., Any],
) -> None:
    space = {"linear": {"solver": {"choices": ["lbfgs"]}}}

    with pytest.raises(ModelError, match="none of 2 trials .* search.space in config"):
        searched(trials=2, space=space)


ALPHA = SPACE["linear"]["alpha"]


@pytest.mark.parametrize(
    ("space", "important"),
    [
        ({"alpha": ALPHA}, {"alpha"}),
        ({"alpha": ALPHA, "tol": {"choices": [0.001]}}, {"alpha"}),
        ({"alpha": {"low": 1, "high": 1}}, set()),
    ],
)
def test_only_what_varies_has_an_importance(
    searched: Callable[..., Any], space: dict[str, Any], important: set[str]
) -> None:
    shares = searched(trials=6, space={"linear": space})["importances"]

    assert {name for name, share in shares.items() if share > 0} == important
    assert sum(shares.values()) == pytest.approx(len(important))


def test_it_says_how_far_it_is(
    searched: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    searched(trials=4)

    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize("space", [{}, {"linear": {}}])
def test_a_model_without_a_space_is_refused(
    searched: Callable[..., Any], space: dict[str, Any]
) -> None:
    with pytest.raises(
        ConfigError, match="model_config.yaml: search.space.linear: not"
    ):
        searched(space=space)

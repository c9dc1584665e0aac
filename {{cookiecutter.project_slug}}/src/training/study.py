"""The study of a search: a SQLite file, open in one process at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError

from src.utils.errors import ModelError

BUSY_SECONDS = 5  # for which another process may write to the file

Direction = Literal["maximize", "minimize"]


@contextmanager
def open_study(path: Path, name: str, direction: Direction) -> Iterator[optuna.Study]:
    """Give the study ``name`` of the file ``path``, begun or not.

    The lock beside the file ends with the process that holds it, however that ends.

    Args:
        path: The file; it is made if it is not there.
        name: The study; a file may hold several.
        direction: Whether a higher or a lower value is the better one.

    Raises:
        ModelError: If another process searches, or the file cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{path}.lock", timeout=0):
            yield _load(path, name, direction)
    except Timeout:
        raise ModelError(
            f"{path}: another process is searching; wait for it to end, or end it: "
            "the next training goes on where the search is"
        ) from None
    except StorageInternalError as error:
        raise _unusable(path, error) from error


def _load(path: Path, name: str, direction: Direction) -> optuna.Study:
    """Return the study, begun or not, with all that is in it."""
    logging.getLogger("alembic").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}?timeout={BUSY_SECONDS}",
            study_name=name,
            direction=direction,
            load_if_exists=True,
        )
        study.get_trials()
    except Exception as error:  # each layer below has errors of its own
        raise _unusable(path, error) from error
    return study


def _unusable(path: Path, error: BaseException) -> ModelError:
    """Return what is wrong with the file, in one line."""
    while error.__cause__:  # SQLite says it in plainer words than what is above it
        error = error.__cause__
    problem = " ".join(str(error).split())
    if "locked" in problem:
        advice = "wait for the process that uses it to end"
    else:
        advice = "remove it or move it away to begin the search anew"
    return ModelError(f"{path}: cannot be used ({problem}); {advice}")

"""What every test may ask for: a small made-up project, or the configured data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from src.training.train import train
from src.utils.config import Settings, Task
from tests.fixtures.configured import configured_settings, prepare
from tests.fixtures.synthetic import make_frame, make_settings

ProjectMaker = Callable[..., Settings]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On data this small, threads that wait for each other cost more than they give."""
    with pytest.MonkeyPatch.context() as environment, threadpool_limits(1):
        environment.setenv("OMP_NUM_THREADS", "1")  # for processes that tests start
        yield


@pytest.fixture
def make_project(tmp_path: Path) -> ProjectMaker:
    """A function that writes synthetic data and gives the settings to run on them.

    ``make_project("regression", rows=200, model={"type": "dummy"})`` takes the task,
    the number of rows, and what differs in sections of the settings.
    """

    def make(
        task: Task = "classification", rows: int = 300, **sections: Any
    ) -> Settings:
        frame = make_frame(task, rows)
        frame.to_csv(tmp_path / "source.csv", index=False, lineterminator="\n")
        return make_settings(tmp_path, task, **sections)

    return make


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The project's own data and settings: split and trained on, outputs apart."""
    settings = configured_settings(tmp_path_factory.mktemp("configured"))
    prepare(settings)
    train(settings)
    return settings

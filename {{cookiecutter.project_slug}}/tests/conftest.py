"""What every test may ask for: a small project in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.utils.config import Settings, Task
from tests.fixtures.synthetic import make_frame, make_settings

ProjectMaker = Callable[..., Settings]


@pytest.fixture
def make_project(tmp_path: Path) -> ProjectMaker:
    """A function that writes synthetic data and gives the settings to run on them.

    ``make_project("regression", rows=200, model={"type": "dummy"})`` takes the task,
    the number of rows, and whole sections of the settings.
    """

    def make(
        task: Task = "classification", rows: int = 300, **sections: Any
    ) -> Settings:
        frame = make_frame(task, rows)
        frame.to_csv(tmp_path / "source.csv", index=False, lineterminator="\n")
        return make_settings(tmp_path, task, **sections)

    return make

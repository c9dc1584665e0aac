"""What wandb cannot write, and what it does not send."""

import os

import pytest

from src.tracking.tracker import run
from src.utils.errors import DataError
from tests.conftest import ProjectMaker

import wandb

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_a_run_that_cannot_be_written_is_reported_in_one_line(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wandb, "init", full)

    with pytest.raises(DataError, match="with wandb.*No space.*ENABLED=false") as error:
        with run(make_project(tracking={"enabled": True}), "broken"):
            pass
    assert "\n" not in str(error.value)


def test_nothing_is_sent_to_anybody_unasked() -> None:
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"

"""A server of MLflow that is down."""

import os
from typing import Any

import pytest

from src.data.preprocessing import preprocess
from src.training.train import train
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def tracked(make_project: ProjectMaker, **sections: Any) -> Settings:
    """Return the settings of a split project that records runs."""
    settings = make_project(tracking={"enabled": True}, **sections)
    bring(settings)
    preprocess(settings)
    return settings


def test_a_server_that_is_down_is_told_in_one_line_without_its_password(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")

    with pytest.raises(DataError, match=r"127.0.0.1:9.*start the server") as error:
        train(tracked(make_project))

    assert "\n" not in str(error.value) and "secret" not in str(error.value)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

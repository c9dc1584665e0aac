"""What every service loads, in more detail."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from src.data.preprocessing import preprocess
from src.data.schema import DataSchema
from src.serving import tables
from src.serving.model import Model
from src.serving.schemas import row_model
from src.serving.settings import ServingSettings, load_serving_settings
from src.training.train import train
from src.utils import config
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.fixtures.serving import COLUMNS, served_settings
from tests.fixtures.synthetic import bring, make_frame

CSV = tables.CSV


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings beside a .env file of its own, and no variables."""
    monkeypatch.setattr(config, "ENV_FILE", tmp_path / ".env")
    for name in ServingSettings.model_fields:
        monkeypatch.delenv(f"SERVING_{name.upper()}", raising=False)
    path = tmp_path / "serving_config.yaml"
    path.write_text("port: 1\nmax_rows: 1\nalias: staging\n", encoding="utf-8")
    return path


def test_a_variable_wins_over_dotenv_which_wins_over_the_file(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = "SERVING_PORT=2\nSERVING_MAX_ROWS=2\nSERVING_ALIAS=\nOTHER=3\n"
    (written.parent / ".env").write_text(dotenv, encoding="utf-8")
    monkeypatch.setenv("SERVING_PORT", "3")
    found = load_serving_settings(written)
    assert (found.port, found.max_rows, found.alias) == (3, 2, "staging")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A project with a trained model, in a folder of its own."""
    folder = tmp_path_factory.mktemp("trained")
    settings = served_settings(folder)
    make_frame("classification").to_csv(folder / "source.csv", index=False)
    bring(settings)
    served_settings(folder)  # its schema is the stricter one
    preprocess(settings)
    train(settings)
    return settings


def latest(settings: Settings) -> Path:
    return settings.paths.models / "latest_model.joblib"


def test_a_model_of_other_features_is_refused(trained: Settings) -> None:
    columns = {name: c for name, c in COLUMNS.items() if name != "age"}
    other = DataSchema.model_validate({"name": "other", "columns": columns})
    with pytest.raises(DataError, match="other features"):
        Model.load(latest(trained), "1", other, row_model(other))


def test_the_command_says_in_its_last_line_that_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "src.serving.api"],
            cwd=config.PROJECT_ROOT,
            env=os.environ | {"SERVING_PORT": port},
            stderr=subprocess.PIPE,
            text=True,
        )
    line = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert line.startswith(f"error: port {port} of") and "SERVING_PORT" in line

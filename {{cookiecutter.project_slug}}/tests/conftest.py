"""What every test may ask for: a small made-up project, or the configured data."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from scripts.data_download import download
from src.data.ingestion import is_url, source_name
from src.data.preprocessing import preprocess
from src.utils.config import PROJECT_ROOT, Settings, Task, load_settings
from tests.fixtures.synthetic import make_frame, make_settings

ProjectMaker = Callable[..., Settings]


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """One thread, as waiting costs more on small data; and no server of the user."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setenv("OMP_NUM_THREADS", "1")  # for processes that tests start
        for name in list(os.environ):
            if name.endswith("TRACKING_URI"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all models; what is kept beside them can be slow to create."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def make_project(tmp_path: Path, store: Path) -> ProjectMaker:
    """A function of task, rows and changed sections: writes data, returns settings."""
    name = tmp_path.name

    def make(task: Task = "classification", rows: int = 300, **other: Any) -> Settings:
        make_frame(task, rows).to_csv(tmp_path / "source.csv", index=False)
        other["paths"] = {"models": store / name} | other.get("paths", {})
        other["registry"] = {"model": name} | other.get("registry", {})
        return make_settings(tmp_path, task, **other)

    return make


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The project's own data and settings: split and trained on, outputs apart."""
    from src.training.train import train

    project, folder = load_settings(), tmp_path_factory.mktemp("configured")
    content, source = project.model_dump(), project.data.source
    if not project.data.schema_path.exists():  # then one is inferred
        content["data"]["schema_path"] = folder / "data_schema.yaml"
    content["data"]["dictionary_path"] = folder / "data_dictionary.md"
    content["tracking"]["enabled"] = False
    content["registry"]["cards"] = folder / "model_cards"
    content["paths"] = {name: folder / name for name in content["paths"]}
    settings = Settings.model_validate(content)
    raw = project.paths.raw / source_name(source)
    if raw.exists():
        shutil.copytree(project.paths.raw, settings.paths.raw)
    elif is_url(source) or not (PROJECT_ROOT / Path(source).expanduser()).exists():
        pytest.skip(f"{source} is not on this machine; `make data` fetches it")
    download(settings)
    preprocess(settings)
    train(settings)
    return settings

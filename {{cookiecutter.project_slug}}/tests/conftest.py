"""What every test may ask for: a small made-up project, or the configured data."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from threadpoolctl import threadpool_limits

# What takes seconds to import is imported where it is used: the process that only hands
# out the tests to the others reads this file first, while they wait.
if TYPE_CHECKING:
    from src.utils.config import Settings, Task

ProjectMaker = Callable[..., "Settings"]


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it would look again and again."""
    gc.collect()
    gc.freeze()


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
    from tests.fixtures.synthetic import make_frame, make_settings

    name = tmp_path.name

    def make(
        task: "Task" = "classification", rows: int = 300, **other: Any
    ) -> "Settings":
        make_frame(task, rows).to_csv(tmp_path / "source.csv", index=False)
        other["paths"] = {"models": store / name} | other.get("paths", {})
        other["registry"] = {"model": name} | other.get("registry", {})
        return make_settings(tmp_path, task, **other)

    return make


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> "Settings":
    """The project's own data and settings: split and trained on, outputs apart."""
    from scripts.data_download import download
    from src.data.ingestion import source_name
    from src.data.preprocessing import preprocess
    from src.training.train import train
    from src.utils.config import PROJECT_ROOT, Settings, load_settings

    project, folder = load_settings(), tmp_path_factory.mktemp("configured")
    content, source = project.model_dump(), project.data.source
    if not project.data.schema_path.exists():  # then one is inferred
        content["data"]["schema_path"] = folder / "data_schema.yaml"
    content["data"]["dictionary_path"] = folder / "data_dictionary.md"
    content["tracking"]["enabled"] = False
    content["registry"]["cards"] = folder / "model_cards"
    content["paths"] = {name: folder / name for name in content["paths"]}
    settings = Settings.model_validate(content)
    raw = project.paths.data / "raw" / source_name(source)
    if raw.exists():
        shutil.copytree(project.paths.data / "raw", settings.paths.data / "raw")
    elif "://" in source or not (PROJECT_ROOT / Path(source).expanduser()).exists():
        pytest.skip(f"{source} is not on this machine; `make data` fetches it")
    download(settings)
    preprocess(settings)
    train(settings)
    return settings

"""What all tests of this repository share."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session", autouse=True)
def nobodys_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep cookiecutter from reading or writing the home of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    settings = {
        "cookiecutters_dir": str(folder / "templates"),
        "replay_dir": str(folder / "replay"),
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(settings))  # JSON is YAML, too
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(file))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder to generate into, removed at once: an environment is large."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; its own one, because to download one takes minutes."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} on this machine")
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=found) as browser:
            yield browser

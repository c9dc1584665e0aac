"""The notebooks run from top to bottom on the configured data."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from src.utils.config import PROJECT_ROOT, Settings

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*/*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(
    path: Path, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "models", "reports"):
        folder = getattr(configured.paths, name)
        monkeypatch.setenv(f"MLOPS_PATHS__{name.upper()}", str(folder))
    schema_path = str(configured.data.schema_path)
    monkeypatch.setenv("MLOPS_DATA__SCHEMA_PATH", schema_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_stored_without_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not [c for c in notebook.cells if c.get("outputs")]

"""The notebooks run from top to bottom on the configured data."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from src.utils.config import PROJECT_ROOT, Settings

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*/*.ipynb"))


@pytest.fixture(scope="module")
def client(configured: Settings) -> Iterator[NotebookClient]:
    """One kernel for all notebooks: most of their time is starting and importing."""
    folder = {"metadata": {"path": str(NOTEBOOKS[0].parent)}}
    found = NotebookClient(
        nbformat.v4.new_notebook(),
        timeout=120,
        resources=folder,
        shutdown_kernel="immediate",
    )
    with pytest.MonkeyPatch.context() as environment:
        for name in ("data", "models", "reports"):
            path = getattr(configured.paths, name)
            environment.setenv(f"MLOPS_PATHS__{name.upper()}", str(path))
        schema_path = str(configured.data.schema_path)
        environment.setenv("MLOPS_DATA__SCHEMA_PATH", schema_path)
        environment.setenv("MLOPS_TRAINING__FOLDS", "2")  # to see that it runs
        environment.setenv("PYTHONPATH", str(PROJECT_ROOT))
        with found.setup_kernel():
            yield found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, client: NotebookClient) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not [c for c in notebook.cells if c.get("outputs")], "stored with output"
    forget = nbformat.v4.new_code_cell("%reset -f")  # what other notebooks defined
    notebook.cells.insert(0, forget)
    client.nb = notebook
    client.reset_execution_trackers()
    for index, cell in enumerate(notebook.cells):
        client.execute_cell(cell, index)

"""The notebooks run from top to bottom on the configured data."""

import json
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from src.utils.config import PROJECT_ROOT, Settings

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(
    path: Path, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "models", "reports"):
        folder = getattr(configured.paths, name)
        monkeypatch.setenv(f"MLOPS_PATHS__{name.upper()}", str(folder))
    monkeypatch.setenv("MLOPS_DATA__SCHEMA_PATH", str(configured.data.schema_path))
    monkeypatch.setenv("MLOPS_TRAINING__FOLDS", "2")  # to see that it runs
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(path.parent)
    shell = InteractiveShell()
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs"), "stored with output"
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"])).raise_error()
